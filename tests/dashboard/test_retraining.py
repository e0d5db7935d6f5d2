"""Retraining: plan, store, curves, page, on short runs of the smallest network."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect

from analog_model.chip import CouplingByCell, CouplingByClass
from analog_model.errors import ConfigurationError, DataError
from analog_model.nn.images.bundled import bundled_digits
from analog_model.nn.training.checkpoint import load_checkpoint, load_weights
from analog_model.nn.training.evaluation import test_inputs as inputs_of
from analog_model.nn.training.run_summary import summary_of
from analog_model.nn.training.thread_count import thread_count
from analog_model.nn.training.trained import TrainedRun
from analog_model.sweeps.axes import chip_at
from dashboard import links
from dashboard.design_question import question_of
from dashboard.run_store import RunStore
from dashboard.state import State
from dashboard.training_curves import TRAIN_IMAGES, JournalTail, n_batches
from dashboard.training_plan import TrainingPlan, plan_of
from dashboard.training_queue import Training, TrainingQueue
from dashboard.training_run import Judged, Stage, compare
from dashboard.views.deployment_numbers import plan_of as deployment_plan
from dashboard.views.retraining import RetrainingView
from dashboard.views.retraining_comparison import Comparison
from dashboard.views.retraining_curves import TrainingCurves
from dashboard.views.retraining_numbers import treatments_of
from dashboard.views.runs import RunsView
from tests.dashboard.retraining_runs import QUERY, RETRAINING_EPOCHS, serving, wait

Visit = Callable[..., Page]
CHOSEN = {"page": "retraining", "defences": ["hardware_aware"], "coupling_scale": 3.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a server, with one comparison trained."""
    path = tmp_path_factory.mktemp("runs")
    with serving(path):
        yield path


@pytest.fixture(scope="module")
def state(folder: Path) -> State:
    """What was chosen."""
    return State(**CHOSEN)


@pytest.fixture(scope="module")
def messages(folder: Path, state: State) -> list[Any]:
    """What training the choices said."""
    found: list[Any] = []
    plan = plan_of(state, state.chip, RunStore(folder))
    with thread_count(1):
        compare(found.append, folder=folder, plan=plan)
    return found


@pytest.fixture
def plan(folder: Path, state: State, messages: list[Any]) -> TrainingPlan:
    return plan_of(state, state.chip, RunStore(folder))


def test_a_comparison_is_trained_and_judged_in_order(
    folder: Path, plan: TrainingPlan, messages: list[Any]
) -> None:
    first, second = plan.runs
    assert [m.run for m in messages if isinstance(m, Judged)] == [first.name, second.name]
    assert any(isinstance(m, Stage) and m.text.startswith("epoch 2 of") for m in messages)
    store = RunStore(folder)
    treatments = treatments_of(plan, store)
    assert list(treatments) == ["digital", "undefended", "hardware_aware"]
    retrained = store.record(second.name)
    assert retrained is not None
    # The same chip judges as trained it: two ways to the same number.
    assert treatments["hardware_aware"].accuracy == float(retrained["accuracy"])
    digits = bundled_digits()
    run = TrainedRun(store.path(first.name))
    with torch.no_grad():
        scores = run.network()(inputs_of(digits, run.specification))
    right = (scores.argmax(1) == digits.test_labels).double()
    assert treatments["digital"].accuracy == pytest.approx(float(right.mean()))
    of_threes = float(right[digits.test_labels == 3].mean())
    assert treatments["digital"].class_accuracy[3] == pytest.approx(of_threes)
    again: list[Any] = []
    compare(again.append, folder=folder, plan=plan)
    assert [type(m) for m in again] == [Judged, Judged]


def test_names_follow_from_what_decides_a_run(folder: Path, plan: TrainingPlan) -> None:
    store = RunStore(folder)
    warmer = State(**{**CHOSEN, "coupling_scale": 2.0})
    other = plan_of(warmer, warmer.chip, store)
    assert other.runs[0].name == plan.runs[0].name
    assert other.runs[1].name != plan.runs[1].name
    assert other.judgement(other.runs[0]) != plan.judgement(plan.runs[0])
    taught = plan_of(State(**CHOSEN, distillation=0.5), warmer.chip, store).runs[1]
    assert taught.configuration.distillation == 0.5
    assert taught.name not in {plan.runs[1].name, other.runs[1].name}
    many = State(**CHOSEN, n_chips=3)
    varied = plan_of(many, many.chip, store)
    assert varied.runs[1].configuration.variation is not None
    # Other chips judge than those it was trained on.
    assert varied.seed != varied.runs[1].configuration.seed
    with pytest.raises(ConfigurationError, match="cifar10 for vgg_small"):
        plan_of(State(network="vgg_small"), many.chip, store)


