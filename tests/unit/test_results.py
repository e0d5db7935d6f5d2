"""Results: the plan, the chips, what is made once, the table from the file, the README."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import analog_model as am
from analog_model.dataset.examples import data_folder
from analog_model.errors import DataError
from analog_model.results.chips import (
    BUNDLED,
    DIGITAL,
    HARSH,
    HARSHER,
    chips_from,
    scaled_chip,
)
from analog_model.results.plan import FLOAT_LONGER, SEEDS, PlannedRun, plan
from analog_model.results.recovery import gather, open_recovery, save_recovery
from analog_model.results.table import in_document, markdown
from analog_model.results.work import STOPPED, Workplace, work_on
from tests.training_runs import harsh_chip, quick

ROOT = Path(__file__).resolve().parents[2]


def test_the_readme_shows_what_the_file_holds() -> None:
    document = (ROOT / "README.md").read_text(encoding="utf-8")
    recovery = open_recovery(data_folder() / "results" / "recovery.nc")
    assert in_document(document, markdown(recovery)) == document


def test_every_run_follows_its_start_and_has_the_budget_of_its_rivals() -> None:
    runs = plan(SEEDS)
    names = [run.name for run in runs]
    assert len(set(names)) == len(names)
    by_name = {run.name: run for run in runs}
    kinds: dict[str, set[str]] = {name: set() for name in SEEDS}
    for position, run in enumerate(runs):
        if run.start is None:
            continue
        assert run.start in names[:position]
        begun = by_name[run.start]
        assert (begun.network, begun.seed) == (run.network, run.seed)
        own = {"mode", "weight_noise", "array_shape", "layer", "variation", "seed", "compiled"}
        if run.chip != BUNDLED:
            kinds[run.network].add(run.configuration.model_dump_json(exclude=own))
            continue
        rival = by_name[f"{run.network}-{FLOAT_LONGER}-{run.seed}"].configuration
        assert n_images(run.configuration) <= n_images(rival)
    # Retraining differs in nothing but how the network sees chip or noise.
    assert {name: len(found) for name, found in kinds.items()} == dict.fromkeys(SEEDS, 1)
    longer = by_name["lenet5-float_longer-2"].configuration
    aware = by_name["lenet5-hardware_aware-harsher-2"].configuration
    assert (longer.mode, longer.images, aware.array_shape) == ("float", "mnist", (128, 128))


def n_images(configuration: am.nn.TrainingConfiguration) -> int:
    """Images that a run sees, as many to an epoch as the longest epochs have."""
    per_epoch = (configuration.epoch_batches or 10**6) * configuration.batch_size
    return configuration.epochs * min(per_epoch, 60_000)


def test_a_scaled_chip_errs_in_proportion() -> None:
    """To first order kappa x 2 doubles the crosstalk; ohms x 3, of a small drop, treble it."""
    chip = am.starting_chip(am.example_chip())
    line = chip.bit_line.replace(
        wire_resistance=20.0, lumped_resistance=50.0, drain_sensitivity=0.1
    )
    coupling = am.CouplingByClass(offsets=(-1,), kappa=np.full((chip.layout.n_classes, 1), 1e-4))
    chip = chip.replace(bit_line=line, coupling=coupling)
    width = torch.full((1, 16), 1e-6, dtype=torch.float64)
    for effect, factors in (("crosstalk", (2.0, 1.0)), ("wire", (1.0, 3.0))):
        scaled = scaled_chip(chip, coupling=factors[0], resistance=factors[1])
        ideal, before, after = (
            am.simulate(one, width)
            for one in (
                chip.with_effects([]),
                chip.with_effects([effect]),
                scaled.with_effects([effect]),
            )
        )
        ratio = (after - ideal) / (before - ideal)
        np.testing.assert_allclose(ratio, max(factors), rtol=2e-3)
    assert chips_from(chip)[BUNDLED] == chip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    runs = tmp_path_factory.mktemp("runs")
    (runs / f"{BUNDLED}.yaml").write_text(harsh_chip().to_yaml(), encoding="utf-8")
    return Workplace(runs)


def planned() -> tuple[PlannedRun, ...]:
    """A float run that cannot start, one that can, its retraining on the bundled chip."""
    layer = am.nn.LayerConfiguration(window=1e-6, signed_inputs=False)
    aware = quick(mode="hardware_aware", epochs=1, layer=layer)
    return (
        PlannedRun("begun", "float", quick(epochs=1)),
        PlannedRun("aware", "hardware_aware", aware, BUNDLED, "begun"),
        PlannedRun("orphan", FLOAT_LONGER, quick(epochs=1), DIGITAL, "nowhere"),
    )


def test_what_is_missing_is_made_once(place: Workplace) -> None:
    # Judging on a chip twelve times harsher than harsh is left out.
    runs = [run for run in planned() if run.name != "begun"]
    begun = planned()[0]
    told: list[str] = []
    am.nn.train(begun.configuration, run_directory=place.directory("begun").path)
    failed = work_on(runs, place, tell=told.append)
    assert set(failed) == {"orphan"}
    assert "needs nowhere" in failed["orphan"]
    assert told[0] == "aware: done"
    made = {path: path.stat().st_mtime_ns for path in (place.runs / "aware").iterdir()}
    work_on(runs, place, tell=told.append)
    assert made == {path: path.stat().st_mtime_ns for path in (place.runs / "aware").iterdir()}
    found = gather(
        (*runs, replace(begun, name="never")),
        place,
        failed=failed,
        attrs={"command": "test", "conditions": "none"},
    )
    save_recovery(found, place.runs / "recovery.nc")
    again = open_recovery(place.runs / "recovery.nc")
    record = am.nn.open_record(place.directory("aware").record)
    assert again["treatment"].values.tolist() == ["hardware_aware"]
    assert float(again["accuracy"][0]) == pytest.approx(float(record["accuracy"]), abs=0.005)
    assert float(again["cpu_time"][0]) == float(record["cpu_time"].sum())
    reasons = dict(
        zip(again["absent_treatment"].values, again["absent_reason"].values, strict=True)
    )
    assert reasons == {FLOAT_LONGER: failed["orphan"], "float": "not begun"}
    check_kept_elsewhere(again, tuple(runs), place, place.runs / "elsewhere")


def check_kept_elsewhere(
    earlier: xr.Dataset, runs: tuple[PlannedRun, ...], place: Workplace, folder: Path
) -> None:
    """Where the runs are not, their judgements stay, as long as they are the plan's."""
    folder.mkdir()
    shutil.copy(place.runs / f"{BUNDLED}.yaml", folder)
    elsewhere, attrs = Workplace(folder), {"command": "test", "conditions": "none"}
    begun = earlier.copy()
    # A float network as the retrained one began from.
    begun["treatment"], begun["chip"] = (
        earlier[name].copy(data=np.array([value]))
        for name, value in (("treatment", "float"), ("chip", DIGITAL))
    )
    both = xr.concat([earlier, begun], "judgement", data_vars="minimal", combine_attrs="override")
    found = gather(runs, elsewhere, failed={}, attrs=attrs, kept=both)
    assert found["accuracy"].values.tolist() == earlier["accuracy"].values.tolist()
    other = both.assign(epochs=both["epochs"] + 1)
    assert "accuracy" not in gather(runs, elsewhere, failed={}, attrs=attrs, kept=other)
    other = both.assign_attrs(chips=both.attrs["chips"].replace('"name": "', '"name": "other '))
    assert "accuracy" not in gather(runs, elsewhere, failed={}, attrs=attrs, kept=other)


