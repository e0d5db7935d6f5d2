"""Figures of a deployment: what they draw, read back from the elements."""

from __future__ import annotations

import io

import holoviews as hv
import numpy as np
import pytest

import analog_model as am
from analog_model.errors import DataError
from analog_model.figures import deployment as figures
from analog_model.figures.paper import save_figure
from analog_model.nn.layer_map import layer_map
from tests.deployed import deployable_chip, deployed, exact, perceptron


@pytest.fixture(scope="module")
def found() -> am.Deployment:
    network, inputs = perceptron()
    return deployed(
        network, inputs, deployable_chip(), configuration=exact(), calibration_data=inputs
    )


def test_arrays_show_layout_classes_where_cells_are_in_use(found: am.Deployment) -> None:
    overlay = figures.array_map(found, layer="2")
    (image,) = overlay.traverse(lambda one: one, [hv.Image])
    codes = image.dimension_values(2, flat=False)
    # 10 outputs at 4 pairs to an array: 20 of 24 bit lines of 16 cells; class codes from 1.
    drawn, counts = np.unique(codes[~np.isnan(codes)], return_counts=True)
    assert dict(zip(drawn.tolist(), counts.tolist(), strict=True)) == {0: 64, 1: 160, 2: 160}
    save_figure(overlay, io.BytesIO(), format="png")


def test_the_tables_know_what_the_layer_map_knows(found: am.Deployment) -> None:
    from analog_model.deployment.targets import layer_map_of

    network, inputs = perceptron()
    analog = am.nn.convert(
        network, deployable_chip(), configuration=exact(), calibration_data=inputs
    )
    expected, again = layer_map(analog), layer_map_of(found.arrays, found.layers)
    for name, variable in again.items():
        np.testing.assert_array_equal(variable, expected[name], err_msg=str(name))


def test_bars_end_at_the_energy_of_their_layer(found: am.Deployment) -> None:
    overlay = figures.energy_bars(found.cost)
    bars = overlay.traverse(lambda one: one, [hv.Rectangles])
    ends = bars[-1].dimension_values(2)
    # In the prefix of the axis.
    unit = {"fJ": 1e-15, "pJ": 1e-12}[bars[0].kdims[0].name.split("[")[1].rstrip("]")]
    np.testing.assert_allclose(ends * unit, found.cost["energy"].values)
    starts = bars[-1].dimension_values(0)
    np.testing.assert_allclose(starts * unit, found.cost["energy_bit_line"].values)
    save_figure(overlay, io.BytesIO(), format="pdf")
    (latency,) = figures.latency_bars(found.cost).traverse(lambda one: one, [hv.Rectangles])
    assert latency.dimension_values(2).max() == pytest.approx(
        1e9 * float(found.cost["latency"].max())
    )


def test_curves_go_through_the_comparison(found: am.Deployment) -> None:
    compared = am.compare_readings(found, read_noises=(1e-3, 1e-2))
    for quantity in ("residual", "reading_error"):
        overlay = figures.reading_curves(compared, quantity=quantity)
        curves = {one.label: one for one in overlay.traverse(lambda one: one, [hv.Curve])}
        assert set(curves) == {
            *("single", "in context", "patterns only", "regression", "leave one out")
        }
        np.testing.assert_allclose(
            curves["in context"].dimension_values(1),
            100 * compared[quantity].sel(reading="in_context"),
        )
    with pytest.raises(DataError, match="Did you mean 'residual'"):
        figures.reading_curves(compared, quantity="residuals")