def test_a_float_run_of_the_command_line_is_as_good(
    folder: Path, plan: TrainingPlan, tmp_path: Path, state: State
) -> None:
    shutil.copytree(folder / plan.runs[0].name, tmp_path / "results" / "mine")
    assert plan_of(state, state.chip, RunStore(tmp_path)).runs[0].name == "results/mine"


def test_the_store_knows_only_what_it_lists(
    folder: Path, plan: TrainingPlan, tmp_path: Path
) -> None:
    name = plan.runs[0].name
    (tmp_path / "runs").mkdir()
    shutil.copytree(folder / name, tmp_path / "runs" / "begun")
    shutil.copytree(folder / name, tmp_path / "secret")
    for file in ("record.nc", "network.npz"):
        (tmp_path / "runs" / "begun" / file).unlink()
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "configuration.yaml").write_text("network: [")
    store = RunStore(tmp_path / "runs")
    found, broken = store.summaries()
    assert list(found) == ["begun"]
    assert list(broken) == ["broken"]
    assert found["begun"].status == "interrupted"
    checkpoint = load_checkpoint(tmp_path / "runs" / "begun" / "checkpoint.npz")
    assert found["begun"].step == checkpoint.step
    finished = summary_of(folder / name)
    assert (finished.status, finished.step) == ("finished", found["begun"].step)
    for name in ("../secret", "/etc", "..", "", "begun/../../secret", str(tmp_path / "secret")):
        with pytest.raises(DataError, match="has"):
            store.path(name)
    with pytest.raises(DataError, match="plain name"):
        store.judgement("../secret")


def test_curves_are_the_record_read_along(folder: Path, plan: TrainingPlan, tmp_path: Path) -> None:
    run = plan.runs[0]
    assert len(bundled_digits().train_labels) == TRAIN_IMAGES["mnist_5k"]
    record = RunStore(folder).record(run.name)
    assert record is not None
    whole = (folder / run.name / "metrics.jsonl").read_bytes()
    path = tmp_path / "metrics.jsonl"
    tail = JournalTail(path, run.configuration)
    assert not tail.look()
    for share in (0.3, 0.31, 1.0):
        # Cut within a line, as it is while being written.
        path.write_bytes(whole[: int(share * len(whole))])
        assert tail.look()
    assert not tail.look()
    curves = tail.curves
    np.testing.assert_allclose(curves.accuracy, record["evaluated_accuracy"].values)
    per_epoch = n_batches(run.configuration)
    assert curves.epoch[-1] * per_epoch == int(record["training_step"][-1])
    size = len(record["step_loss"]) // len(curves.loss)
    means = record["step_loss"].values[: size * len(curves.loss)].reshape(-1, size).mean(1)
    np.testing.assert_allclose(curves.loss, means)
    assert curves.loss_position[0] == pytest.approx((size + 1) / 2 / per_epoch)
    # A run that was resumed writes its journal anew, up to its checkpoint.
    lines = whole.splitlines(keepends=True)
    short = b"".join(line for line in lines if json.loads(line)["step"] <= per_epoch)
    (tmp_path / "new").write_bytes(short)
    (tmp_path / "new").replace(path)
    assert tail.look()
    assert tail.curves.epoch == [1]
    path.write_bytes(short + b"[1]\n")
    with pytest.raises(DataError, match="events of a training run"):
        tail.look()


def test_the_page_shows_what_is_known(folder: Path, plan: TrainingPlan) -> None:
    state = State(**CHOSEN)
    view = RetrainingView(state)
    treatments = treatments_of(plan, RunStore(folder))
    bare = treatments["undefended"]
    assert f"{100 * bare.accuracy:.1f} % on the chip" in view.summary.object
    assert f"<b>{100 * treatments['hardware_aware'].accuracy:.1f}</b>" in view.final.object
    assert (view.progress.start_button.label, view.progress.start_button.disabled) == (
        "Trained",
        True,
    )
    drawn = view.curves.accuracies["right"].sources["hardware_aware"].data
    assert list(drawn["x"]) == list(range(1, RETRAINING_EPOCHS + 1))
    assert view.curves.lines["undefended"].location == pytest.approx(100 * bare.accuracy)
    state.training_aspect = "classes"
    assert view.classes.layout.visible
    assert not view.curves.layout.visible
    counts = [int(text or 0) for text in view.classes.cells.data["count"]]
    assert sum(counts) == len(bundled_digits().test_labels)
    state.training_aspect = "layers"
    decibel = view.layers.own.sources["undefended"].data["db"]
    assert bare.own is not None
    np.testing.assert_allclose(decibel, 20 * np.log10(bare.own))
    data = view.data()
    assert data is not None
    assert data["confusion"].sel(treatment="digital").sum() == sum(counts)
    view.controls.widgets["network"].value = "vgg_small"
    assert (state.images, view.empty.visible) == ("cifar10", True)
    assert "Train VGG, small" in view.empty.object
    state.images = "mnist_5k"
    assert "do not fit" in view.empty.object
    assert view.progress.start_button.disabled
    values, problems = links.read_query(links.query_of(state))
    assert problems == []
    assert (values["network"], values["defences"]) == ("vgg_small", ["hardware_aware"])


