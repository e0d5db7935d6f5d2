"""Deployment page: what it draws and saves is what the deployment says."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import analog_model as am
from analog_model import vocabulary as v
from analog_model.errors import AnalogModelError
from dashboard import links
from dashboard.deployment_run import Deployed, DeploymentPlan, deploy_plan
from dashboard.run_store import run_store
from dashboard.state import State
from dashboard.views.deployment import DeploymentView
from dashboard.views.deployment_files import deployment_archive
from dashboard.views.deployment_numbers import (
    IDLE,
    SMALL,
    Deployments,
    deployments,
    key_of,
    picture_of,
    plan_of,
    used_cells,
)
from dashboard.views.deployment_words import accuracy_words
from dashboard.views.job_run import JobRun
from tests.deployed import deployable_chip, deployed, perceptron
from tests.training_runs import harsh_chip, quick


@pytest.fixture(scope="module")
def found() -> am.Deployment:
    """16-16-10 perceptron on arrays of 16x8: nine arrays, the last with idle lines."""
    network, inputs = perceptron()
    return deployed(network, inputs, deployable_chip(), seeds=(0, 1), calibration_data=inputs)


@pytest.fixture(autouse=True)
def no_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("ANALOG_MODEL_RUNS", str(tmp_path))
    run_store.cache_clear()
    yield
    run_store.cache_clear()
    deployments._entries.clear()


@pytest.fixture
def view(found: am.Deployment) -> DeploymentView:
    state = State(page="deployment")
    deployments.keep(key_of(plan_of(state, None)), Deployed(found, "mlp_4x4", "float", "digits"))
    return DeploymentView(state)


def test_the_picture_shows_every_cell_that_holds_a_weight(found: am.Deployment) -> None:
    n_arrays = found.layers[v.N_ARRAYS].values
    counted = 0
    for layer in range(found.layers.sizes[v.LAYER]):
        picture = picture_of(found, layer)
        assert picture.arrays.size == n_arrays[layer]
        # Fill is counted by the tiling; the picture is made of the tables of targets.
        share = float(found.layers[v.FILL][layer])
        in_use = int((picture.codes > IDLE).sum())
        cells = picture.arrays.size * np.prod(picture.shape)
        assert in_use == pytest.approx(share * cells)
        idle = int((picture.codes == IDLE).sum())
        assert in_use + idle == cells
        counted += in_use
        for array, (top, left) in zip(picture.arrays, picture.corners, strict=True):
            assert picture.array_at(top, left) == array
            assert picture.array_at(top + 15, left + 7) == array
            assert picture.array_at(top + 16, left) is None
    # 256 and 160 weights on two cells each.
    assert counted == 2 * (256 + 160)


def test_targets_stand_on_the_cells_in_use(view: DeploymentView, found: am.Deployment) -> None:
    last = found.arrays.sizes[v.ARRAY] - 1
    view.state.deployed_array = last
    target = found.arrays[v.TARGET_CURRENT].values[last]
    drawn = view.arrays.targets.source.data["image"][0]
    used = used_cells(found, last)
    assert not used.all()
    assert np.isnan(drawn[~used]).all()
    assert (target[~used] == 0).all()
    assert np.allclose(drawn[used] * 1e-9, target[used], rtol=1e-5)
    assert "[nA]" in view.arrays.targets.figure.title.text
    assert view.array.value == last
    # A tap on another array of the picture chooses it.
    picture = picture_of(found, 1)
    top, left = picture.corners[0]
    view.arrays.picture._tapped(type("Tap", (), {"x": left + 1.0, "y": top + 1.0}))
    assert view.state.deployed_array == picture.arrays[0]


def test_bars_and_tiles_add_up(view: DeploymentView, found: am.Deployment) -> None:
    view.state.deployment_aspect = "cost"
    bars = view.cost.energy.source.data
    length = np.array(bars["right"]) - np.array(bars["left"])
    unit = {"pJ": 1e-12, "nJ": 1e-9, "fJ": 1e-15}[
        view.cost.energy.figure.xaxis[0].axis_label.split("[")[1].rstrip("]")
    ]
    charge = float(found.cost["charge"].sum()) * 0.5  # bit lines at half a volt
    on_bit_lines = length[np.array(bars["part"]) == "bit-line charge"].sum() * unit
    assert on_bit_lines == pytest.approx(charge)
    assert length.sum() * unit == pytest.approx(float(found.cost["energy"].sum()))
    for sentence in str(found.cost.attrs["assumptions"]).splitlines():
        assert sentence.split("'")[0] in view.cost_words.object
    view.state.deployment_aspect = "accuracy"
    shown = view.accuracy.source.data
    assert list(shown["row"]) == ["before conversion", "flawless cells", "chip 0", "chip 1"]
    assert shown["value"][2:] == [100 * float(one) for one in found.accuracy["accuracy"]]


def test_the_archive_is_the_folder_of_the_command_line(
    found: am.Deployment, tmp_path: Path
) -> None:
    file = deployment_archive(found, what="a network")
    assert file.content == deployment_archive(found, what="a network").content
    with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    (folder,) = tmp_path.iterdir()
    again = am.open_deployment(folder)
    assert again.arrays.identical(found.arrays)
    assert again.cost.identical(found.cost)
    assert len(list((folder / "arrays").glob("*.csv"))) == found.arrays.sizes[v.ARRAY]


def test_what_was_begun_stays_in_view(
    found: am.Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that ends while another is deployed is the newest, yet does not take its place."""
    am.nn.train(quick(epochs=1), run_directory=tmp_path / "first")
    view = DeploymentView(State(page="deployment"))
    monkeypatch.setattr(view.run, "start", lambda *_: True)
    view.start()
    am.nn.train(quick(epochs=1), run_directory=tmp_path / "second")
    view._hear(Deployed(found, "mlp_4x4", "float", "digits"))
    assert view.deployed is not None
    assert view.controls.run.value == "first"


