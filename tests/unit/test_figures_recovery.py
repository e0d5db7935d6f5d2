"""Figure of recovered accuracy: every judgement of the results is a dot where it belongs."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import pytest

from analog_model.dataset.examples import data_folder
from analog_model.errors import DataError
from analog_model.figures.recovery import recovery_figure
from analog_model.nn.models import NETWORKS
from analog_model.results.chips import DIGITAL, harsh_chip_of
from analog_model.results.recovery import open_recovery


def test_every_judgement_is_a_dot() -> None:
    recovery = open_recovery(data_folder() / "results" / "recovery.nc")
    panels = dict(zip(NETWORKS, recovery_figure(recovery), strict=True))
    frame = recovery[["network", "treatment", "chip", "accuracy"]].to_dataframe()
    for network, panel in panels.items():
        of_network = frame[frame.network == network]
        on_chip = of_network[of_network.chip == harsh_chip_of(network)]
        digital = of_network[(of_network.chip == DIGITAL) & (of_network.treatment == "float")]
        expected = 100 * np.sort([*digital.accuracy, *on_chip.accuracy])
        dots = panel.traverse(lambda one: one.dimension_values(0), [hv.Scatter])
        np.testing.assert_allclose(np.sort(np.concatenate(dots)), expected)
        # The network without a chip stands on top, the retrained one below all others.
        labels = [label for _, label in panel.opts.get("plot", "matplotlib").kwargs["yticks"]]
        assert labels[0] == "float, no chip"
        assert labels[-1] == "hardware-aware, on chip"


def test_a_file_without_judgements_is_refused() -> None:
    recovery = open_recovery(data_folder() / "results" / "recovery.nc")
    empty = recovery.drop_dims("judgement")
    with pytest.raises(DataError, match="at least one judgement"):
        recovery_figure(empty)