def test_titles_of_curves_fit_a_tablet_and_keep_the_axes_level() -> None:
    curves = TrainingCurves()
    for epochs in ({"float": 1, "noise": 1}, {"float": 1, "hardware_aware": 1}):
        curves.show({}, epochs)
        left, right = (curves.accuracies[side].figure.title.text for side in ("left", "right"))
        assert ("weight noise judged off the chip" in right) == ("noise" in epochs)
        # In 250 pixels there are 36 letters.
        assert max(map(len, right.split("\n"))) <= 36
        assert len(left.split("\n")) == len(right.split("\n"))


def test_only_what_was_interrupted_is_resumed(
    folder: Path, plan: TrainingPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another coupling is another plan: it shares the float network, and was never begun."""
    other = {**CHOSEN, "coupling_scale": 2.0}
    button = RetrainingView(State(**other)).progress.start_button
    assert (button.label, button.disabled) == ("Train", False)
    # Paused as the float network was done and the next run had not begun.
    between = SimpleNamespace(standing="paused", is_active=False, judged=set(), stage=lambda: None)
    with monkeypatch.context() as patch:
        patch.setattr(Comparison, "training", between)
        assert RetrainingView(State(**other)).progress.start_button.label == "Resume"
    with serving(tmp_path):
        for run in plan.runs:
            shutil.copytree(folder / run.name, tmp_path / run.name)
        (tmp_path / plan.runs[1].name / "record.nc").unlink()
        assert RetrainingView(State(**CHOSEN)).progress.start_button.label == "Resume"
        # The list of runs says how to go on with one.
        progress = RunsView(State(page="runs")).progress
        assert (progress.start_button.visible, progress.start_button.disabled) == (True, True)
        assert "Tick an interrupted run" in progress.status.object
        progress = RunsView(State(page="runs", compared_runs=plan.runs[1].name)).progress
        assert not progress.start_button.disabled
        assert "Resume goes on" in progress.status.object


def test_runs_are_compared_over_seeds(folder: Path, plan: TrainingPlan, tmp_path: Path) -> None:
    name = plan.runs[0].name
    for seed in range(2):
        shutil.copytree(folder / name, tmp_path / f"seed-{seed}")
        file = tmp_path / f"seed-{seed}" / "configuration.yaml"
        file.write_text(file.read_text().replace("seed: 0", f"seed: {seed}"))
    shutil.copytree(folder / plan.runs[1].name, tmp_path / "retrained")
    with serving(tmp_path):
        assert "Tick runs" in RunsView(State(page="runs")).tables.object
        state = State(page="runs", compared_runs="seed-0,seed-1,retrained,../../etc")
        view = RunsView(state)
        assert state.compared_runs == "seed-0,seed-1,retrained"
        assert state.notice is not None
        assert "no training run '../../etc'" in state.notice.text
        assert sorted(view.list.value) == ["retrained", "seed-0", "seed-1"]
        assert [group.names for group in view.groups] == [("seed-0", "seed-1"), ("retrained",)]
        assert view.groups[0].spread == 0.0
        assert len(set(view.curves.accuracy_lines.data["colour"])) == 2
        assert ">hardware_aware<" in view.tables.object
        view.list.value = ["seed-1"]
        assert state.compared_runs == "seed-1"
        assert view.curves.loss_lines.data["name"] == ["seed-1"]


def test_headings_scroll_with_the_list_of_runs(
    visit: Visit, folder: Path, plan: TrainingPlan, tmp_path: Path
) -> None:
    for k in range(20):
        shutil.copytree(folder / plan.runs[0].name, tmp_path / f"run-{k}")
    with serving(tmp_path):
        page = visit("?page=runs", width=820)
        first, heads = page.get_by_text("mlp_4x4").first, page.get_by_text("last event")
        expect(first).to_be_visible(timeout=60_000)

        def places() -> tuple[float, float, float, float]:
            line, head = first.bounding_box(), heads.bounding_box()
            assert line is not None
            assert head is not None
            return line["x"], line["y"], head["x"], head["y"]

        before = places()
        first.hover()
        page.mouse.wheel(90, 60)
        page.wait_for_timeout(500)
        line_x, line_y, head_x, head_y = (a - b for a, b in zip(places(), before, strict=True))
        # Sideways as far as the lines, whereas above them they stay.
        assert line_x == head_x < -50
        assert line_y < -50
        assert abs(head_y) < 4


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[TrainingQueue]:
    """The server's queue, on a folder of this test."""
    with serving(tmp_path / "runs") as made:
        yield made


def test_a_run_survives_its_page_and_its_process(
    visit: Visit, queue: TrainingQueue, plan: TrainingPlan, folder: Path, tmp_path: Path
) -> None:
    """Killed, closed, cancelled, resumed: the weights are those of a run nobody stopped."""
    store = RunStore(tmp_path / "runs")
    page = visit(QUERY)
    page.context.set_default_timeout(60_000)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text(re.compile(r"Float network: epoch \d+ of 12"))).to_be_visible(
        timeout=60_000
    )
    (training,) = queue.active()
    # The process dies: the page says so, and offers to go on.
    assert training.pid is not None
    os.kill(training.pid, signal.SIGKILL)
    expect(page.get_by_text(re.compile(r"exit code -9.*checkpoint is kept"))).to_be_visible()
    (name,) = store.names()
    assert store.summary(name).status == "interrupted"
    # The page is closed: the run goes on.
    page.get_by_role("button", name="Resume", exact=True).click()
    wait(lambda: queue.active() and queue.active()[0].stage())
    page.close()
    (training,) = queue.active()
    wait(lambda: training.judged and is_training(training))
    assert training.pid is not None
    # Held still until a page is there again.
    os.kill(training.pid, signal.SIGSTOP)
    assert training.is_active, training.standing
    page = visit(QUERY)
    expect(page.get_by_text(re.compile(r"Hardware-aware: epoch \d of 5"))).to_be_visible(
        timeout=60_000
    )
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text(re.compile("Cancelled"))).to_be_visible()
    page.get_by_role("button", name="Resume", exact=True).click()
    expect(page.get_by_text("Done.", exact=True)).to_be_visible(timeout=90_000)
    expect(page.get_by_role("rowheader", name="Hardware-aware")).to_be_visible()
    check_same_weights(plan, folder, store.folder)
    # A name from a link is never a path.
    page = visit(f"?page=runs&runs=../../etc,{plan.runs[1].name}")
    expect(page.get_by_text("no training run '../../etc'")).to_be_visible()
    expect(page.get_by_role("rowheader", name="mlp_4x4")).to_be_visible()
    page.wait_for_function("!location.search.includes('etc')")


