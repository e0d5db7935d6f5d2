"""Sweeps: the numbers, where they are kept, who computes them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import analog_model as am
from analog_model.chip.layout import LAYOUT_RULES
from analog_model.errors import ConfigurationError, DataError, SimulationError
from analog_model.sweeps.array_changes import with_layout_rule, with_word_lines
from analog_model.sweeps.axes import chip_at
from analog_model.sweeps.plan import SweepPlan
from analog_model.sweeps.sweep import swept
from analog_model.sweeps.workers import readings
from tests.training_runs import quick


@pytest.fixture(scope="module")
def chip() -> am.Chip:
    return am.synthetic_chip(8, 4)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A digital perceptron, trained for a second."""
    path = tmp_path_factory.mktemp("runs") / "float"
    am.nn.train(quick(epochs=2), run_directory=path)
    return path


def test_numbers_are_those_of_the_reference(chip: am.Chip) -> None:
    """Hand-made chips, simulated by the NumPy loops, give the SER of every point."""
    measure = am.ProductError(n_patterns=5, seed=3)
    found = am.sweep(
        chip,
        over={"wire_resistance": [5.0, 400.0], "coupling_scale": [0.5, 3.0]},
        measure=measure,
        workers=1,
    )
    assert found["decibel"].dims == ("wire_resistance", "coupling_scale")
    assert found["wire_resistance"].attrs["units"] == "ohm"
    width = measure.pulse_width(chip)
    assert 0 <= width.min() < width.max() <= 31 * 40e-9
    for ohms in (5.0, 400.0):
        for scale in (0.5, 3.0):
            one = chip.replace(
                bit_line=am.BitLine(wire_resistance=ohms, drain_sensitivity=0.1),
                coupling=am.CouplingByClass(offsets=(-1, 1), kappa=scale * chip.coupling.kappa),
            )
            ideal = width @ chip.cell_current
            error = am.simulate(one, width, method="reference") - ideal
            expected = np.sqrt((ideal**2).mean() / (error**2).mean())
            point = found.sel(wire_resistance=ohms, coupling_scale=scale)
            assert float(point["signal_to_error_ratio"]) == pytest.approx(expected, rel=1e-9)
            assert float(point["error"]) == pytest.approx(np.sqrt((error**2).mean()), rel=1e-6)


def test_a_chip_without_errors_has_an_infinite_ratio(chip: am.Chip, tmp_path: Path) -> None:
    """Also after a way through the cache and a file."""
    perfect = chip.with_effects(())
    for _ in range(2):
        found = am.sweep(perfect, over={"n_word_lines": [4, 8]}, cache=tmp_path, workers=1)
        assert found["decibel"].values.tolist() == [np.inf, np.inf]
    am.save_sweep(found, tmp_path / "sweep.nc")
    again = am.open_sweep(tmp_path / "sweep.nc")
    assert again["decibel"].identical(found["decibel"])
    assert again.attrs["chip_fingerprint"] == perfect.fingerprint()
    with pytest.raises(DataError, match="unit"):
        am.save_sweep(found.drop_attrs().assign_attrs(found.attrs), tmp_path / "other.nc")


def test_another_layout_keeps_the_strengths() -> None:
    """A synthetic chip laid out anew is the synthetic chip of that rule."""
    for rule in LAYOUT_RULES:
        made = am.synthetic_chip(6, 4, layout_rule=rule)
        moved = with_layout_rule(am.synthetic_chip(6, 4), rule)
        assert np.array_equal(moved.layout.layout_class, made.layout.layout_class)
        np.testing.assert_allclose(moved.coupling.kappa, made.coupling.kappa, rtol=1e-12)
    mixed = am.synthetic_chip(4, 2, layout_rule="uniform").replace(
        coupling=am.CouplingByClass(offsets=(-2, -1, 1), kappa=[[0.02, -0.05, 0.3]])
    )
    kappa = with_layout_rule(mixed, "mirrored_columns").coupling.kappa
    np.testing.assert_allclose(kappa, [[0.02, 0.3, -0.05], [0.02, -0.05, 0.3]])


