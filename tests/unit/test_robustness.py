"""Robustness: which chips judge it, what is made once, its table, the README."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import analog_model as am
from analog_model.dataset.examples import data_folder
from analog_model.errors import DataError
from analog_model.results.robustness import (
    DEVIATIONS,
    deviating_chips,
    gather_robustness,
    open_robustness,
    save_robustness,
)
from analog_model.results.robustness_table import END, START, robustness_markdown
from analog_model.results.table import in_document

ROOT = Path(__file__).resolve().parents[2]


def test_the_readme_shows_what_the_file_holds() -> None:
    document = (ROOT / "README.md").read_text(encoding="utf-8")
    text = robustness_markdown(open_robustness(data_folder() / "results" / "robustness.nc"))
    assert in_document(document, text, start=START, end=END) == document


def test_a_chip_deviates_in_what_is_said_and_in_nothing_else() -> None:
    chip = am.starting_chip(am.example_chip())
    coupling = am.CouplingByClass(offsets=(-1,), kappa=np.full((chip.layout.n_classes, 1), 0.1))
    chip = chip.replace(
        cell_law=am.EKV(specific_current=8e-7),
        coupling=coupling,
        bit_line=chip.bit_line.replace(wire_resistance=20.0, lumped_resistance=50.0),
    )
    found = {deviation: deviating_chips(chip, deviation) for deviation in DEVIATIONS}
    assert [len(one) for one in found.values()] == [1, 3, 3, 1, 1, 1, 1, 1, 1]
    (nominal,) = found["none"]
    assert nominal.chip == chip
    assert nominal.effects == am.nn.Effects()
    (wider,) = found["kappas +20 %"]
    np.testing.assert_allclose(wider.chip.coupling.kappa, 0.12)
    assert wider.chip.bit_line == chip.bit_line
    (lower,) = found["resistances -20 %"]
    assert lower.chip.coupling == chip.coupling
    line = lower.chip.bit_line
    assert (line.wire_resistance, line.lumped_resistance) == pytest.approx((16.0, 40.0))
    (cold,) = found["-30 K"]
    assert cold.chip == chip
    assert cold.effects.temperature is not None
    assert cold.effects.temperature.celsius == chip.temperature_celsius - 30
    cells = found["every current 5 % off"]
    assert len({one.seed for one in cells}) == 3
    assert all(one.effects.programming_error.proportional == 0.05 for one in cells)


def test_the_table_has_the_mean_over_instances(tmp_path: Path) -> None:
    def judged(treatment: str, accuracies: list[float], deviation: str) -> xr.Dataset:
        n = len(accuracies)
        return xr.Dataset(
            {
                "network": ("judgement", ["lenet5"] * n),
                "treatment": ("judgement", [treatment] * n),
                "deviation": ("judgement", [deviation] * n),
                "instance": ("judgement", list(range(n))),
                "accuracy": ("judgement", accuracies, {"units": "1"}),
                "n_images": ("judgement", [100] * n),
            }
        )

    found = gather_robustness(
        [
            judged("hardware_aware", [0.98, 0.99], "every kappa 5 % off"),
            judged("float", [0.5], "none"),
        ],
        command="test",
    )
    save_robustness(found, tmp_path / "r.nc")
    lines = robustness_markdown(open_robustness(tmp_path / "r.nc")).splitlines()
    assert "| lenet5, none | 50.00 | not made | not made |" in lines
    # Mean 98.5, deviation 1 / sqrt 2.
    assert "| lenet5, every kappa 5 % off | not made | 98.50 ± 0.71 | not made |" in lines
    # What was judged here replaces what is kept; of other treatments that stays.
    anew = [judged("float", [0.6], "none")]
    merged = gather_robustness(anew, kept=open_robustness(tmp_path / "r.nc"), command="test")
    assert merged["accuracy"].values.tolist() == [0.6, 0.98, 0.99]
    found["accuracy"][0] = np.nan
    with pytest.raises(DataError, match="finite"):
        save_robustness(found, tmp_path / "r.nc")