def is_training(training: Training) -> bool:
    """Whether the run in hand takes its steps."""
    stage = training.stage()
    return stage is not None and "hardware_aware" in stage.run and stage.text.startswith("epoch")


def check_same_weights(plan: TrainingPlan, folder: Path, other: Path) -> None:
    """Both folders hold the plan's networks, equal to the last bit."""
    for run in plan.runs:
        expected = load_weights(folder / run.name / "network.npz")
        found = load_weights(other / run.name / "network.npz")
        assert list(found) == list(expected)
        for key, value in expected.items():
            np.testing.assert_array_equal(found[key], value, err_msg=key)


def test_networks_see_a_calibrated_chip_without_its_single_cells() -> None:
    """What was measured of single cells has no meaning for other weights on other arrays."""
    state = State()
    assert state.network_chip is state.chip
    coupling = state.chip.coupling
    assert isinstance(coupling, CouplingByClass)
    by_cell = CouplingByCell(
        offsets=coupling.offsets,
        kappa=np.full((len(coupling.offsets), *state.chip.cell_current.shape), 0.05),
    )
    shared = state.chip.replace(name="shared")
    state.use_calibrated(state.chip.replace(coupling=by_cell), shared_chip=shared)
    state.coupling_scale = 2.0
    assert state.network_chip.name == "shared"
    for chip, kappa in ((state.network_chip, 2 * coupling.kappa), (state.chip, 0.1)):
        assert chip.coupling is not None
        np.testing.assert_allclose(chip.coupling.kappa, kappa)
    # A link to the chip leads to the same.
    values, problems = links.read_query(links.query_of(state))
    assert problems == []
    assert State(**values).network_chip == state.network_chip
    # The same goes for a deployment, and for a sweep, which may ask for another array.
    assert deployment_plan(state, None).chip == state.network_chip
    state.param.update(sweep_x="layout_rule", sweep_y="n_word_lines", sweep_y_span="8:24:2")
    asked = question_of(state)
    assert asked.chip == state.network_chip
    larger = chip_at(asked.chip, {"layout_rule": "uniform", "n_word_lines": 24})
    assert larger.n_word_lines == 24
