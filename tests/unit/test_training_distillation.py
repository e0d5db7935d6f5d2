"""Distillation: its loss by hand, its teacher kept as it was, training towards it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import analog_model as am
from analog_model.errors import ConfigurationError
from analog_model.nn.training.distillation import Teacher, teacher_loss
from tests.training_runs import harsh_chip, quick, weights_of


def test_the_loss_is_the_divergence_of_softened_probabilities() -> None:
    generator = np.random.default_rng(0)
    scores, targets = generator.normal(size=(2, 7, 5)) * 6

    def softmax(values: np.ndarray) -> np.ndarray:
        weights = np.exp(values / 3.0)
        return weights / weights.sum(1, keepdims=True)

    p, q = softmax(targets), softmax(scores)
    expected = 9.0 * (p * np.log(p / q)).sum(1).mean()
    found = teacher_loss(torch.as_tensor(scores), torch.as_tensor(targets), softening=3.0)
    assert float(found) == pytest.approx(expected, rel=1e-12)
    one = torch.as_tensor(scores).requires_grad_()
    torch.autograd.gradcheck(lambda s: teacher_loss(s, torch.as_tensor(targets)), (one,))


def test_scores_that_differ_by_a_constant_are_the_teachers_own() -> None:
    targets = torch.randn(4, 10, generator=torch.Generator().manual_seed(1)).double()
    scores = (targets + 2.5).requires_grad_()
    loss = teacher_loss(scores, targets)
    (slope,) = torch.autograd.grad(loss, scores)
    assert float(loss.detach()) == pytest.approx(0.0, abs=1e-12)
    torch.testing.assert_close(slope, torch.zeros_like(slope), rtol=0, atol=1e-12)


def test_a_teacher_judges_by_its_kept_statistics_and_keeps_them() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    network(torch.randn(20, 3))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    images = torch.randn(6, 3)
    scores = Teacher(network).scores(images)
    torch.testing.assert_close(scores[:1], network.eval()(images[:1]))
    assert not scores.requires_grad
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_the_teacher_is_the_starting_network_and_is_at_rest_in_it(tmp_path: Path) -> None:
    begun = am.nn.train(quick(), run_directory=tmp_path / "float")
    # Labels count for nothing, and the scores are the teacher's already: no weight may move.
    alone = quick(distillation=1.0, optimizer="sgd", epochs=1)
    am.nn.train(alone, run_directory=tmp_path / "same", start=begun.directory)
    start, after = weights_of(tmp_path / "float"), weights_of(tmp_path / "same")
    for name, value in start.items():
        np.testing.assert_allclose(after[name], value, rtol=0, atol=1e-6, err_msg=name)


def test_on_a_chip_the_scores_come_near_the_teachers_without_labels(tmp_path: Path) -> None:
    begun = am.nn.train(quick(), run_directory=tmp_path / "float")
    result = am.nn.train(
        quick(mode="hardware_aware", distillation=1.0, learning_rate=1e-2),
        run_directory=tmp_path / "chip",
        start=begun.directory,
        chip=harsh_chip(),
    )
    assert result.record is not None
    loss = result.record["train_loss"].values
    assert loss[-1] < 0.1 * loss[0]


def test_distillation_without_a_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"train\.start.*distillation"):
        am.nn.train(quick(distillation=0.5), run_directory=tmp_path / "run")
    assert not (tmp_path / "run").exists()
