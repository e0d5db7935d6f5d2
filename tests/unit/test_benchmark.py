"""The benchmark: turns of timing, memory in tensors, the dataset, the command."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn
from typer.testing import CliRunner

from analog_model.benchmark import cases, run
from analog_model.benchmark.accuracy import Accuracy, accuracy
from analog_model.benchmark.cases import FORWARD, FORWARD_BACKWARD, TRAINING_STEP, Case
from analog_model.benchmark.memory import peak_of, resident
from analog_model.benchmark.report import conditions, markdown, rows_of
from analog_model.benchmark.result import Measured, dataset
from analog_model.benchmark.step import step_of
from analog_model.benchmark.timing import interleaved
from analog_model.cli import app

SMALL = Case(
    "small",
    "Linear 12→10, batch 6",
    lambda: nn.Linear(12, 10),
    (6, 12),
    {FORWARD: (1e6, 1.0), FORWARD_BACKWARD: (1e-6, 1e-7)},
    array_shape=(16, 16),
    slots=3,
)


# Timing -----------------------------------------------------------------------------------


def test_functions_take_turns_each_first_as_often() -> None:
    calls: list[str] = []
    taken = interleaved({name: lambda name=name: calls.append(name) for name in "abc"}, n_rounds=6)
    assert "".join(calls) == "aaabbbccc" + 2 * "abcbcacab"
    assert {name: times.shape for name, times in taken.items()} == dict.fromkeys("abc", (6,))


def test_times_are_of_the_function_in_seconds() -> None:
    functions = {"slow": lambda: time.sleep(0.05), "fast": lambda: None}
    taken = interleaved(functions, n_rounds=3, n_warm_up=0)
    assert 0.05 <= taken["slow"].min() < 0.5
    assert 0 <= np.median(taken["fast"]) < 0.01


# Memory -----------------------------------------------------------------------------------


def test_the_peak_is_of_what_is_held_at_once() -> None:
    def step() -> None:
        first = torch.ones(1000)
        second = first + 1
        del first
        third = second + 1
        del second, third

    # Two of three tensors of 4000 bytes, each in blocks of 64 bytes, at any time.
    assert 8000 <= peak_of(step) < 8200


def test_the_peak_counts_gradients_made_and_not_those_dropped() -> None:
    weight = torch.zeros(1000, requires_grad=True)

    def step() -> None:
        weight.grad = None
        weight.exp().sum().backward()

    step()
    # The exponential, kept for its derivative, and the gradient; the earlier one is dropped.
    assert 8000 <= peak_of(step) < 8200


def test_what_lies_in_memory_is_parameters_and_inputs() -> None:
    assert resident(nn.Linear(10, 3), torch.zeros(7, 10)) == 4 * (30 + 3 + 70)


# Cases ------------------------------------------------------------------------------------


def test_the_cases_are_those_of_the_table() -> None:
    figures = {
        (case.name, measure): limits
        for case in cases.CASES.values()
        for measure, limits in case.measures.items()
    }
    assert figures == {
        ("linear", FORWARD): (6, 3),
        ("linear", FORWARD_BACKWARD): (6, 3),
        ("conv6", FORWARD): (6, 3),
        ("conv6", FORWARD_BACKWARD): (6, 3),
        ("conv64", FORWARD): (5, 2.5),
        ("conv64", FORWARD_BACKWARD): (5, 2.5),
        ("conv64_tiled", FORWARD): None,
        ("conv64_tiled", FORWARD_BACKWARD): None,
        ("lenet5", TRAINING_STEP): (4, 2),
        ("vgg", TRAINING_STEP): (4, 2),
    }


@pytest.mark.parametrize("case", cases.CASES.values(), ids=list(cases.CASES))
def test_a_case_has_inputs_of_its_model(case: Case) -> None:
    x = case.inputs(2)
    assert x.shape == case.input_shape
    assert 0.4 < float((x == 0).float().mean()) < 0.6
    state = torch.get_rng_state()
    first, second = (case.model() for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)
    assert case.model().eval()(x[:1]).shape[0] == 1


def test_both_sides_compute_the_same_but_for_the_arrays() -> None:
    digital = SMALL.model()
    analog = SMALL.analog(digital)
    x = SMALL.inputs(2)
    assert torch.equal(analog.weight, digital.weight)
    with torch.no_grad():
        off = float((analog(x) - digital(x)).norm() / digital(x).norm())
    assert 0.005 < off < 0.3


def test_a_step_of_every_kind_does_its_work() -> None:
    x, model = SMALL.inputs(2), SMALL.model()
    step_of(model, SMALL, FORWARD)()
    assert model.weight.grad is None
    step_of(model, SMALL, FORWARD_BACKWARD)()
    # Loss = output . g, so the weight's gradient is g^T x, with one g for all vectors.
    by_output = torch.randn(10, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(model.weight.grad, by_output[:, None] * x.sum(0))
    before = model.weight.detach().clone()
    step_of(model, SMALL, TRAINING_STEP)()
    assert 0 < float((model.weight.detach() - before).abs().max()) < 1e-5


def test_accuracy_says_what_is_on_the_arrays() -> None:
    found = accuracy(SMALL.analog(SMALL.model()), SMALL.inputs(2), effects=True)
    assert 0 < found.error < 2e-3
    assert 0.01 < found.crosstalk < 0.3
    assert 1e-3 < found.drop < 0.1


# Dataset ----------------------------------------------------------------------------------


def made_up() -> xr.Dataset:
    """Ratios by hand: eager 20/10; compiled 12/8; best 12/8; slots 1000/10."""
    found = Measured(SMALL, Accuracy(1e-4, 0.05, 0.01))
    times = {"torch": 10.0, "analog": 20.0, "torch compiled": 8.0, "analog compiled": 12.0}
    spread = np.array([0.9, 1.0, 1.0, 1.0, 1.5])
    for measure in SMALL.measures:
        found.seconds[measure] = {side: own * 1e-3 * spread for side, own in times.items()}
        found.seconds[measure]["slots"] = np.full(2, 1.0)
    found.memory = {"torch": 100, "analog": 300, "torch compiled": 100, "analog compiled": 150}
    return dataset([found], compiler="g++", load=0.25)


def test_the_dataset_has_medians_spread_ratios() -> None:
    found = made_up()
    assert found["median_time"].sel(side="analog").values == pytest.approx([0.02, 0.02])
    assert found["time"].sel(side="slots").count("round").values.tolist() == [2, 2]
    ratio = found["ratio"].isel(row=0)
    assert ratio.sel(comparison=["eager", "compiled", "best", "slots"]).values == pytest.approx(
        [2, 1.5, 1.5, 100]
    )
    # Memory is measured once, with the last of the measures.
    assert found["memory_ratio"].isel(row=1).values == pytest.approx([3, 1.5])
    assert np.isnan(found["memory_ratio"].isel(row=0).values).all()
    assert found.attrs["load_average"] == 0.25


def test_the_table_judges_best_against_best() -> None:
    columns, rows = rows_of(made_up())
    assert {len(row) for row in rows} == {len(columns)}
    judged = [row[6] for row in rows]
    assert judged == ["1e+06 ✓", "", "1e-06 ✗ missed", ""]
    assert rows[0][1].startswith("10 ± ")
    assert rows[1][:3] == ("Linear 12→10, batch 6: forward, slots", "", "100")
    text = markdown(made_up())
    assert text.splitlines()[0].startswith("| case | torch [ms] | ratio |")
    assert "compiler g++" in text
    assert text.endswith("Not in this run: linear, conv6, conv64, conv64_tiled, lenet5, vgg.")


def test_a_disturbed_measure_is_not_judged() -> None:
    found = made_up()
    found["interquartile_range"].loc[{"row": 1, "side": "analog compiled"}] = 0.007
    _, rows = rows_of(found)
    assert [row[6] for row in rows] == ["1e+06 ✓", "", "1e-06 ? disturbed", ""]


def test_without_a_compiler_the_columns_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    assert run.cpp_compiler() is None
    found = run.run([SMALL], n_threads=1, quick=True)
    assert found.attrs["compiler"] == ""
    assert np.isnan(found["ratio"].sel(comparison="compiled").values).all()
    assert np.isfinite(found["ratio"].sel(comparison=["eager", "best", "slots"]).values).all()
    assert "compiler none found" in markdown(found)
    _, rows = rows_of(found)
    assert {row[3] for row in rows} == {"–", ""}


def test_threads_and_memory_budget_are_given_back() -> None:
    before = torch.get_num_threads()
    seen = []
    found = run.run(
        [SMALL],
        n_threads=before + 1,
        compiled=False,
        memory_budget=0.25,
        quick=True,
        tell=lambda _stage, _fraction: seen.append(
            torch._functorch.config.activation_memory_budget
        ),
    )
    assert set(seen) == {0.25}
    assert torch._functorch.config.activation_memory_budget == 1.0
    assert "25% of what the backward pass needs" in conditions(found)
    assert found.attrs["n_threads"] == before + 1
    assert torch.get_num_threads() == before


# Command ----------------------------------------------------------------------------------


def command(*words: object) -> Any:
    return CliRunner().invoke(app, ["benchmark", *map(str, words)])


def test_the_command_writes_what_it_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "CASES", {"small": SMALL})
    path = tmp_path / "benchmark.nc"
    options = ("--case", "small", "--quick", "--no-compile", "--threads", 1)
    done = command(*options, "--json", "--output", path)
    assert done.exit_code == 0, done.stderr
    printed = json.loads(done.stdout)
    assert [row["measure"] for row in printed["rows"]] == [FORWARD, FORWARD_BACKWARD]
    with xr.open_dataset(path, engine="h5netcdf") as kept:
        assert kept.attrs["schema"] == "analog-model/benchmark/1"
        median = float(kept["time"].sel(side="analog").isel(row=0).median())
    assert printed["rows"][0]["median_time"]["analog"] == pytest.approx(median)
    assert printed["rows"][0]["median_time"]["analog compiled"] is None
    assert command(*options, "--output", path).exit_code == 2
    table = command(*options, "--output", path, "--force")
    assert table.exit_code == 0, table.stderr
    assert "Measured on" in table.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--case", "linaer"), "linear"),
        (("--output", "figures.csv"), "ends in .nc"),
        (("--output", "nowhere/figures.nc"), "no such folder"),
    ],
)
def test_the_command_refuses_before_any_work(
    words: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "run", lambda *_, **__: pytest.fail("work was done"))
    done = command(*words)
    assert done.exit_code == 2
    assert message in done.stderr
