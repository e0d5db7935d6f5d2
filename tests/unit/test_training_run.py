"""A training run from end to end: stopped, killed, resumed, shared by two processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import analog_model as am
from analog_model.errors import ConfigurationError, DataError
from tests.training_runs import N_BATCHES, N_STEPS, QUICK, quick, weights_of

COMMAND = str(Path(sys.executable).with_name("analog-model"))
TIMES = {"wall_time", "cpu_time"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, am.nn.TrainingResult, list[Any]]:
    """A run that nothing interrupts, with what its listener heard."""
    folder, heard = tmp_path_factory.mktemp("training") / "whole", []
    result = am.nn.train(quick(), run_directory=folder, listener=heard.append)
    return folder, result, heard


def events(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def without_times(run: Path) -> list[dict[str, Any]]:
    return [{k: x for k, x in event.items() if k not in TIMES} for event in events(run)]


def assert_same(run: Path, other: Path) -> None:
    """Same weights to the last bit, same curves."""
    found, expected = weights_of(run), weights_of(other)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
    assert without_times(run) == without_times(other)


def test_a_run_learns_and_its_record_tells_how(
    whole: tuple[Path, am.nn.TrainingResult, list[Any]],
) -> None:
    folder, result, heard = whole
    record = am.nn.open_record(folder / "record.nc")
    assert record.sizes["training_step"] == N_STEPS
    assert record["step_loss"][-20:].mean() < 0.6 * record["step_loss"][:20].mean()
    # The epoch's loss is the mean of its steps'.
    by_epoch = record["step_loss"].values.reshape(3, N_BATCHES).mean(1)
    np.testing.assert_allclose(record["train_loss"], by_epoch, rtol=1e-12)
    # One-cycle: from a 25th of the peak over the peak, 30 % in, to next to nothing.
    rate = record["learning_rate"].values
    peak = quick().learning_rate
    assert rate[0] == pytest.approx(peak / 25)
    assert rate.max() == pytest.approx(peak, rel=1e-2)
    assert abs(rate.argmax() - 0.3 * N_STEPS) < 2
    assert rate[-1] < 1e-4 * peak
    assert (np.diff(rate)[40:] < 0).all()
    # The final accuracy is that of the whole test part, 100 of each digit.
    confusion = record["confusion"].values
    assert (confusion.sum(1) == 100).all()
    assert float(record["accuracy"]) == np.trace(confusion) / 1000 > 0.6
    assert record.attrs["evaluated_on"] == "validation"
    assert json.loads(record.attrs["configuration"]) == result_configuration(folder)
    # Who listens hears what is written, as it is written.
    assert heard == events(folder)[1:]
    assert result.step == N_STEPS
    assert [event["event"] for event in heard].count("epoch") == 3


def result_configuration(folder: Path) -> Any:
    return yaml.safe_load((folder / "configuration.yaml").read_text())


def test_the_network_is_rebuilt_from_the_directory(
    whole: tuple[Path, am.nn.TrainingResult, list[Any]],
) -> None:
    folder, result, _ = whole
    x = torch.rand(5, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    rebuilt = am.nn.trained_network(folder)
    assert not rebuilt.training
    torch.testing.assert_close(rebuilt(x), result.network(x), rtol=0, atol=0)
    again = am.nn.resume(folder)
    assert again.step == N_STEPS
    assert again.record is not None
    assert again.record.identical(am.nn.open_record(folder / "record.nc"))


@pytest.mark.parametrize("at", [5, N_BATCHES, N_BATCHES + 1])
def test_a_signal_stops_a_run_that_then_goes_on(
    whole: tuple[Path, am.nn.TrainingResult, list[Any]], tmp_path: Path, at: int
) -> None:
    def interrupt(event: Any) -> None:
        if event["event"] == "step" and event["step"] == at:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    stopped = am.nn.train(quick(), run_directory=tmp_path / "cut", listener=interrupt)
    assert signal.getsignal(signal.SIGINT) is before
    assert stopped.record is None
    # Asked during the listener's call, which comes after the look at the signal.
    assert at <= stopped.step <= at + 1
    with pytest.raises(ConfigurationError, match="expected a finished run"):
        am.nn.trained_network(tmp_path / "cut")
    finished = am.nn.resume(tmp_path / "cut")
    assert finished.record is not None
    assert_same(tmp_path / "cut", whole[0])


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    options = tmp_path / "options.yaml"
    options.write_text(yaml.safe_dump({**QUICK, "epochs": 8, "checkpoint_interval": 0.0}))
    command = [
        *(COMMAND, "train", "mlp_4x4"),
        *("--options", str(options), "--run"),
    ]
    cut, n_steps = tmp_path / "cut", 8 * N_BATCHES
    killed = subprocess.Popen([*command, str(cut)], stdout=subprocess.DEVNULL)
    journal = cut / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while not journal.exists() or journal.read_bytes().count(b"\n") < 2 * N_BATCHES + 10:
        assert killed.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    killed.kill()
    killed.wait(timeout=30)
    assert events_of_steps(journal) < n_steps
    # A half-written line, as a kill may leave it.
    with journal.open("a") as file:
        file.write('{"event": "st')
    am.nn.resume(cut)
    configuration = quick(epochs=8)
    am.nn.train(configuration, run_directory=tmp_path / "whole")
    found, expected = without_times(cut), without_times(tmp_path / "whole")
    assert found[1:] == expected[1:]
    assert events_of_steps(journal) == n_steps
    for name, values in weights_of(tmp_path / "whole").items():
        np.testing.assert_array_equal(weights_of(cut)[name], values)


def events_of_steps(journal: Path) -> int:
    return journal.read_bytes().count(b'"event": "step"')


@pytest.mark.slow
def test_two_processes_do_as_one(tmp_path: Path) -> None:
    options = tmp_path / "options.yaml"
    options.write_text(yaml.safe_dump({**QUICK, "epochs": 1}))
    done = subprocess.run(
        [
            *(COMMAND, "train", "mlp_4x4", "--json"),
            *("--options", str(options), "--processes", "2", "--run", str(tmp_path / "two")),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    # The first process alone prints.
    assert json.loads(done.stdout)["steps"] == N_BATCHES
    am.nn.train(quick(epochs=1), run_directory=tmp_path / "one")
    one, two = weights_of(tmp_path / "one"), weights_of(tmp_path / "two")
    for name, values in one.items():
        np.testing.assert_allclose(two[name], values, rtol=1e-3, atol=1e-5)
    # Adding in another order than one process must show somewhere, else there was but one.
    assert any((two[name] != values).any() for name, values in one.items())
    for found, expected in zip(
        events(tmp_path / "two")[1:], events(tmp_path / "one")[1:], strict=True
    ):
        assert found["loss"] == pytest.approx(expected["loss"], rel=1e-4)
        assert found["accuracy"] == pytest.approx(expected["accuracy"], abs=3e-3)


def test_a_run_is_refused_what_does_not_belong_to_it(
    whole: tuple[Path, am.nn.TrainingResult, list[Any]], tmp_path: Path
) -> None:
    from filelock import FileLock

    folder = whole[0]
    with pytest.raises(ConfigurationError, match="a name that is not taken, got a run"):
        am.nn.train(quick(), run_directory=folder)
    with pytest.raises(DataError, match="expected the directory of a training run"):
        am.nn.resume(tmp_path / "nowhere")
    with FileLock(folder / "run.lock"), pytest.raises(ConfigurationError, match="another process"):
        am.nn.resume(folder)
    on_chip = quick(mode="hardware_aware")
    with pytest.raises(ConfigurationError, match=r"train\.chip: expected one"):
        am.nn.train(on_chip, run_directory=tmp_path / "x", start=folder)
    with pytest.raises(ConfigurationError, match="of the network 'lenet5'"):
        am.nn.train(am.nn.recipe("lenet5"), run_directory=tmp_path / "x", start=folder)
    assert not (tmp_path / "x").exists()
    # A configuration that was changed under a run with a checkpoint.
    cut = tmp_path / "cut"
    cut.mkdir()
    for name in ("configuration.yaml", "start.npz", "checkpoint.npz", "metrics.jsonl"):
        (cut / name).write_bytes((folder / name).read_bytes())
    text = (cut / "configuration.yaml").read_text()
    (cut / "configuration.yaml").write_text(text.replace("seed: 0", "seed: 1"))
    with pytest.raises(DataError, match="configuration_fingerprint of the run"):
        am.nn.resume(cut)


def test_without_progress_a_run_stops_early_with_its_best_weights(tmp_path: Path) -> None:
    # So large a rate drives the weights away from where they were best.
    configuration = quick(epochs=12, patience=2, learning_rate=3.0, optimizer="sgd")
    result = am.nn.train(configuration, run_directory=tmp_path / "run")
    record = result.record
    assert record is not None
    accuracy = record["evaluated_accuracy"].values
    best = int(accuracy.argmax())
    assert len(accuracy) == best + 1 + 2 < 12
    held_out = am.nn.evaluate(
        am.nn.trained_network(tmp_path / "run"),
        *validation_part(),
        class_names=[str(digit) for digit in range(10)],
    )
    assert float(held_out["accuracy"]) == pytest.approx(accuracy[best])


def validation_part() -> tuple[torch.Tensor, torch.Tensor]:
    from analog_model.nn.images.inputs import network_input
    from analog_model.nn.images.loading import load_images

    images = load_images().with_validation(per_class=QUICK["validation_per_class"])
    return network_input(images.test_images, size=4, margin=4), images.test_labels
