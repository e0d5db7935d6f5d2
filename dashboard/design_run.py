"""One sweep, told point by point: the job behind the design page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from analog_model.nn.training.recipes import recipe
from analog_model.nn.training.run_directory import RunDirectory
from analog_model.nn.training.train import resume, train
from analog_model.sweeps.accuracy import Accuracy
from analog_model.sweeps.plan import SweepPlan
from analog_model.sweeps.product_error import ProductError
from analog_model.sweeps.reading import Measure
from analog_model.sweeps.retrained_accuracy import RetrainedAccuracy
from analog_model.sweeps.sweep import swept
from dashboard.design_choices import RETRAINED, SER
from dashboard.design_question import N_PATTERNS, SEED, SweepQuestion
from dashboard.design_store import SweepStore
from dashboard.jobs import Send
from dashboard.stage import Stage

# Test digits that judge a network: 50 of each, so that a point takes about a second.
N_IMAGES = 500


@dataclass(frozen=True, eq=False)
class SweepOutcome:
    """A finished sweep, as `am.sweep` gives it."""

    found: xr.Dataset


def run_sweep(send: Send, *, question: SweepQuestion, folder: Path) -> None:
    """Answer a question; sends `Stage`, `SweepPoint`, `SweepOutcome`.

    Points, the finished sweep, trained networks are kept in the store at `folder`.
    """
    store = SweepStore(folder)
    send(Stage("preparing", 0.0))
    plan = SweepPlan(question.chip, question.over, measure_of(question, store, send))
    points = []
    for point in swept(plan, cache=store.points, workers=1):
        points.append(point)
        send(point)
        done = len(points) / len(plan.points)
        send(Stage(f"{len(points)} of {len(plan.points)} points", done))
    found = plan.dataset(points)
    store.keep(question.key(), found)
    send(SweepOutcome(found))


def measure_of(question: SweepQuestion, store: SweepStore, send: Send) -> Measure:
    """What measures a question's points; trains the digital network where it is not yet."""
    if question.measure == SER:
        return ProductError(n_patterns=N_PATTERNS, seed=SEED)
    directory = store.network(question.network)
    _train(directory, question.network, send)
    send(Stage("preparing the network", 1.0))
    if question.measure == RETRAINED:
        return RetrainedAccuracy.of_run(directory, epochs=question.epochs, n_images=N_IMAGES)
    return Accuracy.of_run(directory, n_images=N_IMAGES)


def _train(directory: Path, network: str, send: Send) -> None:
    files = RunDirectory(directory)
    if files.record.exists():
        return

    def tell(text: str, fraction: float) -> None:
        send(Stage(f"training the digital network: {text}", fraction))

    if files.configuration.exists():
        resume(directory, progress=tell)
    else:
        train(recipe(network, changes={"threads": 1}), run_directory=directory, progress=tell)