def test_a_run_that_is_asked_to_stop_stops_the_plan(tmp_path: Path) -> None:
    (tmp_path / f"{BUNDLED}.yaml").write_text(harsh_chip().to_yaml(), encoding="utf-8")
    runs = [PlannedRun(name, "float", quick(epochs=9)) for name in ("first", "second")]

    def once_it_runs() -> None:
        while not (tmp_path / "first" / "metrics.jsonl").exists():
            time.sleep(0.01)
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)

    watcher = threading.Thread(target=once_it_runs)
    watcher.start()
    failed = work_on(runs, Workplace(tmp_path), tell=lambda _line: None)
    watcher.join()
    assert failed == {"first": STOPPED}
    assert not (tmp_path / "second").exists()


def recovery(cells: list[tuple[str, str, str, int, float]], absent: list[Any]) -> xr.Dataset:
    """A file's content with the given accuracies."""
    columns = {
        "network": [cell[0] for cell in cells],
        "treatment": [cell[1] for cell in cells],
        "chip": [cell[2] for cell in cells],
        "seed": [cell[3] for cell in cells],
        "accuracy": [cell[4] for cell in cells],
        **{name: [60.0] * len(cells) for name in ("wall_time", "cpu_time")},
        **{name: [0.01] * len(cells) for name in ("learning_rate", "distillation", "tolerance")},
        **{name: [1] * len(cells) for name in ("epochs", "n_images")},
    }
    missing = {
        f"absent_{name}": ("absence", [cell[k] for cell in absent])
        for k, name in enumerate(("network", "treatment", "chip", "seed", "reason"))
    }
    units = {"wall_time": "s", "cpu_time": "s"}
    chip = {"name": "c", "fingerprint": "f" * 64, "coupling_factor": 2, "resistance_factor": 3}
    return xr.Dataset(
        {
            **{
                name: ("judgement", values, {"units": units[name]} if name in units else {})
                for name, values in columns.items()
            },
            **missing,
        },
        attrs={
            "schema": "analog-model/recovery/1",
            "command": "x",
            "conditions": "y",
            "chips": json.dumps({BUNDLED: chip, HARSH: chip, HARSHER: chip}),
        },
    )


def test_the_table_has_means_spreads_and_what_is_missing(tmp_path: Path) -> None:
    found = recovery(
        [
            ("lenet5", "float", DIGITAL, 0, 0.98),
            ("lenet5", "float", DIGITAL, 1, 0.99),
            ("lenet5", "hardware_aware", HARSHER, 1, 0.975),
        ],
        [("lenet5", "hardware_aware", HARSHER, 0, "not begun")],
    )
    save_recovery(found, tmp_path / "r.nc")
    text = markdown(open_recovery(tmp_path / "r.nc"))
    row = re.search(r"^\| lenet5, harsher \|(.*)\|$", text, re.MULTILINE)
    assert row is not None
    # Mean 98.5, deviation 1 / sqrt 2; the change of seed 1 is 97.5 - 99.
    assert [cell.strip() for cell in row[1].split("|")] == [
        *("98.50 ± 0.71", "–", "–", "–", "–", "97.50 (1 of 2 seeds)", "-1.50", "–")
    ]
    assert "- lenet5, hardware-aware: not begun" in text
    found["accuracy"][0] = np.nan
    with pytest.raises(DataError, match="finite"):
        save_recovery(found, tmp_path / "r.nc")