def test_a_longer_array_begins_with_the_chips_own_cells(chip: am.Chip) -> None:
    longer, shorter = with_word_lines(chip, 20), with_word_lines(chip, 3)
    assert np.array_equal(longer.cell_current[:8], chip.cell_current)
    for column in range(4):
        assert np.isin(longer.cell_current[8:, column], chip.cell_current[:, column]).all()
    assert np.array_equal(shorter.cell_current, chip.cell_current[:3])
    measure = am.ProductError(n_patterns=4)
    assert np.array_equal(measure.pulse_width(longer)[:, :8], measure.pulse_width(chip))
    found = am.sweep(chip, over={"n_word_lines": [3, 20]}, measure=measure, workers=1)
    assert found["n_word_lines"].values.tolist() == [3, 20]
    assert found["signal"].values[1] > found["signal"].values[0]


def test_points_are_kept_and_found_again(chip: am.Chip, tmp_path: Path) -> None:
    """Stopped after two points, a sweep goes on; another one finds what they share."""
    over = {"coupling_scale": [0.0, 1.0, 2.0], "bits": [3, 6]}
    plan = SweepPlan(chip, over, am.ProductError(n_patterns=4))
    begun = swept(plan, cache=tmp_path, workers=1)
    first = [next(begun), next(begun)]
    begun.close()
    assert [point.known for point in first] == [False, False]
    assert len(list(tmp_path.iterdir())) == 2
    heard = []
    whole = am.sweep(
        chip, over=over, measure=plan.measure, cache=tmp_path, workers=1, listener=heard.append
    )
    assert [point.known for point in heard] == [True, True, False, False, False, False]
    fresh = am.sweep(chip, over=over, measure=plan.measure, workers=1)
    assert whole["decibel"].identical(fresh["decibel"])
    heard.clear()
    other = {"bits": [6, 4], "coupling_scale": [2.0]}
    am.sweep(
        chip, over=other, measure=plan.measure, cache=tmp_path, workers=1, listener=heard.append
    )
    assert [point.known for point in heard] == [True, False]
    # Neither another seed nor another chip takes these points for its own.
    for measure, one in ((am.ProductError(n_patterns=4, seed=1), chip), (plan.measure, None)):
        moved = one or chip.with_weights(chip.cell_current[::-1])
        heard.clear()
        am.sweep(
            moved, over=over, measure=measure, cache=tmp_path, workers=1, listener=heard.append
        )
        assert not any(point.known for point in heard)


def test_a_damaged_file_is_named(chip: am.Chip, tmp_path: Path) -> None:
    over = {"coupling_scale": [1.0]}
    am.sweep(chip, over=over, cache=tmp_path, workers=1)
    (file,) = tmp_path.iterdir()
    content = json.loads(file.read_text())
    for text in (
        file.read_text()[:-20],
        json.dumps(content | {"key": "0" * 64}),
        json.dumps(content | {"reading": {"decibel": 1.0}}),
        json.dumps(content | {"reading": content["reading"] | {"decibel": float("nan")}}),
        "[]",
    ):
        file.write_text(text)
        with pytest.raises(DataError, match=file.name):
            am.sweep(chip, over=over, cache=tmp_path, workers=1)