def test_exports_hold_what_is_shown(view: DeploymentView, found: am.Deployment) -> None:
    table = view.table()
    assert table is not None
    assert np.array_equal(table[v.TARGET_CURRENT], found.arrays[v.TARGET_CURRENT][0])
    data = view.data()
    assert data is not None
    assert np.array_equal(data["cost_energy"], found.cost["energy"])
    assert "layer 0" in next(iter(view.figures()))


def test_an_empty_page_says_what_a_click_does(monkeypatch: pytest.MonkeyPatch) -> None:
    view = DeploymentView(State(page="deployment"))
    assert view.nothing.visible
    assert view.begin.visible
    assert "trains a 16-16-10 perceptron" in view.empty.object
    assert view.data() is None
    assert view.figures() == {}
    asked: list[Any] = []

    def refuse(_run: JobRun, *what: Any) -> bool:
        asked.append(what)
        return False

    monkeypatch.setattr(JobRun, "start", refuse)
    view.begin.clicks += 1
    (function, arguments) = asked[0]
    assert function is deploy_plan
    assert arguments["plan"].run is None
    assert arguments["plan"].chip is view.state.chip


def test_what_is_shown_is_what_was_asked_for(view: DeploymentView) -> None:
    """Another chip, another reading: not deployed yet, whatever was before."""
    first = view.deployed
    for other in ({"reading": "in_context"}, {"coupling_scale": 2.0}, {"n_programmed": 4}):
        before = {name: getattr(view.state, name) for name in other}
        view.state.param.update(**other)
        assert view.deployed is None, other
        view.state.param.update(**before)
        assert view.deployed is first is not None


def test_a_run_that_is_not_there_is_left_out_with_a_notice(tmp_path: Path) -> None:
    am.nn.train(quick(epochs=1), run_directory=tmp_path / "here")
    state = State(page="deployment", **links.read_query("drun=../../etc")[0])
    view = DeploymentView(state)
    assert view.controls.run.value == "here"
    assert links.query_of(state) == "page=deployment"
    assert state.notice is not None
    assert state.notice.kind == "error"
    assert "no finished training run '../../etc'" in state.notice.text
    # What is there, or is to be made, needs no notice.
    told = state.notice
    for name in ("here", SMALL, ""):
        state.deployed_run = name
        assert view.controls.run.value == (name or "here")
        assert state.notice is told


def test_the_link_holds_the_choices() -> None:
    state = State(page="deployment", reading="in_context", deployed_side="64", deployed_array=3)
    values, problems = links.read_query(links.query_of(state))
    assert problems == []
    assert values == {
        "page": "deployment",
        "reading": "in_context",
        "deployed_side": "64",
        "deployed_array": 3,
    }


def test_a_network_is_deployed_where_strong_couplings_scatter(tmp_path: Path) -> None:
    """On couplings as strong as a calibrated chip has at the end of the sidebar's slider."""
    run = tmp_path / "trained"
    am.nn.train(quick(epochs=1), run_directory=run)
    coupling = am.CouplingByClass(offsets=(-1, 1), kappa=[[0.6, 0.12], [-0.18, 0.6]])
    chip = harsh_chip().replace(coupling=coupling, v_bit_line=0.5, v_word_line=2.0)
    sent: list[Any] = []
    deploy_plan(sent.append, plan=DeploymentPlan(run, chip, True, None, "single", 1))
    found = sent[-1]
    assert isinstance(found, Deployed)
    assert "of what a simulation slot by slot gives" in accuracy_words(found.deployment)


def test_the_page_says_all_of_why_nothing_was_deployed() -> None:
    """An error may take several lines; only progress is cut to one."""
    run = JobRun("Deploy", heard=lambda _message: None, ended=lambda: None)
    run.say("layer '1': " + "expected something else, " * 20, "error")
    assert run.status.height is None
    assert ".run.error span { white-space: normal; }" in str(run.status.stylesheets)


def test_only_the_latest_deployments_are_kept(found: am.Deployment) -> None:
    kept = Deployments(size=2)
    one = Deployed(found, "a", "float", "digits")
    for key in "abc":
        kept.keep(key, replace(one, network=key))
    assert kept.find("a") is None
    assert kept.find("c") is not None


def test_a_run_is_deployed_as_the_library_does_it(tmp_path: Path) -> None:
    """The job gives what `am.deploy_run` gives; a finished run is offered, another is not."""
    run = tmp_path / "trained"
    am.nn.train(quick(epochs=1), run_directory=run)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "configuration.yaml").write_text("{}")
    view = DeploymentView(State(page="deployment"))
    assert list(view.controls.run.options.values()) == ["trained", SMALL]
    plan = view._plan
    assert plan is not None
    assert plan.run == run_store().path("trained")
    sent: list[Any] = []
    deploy_plan(sent.append, plan=replace(plan, n_chips=2))
    found = sent[-1].deployment
    direct = am.deploy_run(
        run, chip=view.state.chip, window=31 * 40e-9, seeds=(0, 1), n_images=1000
    )
    assert found.arrays.identical(direct.arrays)
    assert found.accuracy.identical(direct.accuracy)
    assert [stage.fraction for stage in sent[:-1]] == sorted(s.fraction for s in sent[:-1])
    without = view.state.chip.replace(v_bit_line=None)
    with pytest.raises(AnalogModelError, match="v_bit_line"):
        deploy_plan(sent.append, plan=DeploymentPlan(run, without, True, None, "single", 1))
