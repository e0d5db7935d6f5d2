"""Short trainings for the tests of the retraining page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from analog_model.nn.training import recipes
from dashboard import run_store, training_plan, training_queue

# Enough for a page to be closed and opened meanwhile.
FLOAT_EPOCHS, RETRAINING_EPOCHS = 12, 5
QUERY = "?page=retraining&train=hardware_aware&k=3"


def short_recipe(
    network: str,
    *,
    mode: str = "float",
    images: str | None = None,
    retrained: bool = False,
    changes: Mapping[str, Any] | None = None,
) -> Any:
    """The recipe of the library, with few epochs."""
    epochs = RETRAINING_EPOCHS if retrained else FLOAT_EPOCHS
    changes = {"epochs": epochs, **(changes or {})}
    return recipes.recipe(network, mode=mode, images=images, retrained=retrained, changes=changes)


@contextmanager
def serving(folder: Path) -> Iterator[training_queue.TrainingQueue]:
    """Short recipes, a folder and a queue of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(run_store.ENVIRONMENT_VARIABLE, str(folder))
        patch.setattr(training_plan, "recipe", short_recipe)
        patch.setattr(training_queue, "_threads", lambda: 1)
        run_store.run_store.cache_clear()
        training_queue.training_queue.cache_clear()
        try:
            yield training_queue.training_queue()
        finally:
            training_queue.training_queue().close()
            run_store.run_store.cache_clear()
            training_queue.training_queue.cache_clear()


def wait(condition: Callable[[], Any], seconds: float = 150.0) -> None:
    """Until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