@pytest.mark.parametrize(
    ("over", "match"),
    [
        ({}, "one or two"),
        ({"coupling": [1.0]}, "Did you mean 'coupling_scale'"),
        ({"coupling_scale": []}, "list of values"),
        ({"coupling_scale": [1.0, 1.0]}, "distinct"),
        ({"coupling_scale": [-1.0]}, "from 0"),
        ({"n_word_lines": [2.5]}, "whole number"),
        ({"alignment": ["leadin"]}, "Did you mean 'leading'"),
    ],
)
def test_what_cannot_be_swept_is_refused(chip: am.Chip, over: dict, match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        am.sweep(chip, over=over, workers=1)


def test_a_parameter_without_effect_is_refused(chip: am.Chip) -> None:
    insensitive = chip.replace(bit_line=am.BitLine(wire_resistance=5.0))
    with pytest.raises(ConfigurationError, match="drain sensitivity"):
        am.sweep(insensitive, over={"wire_resistance": [1.0]}, workers=1)
    with pytest.raises(ConfigurationError, match="coupling"):
        am.sweep(chip.replace(coupling=None), over={"coupling_scale": [1.0]}, workers=1)
    with pytest.raises(ConfigurationError, match="workers"):
        am.sweep(chip, over={"bits": [3]}, workers=0)


class Failing(am.ProductError):
    """Refuses coarse codes, in whatever process it is asked."""

    def read(self, chip: am.Chip) -> dict[str, float]:
        if chip.pulse.bits == 2:
            raise SimulationError("read", expected="a finer code", got="2 bits")
        return super().read(chip)


def test_processes_find_the_same_and_tell_what_failed(chip: am.Chip) -> None:
    chips = [chip_at(chip, {"bits": bits}) for bits in (3, 2, 4)]
    found = dict(readings(Failing(), chips, workers=2, scheduler=None))
    assert found[0]() == Failing().read(chips[0])
    assert found[2]() == Failing().read(chips[2])
    with pytest.raises(SimulationError, match="a finer code"):
        found[1]()
    with pytest.raises(SimulationError, match=r"point bits 2 of the sweep.*a finer code"):
        am.sweep(chip, over={"bits": [2, 3]}, measure=Failing(), workers=1)


def test_a_dask_cluster_finds_the_same(chip: am.Chip, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")
    over = {"coupling_scale": [0.5, 1.0]}
    alone = am.sweep(chip, over=over, workers=1)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address
        found = am.sweep(chip, over=over, scheduler=address)
        with pytest.raises(SimulationError, match=r"point bits 2 of the sweep.*a finer code"):
            am.sweep(chip, over={"bits": [2, 3]}, measure=Failing(), scheduler=address)
    assert found["decibel"].identical(alone["decibel"])
    with pytest.raises(ConfigurationError, match="address of a Dask scheduler"):
        am.sweep(chip, over=over, scheduler="nonsense://1")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigurationError, match=r"analog-model\[cluster\]"):
        am.sweep(chip, over=over, scheduler="tcp://127.0.0.1:8786")


def test_accuracy_of_a_network(run: Path, tmp_path: Path) -> None:
    """As conversion and evaluation by hand find it; retraining on a harsh chip helps."""
    chip = am.synthetic_chip(16, 16)
    measure = am.Accuracy.of_run(run, n_images=200)
    assert np.bincount(measure.labels.numpy()).tolist() == [20] * 10
    found = am.sweep(chip, over={"coupling_scale": [0.0, 15.0]}, measure=measure, workers=1)
    harsh = chip.replace(
        coupling=am.CouplingByClass(offsets=(-1, 1), kappa=15.0 * chip.coupling.kappa)
    )
    network = am.nn.convert(
        am.nn.trained_network(run),
        harsh,
        configuration=measure.layer.replace(window=31 * 40e-9),
        calibration_data=measure.calibration,
    ).eval()
    right = (network(measure.inputs).argmax(1) == measure.labels).float().mean()
    assert float(found["accuracy"][1]) == pytest.approx(float(right))
    retraining = am.RetrainedAccuracy.of_run(run, epochs=1, n_images=200)
    again = am.sweep(
        chip, over={"coupling_scale": [15.0]}, measure=retraining, cache=tmp_path, workers=1
    )
    assert float(again["undefended_accuracy"][0]) == float(found["accuracy"][1])
    assert float(again["accuracy"][0]) > float(found["accuracy"][1]) + 0.05
    assert float(found["accuracy"][0]) > float(found["accuracy"][1])
    with pytest.raises(ConfigurationError, match="share an edge"):
        am.sweep(chip, over={"alignment": ["staggered"]}, measure=measure, workers=1)
    same, fewer = am.Accuracy.of_run(run, n_images=200), am.Accuracy.of_run(run, n_images=100)
    assert same.identity() == measure.identity() != fewer.identity()
