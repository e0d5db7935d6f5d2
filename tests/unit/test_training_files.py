"""What training is told and what it writes: configurations, batches, checkpoints, journals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import analog_model as am
from analog_model.errors import ConfigurationError, DataError
from analog_model.nn.images.inputs import network_input
from analog_model.nn.models import NETWORKS, find_network
from analog_model.nn.training.checkpoint import (
    checkpoint_of,
    load_checkpoint,
    save_checkpoint,
)
from analog_model.nn.training.image_stream import ImageStream
from analog_model.nn.training.journal import Journal, read_journal
from tests.training_runs import quick

# Configurations ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rat": 1.0}, "Did you mean 'learning_rate'"),
        ({"network": "lenet"}, "Did you mean 'lenet5'"),
        ({"images": "mnist5k"}, "Did you mean 'mnist_5k'"),
        ({"epochs": 0}, r"TrainingConfiguration\.epochs"),
        ({"patience": 3, "validation_per_class": 0}, "held out by validation_per_class"),
        ({"weight_noise": 0.1}, "a number with mode 'noise', none otherwise"),
        ({"array_shape": (16, 16)}, "array_shape: expected none with mode 'float'"),
        ({"processes": 3}, "a multiple of the 3 processes"),
        ({"layer": {"toleranc": 1.0}}, "Did you mean 'tolerance'"),
        ({"variation": {"coupling": 2.0}}, "ChipVariation"),
    ],
)
def test_a_wrong_configuration_is_refused(changes: dict[str, Any], message: str) -> None:
    values = {**quick().model_dump(), **changes}
    with pytest.raises(ConfigurationError, match=message):
        am.nn.TrainingConfiguration(**values)


def test_every_recipe_is_valid_and_retraining_is_the_same_for_all_modes() -> None:
    for name, network in NETWORKS.items():
        recipes = [
            am.nn.recipe(name, mode=mode, images=network.images, retrained=True)
            for mode in ("float", "noise", "hardware_aware", "straight_through")
        ]
        alike = {one.model_dump_json(exclude={"mode", "weight_noise"}) for one in recipes}
        assert len(alike) == 1
        assert recipes[1].weight_noise is not None
        scratch = am.nn.recipe(name)
        assert scratch.images == {"mnist": "mnist_5k"}.get(network.images, network.images)
        assert recipes[0].learning_rate < scratch.learning_rate


# Batches ----------------------------------------------------------------------------------------


def stream(**changes: Any) -> ImageStream:
    images = torch.randint(256, (103, 1, 28, 28), dtype=torch.uint8)
    labels = torch.arange(103)
    configuration = quick(batch_size=20, **changes)
    return ImageStream(images, labels, network=find_network("mlp_4x4"), configuration=configuration)


@pytest.mark.parametrize("changes", [{}, {"padding": 2, "mirror": True}])
def test_any_batch_can_be_made_alone_or_in_parts(changes: dict[str, Any]) -> None:
    torch.manual_seed(0)
    batches = stream(**changes)
    whole = list(batches.epoch(3))
    assert [batch.step for batch in whole] == [15, 16, 17, 18, 19]
    # Each image at most once in an epoch, in another order in each.
    labels = torch.cat([batch.labels for batch in whole])
    assert len(labels.unique()) == len(labels) == 100
    assert not torch.equal(labels, torch.cat([batch.labels for batch in batches.epoch(4)]))
    late = list(batches.epoch(3, first=3))
    for batch, other in zip(late, whole[3:], strict=True):
        assert batch.step == other.step
        torch.testing.assert_close(batch.images, other.images, rtol=0, atol=0)
    parts = [list(batches.epoch(3, rank=rank, world=2)) for rank in (0, 1)]
    for number, batch in enumerate(whole):
        for rank in (0, 1):
            torch.testing.assert_close(parts[rank][number].images, batch.images[rank::2])
            assert torch.equal(parts[rank][number].labels, batch.labels[rank::2])
    # Without augmentation a batch is its images, averaged over their blocks.
    if not changes:
        plain = network_input(batches._images[whole[2].labels], size=4, margin=4)
        torch.testing.assert_close(whole[2].images, plain)


def test_a_short_epoch_is_the_beginning_of_a_whole_one() -> None:
    whole, short = stream(), stream(epoch_batches=2)
    found = list(short.epoch(3))
    assert [batch.step for batch in found] == [6, 7]
    for batch, other in zip(found, whole.epoch(3), strict=False):
        assert torch.equal(batch.labels, other.labels)
    with pytest.raises(ConfigurationError, match="at most the 5 batches that 103 training"):
        stream(epoch_batches=6)


# Checkpoints ------------------------------------------------------------------------------------


def test_a_checkpoint_gives_back_every_bit(tmp_path: Path) -> None:
    for kind in (torch.optim.AdamW, torch.optim.SGD):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
        optimizer = kind(network.parameters(), lr=0.1)
        if kind is torch.optim.SGD:
            optimizer = kind(network.parameters(), lr=0.1, momentum=0.9, nesterov=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=10)
        for _ in range(3):
            network(torch.rand(2, 1, 5, 5)).square().sum().backward()
            optimizer.step()
            schedule.step()
        saved = checkpoint_of(3, network.state_dict(), optimizer, schedule, (0.5, 1))
        path = tmp_path / f"{kind.__name__}.npz"
        save_checkpoint(saved, path)
        found = load_checkpoint(path)
        assert (found.step, found.best) == (3, (0.5, 1))
        for name, value in network.state_dict().items():
            assert torch.equal(found.network[name], value)
            assert found.network[name].dtype == value.dtype
        other = kind(network.parameters(), lr=0.3)
        other.load_state_dict(found.optimizer)
        groups = [json.dumps(one.state_dict()["param_groups"]) for one in (other, optimizer)]
        assert groups[0] == groups[1]
        for one, two in zip(
            other.state_dict()["state"].values(),
            optimizer.state_dict()["state"].values(),
            strict=True,
        ):
            assert one.keys() == two.keys()
            assert all(torch.equal(torch.as_tensor(one[k]), torch.as_tensor(two[k])) for k in one)
        assert found.schedule == json.loads(json.dumps(schedule.state_dict()))


def test_a_damaged_checkpoint_is_told_and_nothing_in_it_executed(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    trap = tmp_path / "executed"

    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (trap,)

    pickled = np.empty(1, dtype=object)
    pickled[0] = Trap()
    np.savez(path, facts=pickled)
    with pytest.raises(DataError, match="expected a checkpoint of analog-model"):
        load_checkpoint(path)
    assert not trap.exists()
    for content in (b"PK\x03\x04 cut", b"text"):
        path.write_bytes(content)
        with pytest.raises(DataError, match="expected a checkpoint of analog-model"):
            load_checkpoint(path)


# Journals ---------------------------------------------------------------------------------------


def test_a_journal_is_read_while_written_and_taken_up_at_a_step(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert read_journal(path) == []
    journal = Journal(path)
    for step in range(5):
        journal.add({"event": "step", "step": step, "loss": 0.1 * step})
        assert [event["step"] for event in read_journal(path)] == list(range(step + 1))
    journal.close()
    with path.open("a") as file:
        file.write('{"event": "step", "st')
    assert len(read_journal(path)) == 5
    again = Journal(path, step=2)
    again.add({"event": "step", "step": 3, "loss": 9.0})
    again.close()
    found = read_journal(path)
    assert [(event["step"], event["loss"]) for event in found] == [
        (0, 0),
        (1, 0.1),
        (2, 0.2),
        (3, 9),
    ]
    path.write_text(path.read_text() + "no event\n{}\n")
    with pytest.raises(DataError, match="line 5 of"):
        read_journal(path)
