"""Checkpoint of a run: weights, optimizer, schedule after a step.

A file is a NumPy archive of plain arrays, the rest being JSON in one of them: nothing in it
is executed when it is read.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from analog_model.dataset.io import read_bytes, write_bytes
from analog_model.errors import DataError

MAX_BYTES = 1 << 30
_FACTS, _NETWORK, _OPTIMIZER = "facts", "network/", "optimizer/"

State = dict[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """Where a run was after `step` steps.

    `best`: accuracy and epoch of the best evaluation so far, where one decides.
    """

    step: int
    network: State
    optimizer: dict[str, Any]
    schedule: dict[str, Any]
    best: tuple[float, int] | None = None


def checkpoint_of(
    step: int,
    network: Mapping[str, Tensor],
    optimizer: Optimizer,
    schedule: LRScheduler,
    best: tuple[float, int] | None,
) -> Checkpoint:
    """Checkpoint of running objects."""
    return Checkpoint(step, dict(network), optimizer.state_dict(), schedule.state_dict(), best)


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint over the one before, all or nothing."""
    arrays = {f"{_NETWORK}{name}": value for name, value in checkpoint.network.items()}
    for index, values in checkpoint.optimizer["state"].items():
        for name, value in values.items():
            if value is not None:
                arrays[f"{_OPTIMIZER}{index}/{name}"] = torch.as_tensor(value)
    facts = {
        "step": checkpoint.step,
        "groups": checkpoint.optimizer["param_groups"],
        "schedule": checkpoint.schedule,
        "best": checkpoint.best,
    }
    write_bytes(path, _encoded(arrays, facts), overwrite=True)


def load_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint held by a file; DataError for any other content."""
    arrays, facts = _decoded(path)
    state: dict[int, dict[str, Tensor]] = {}
    try:
        for name, value in arrays.items():
            if name.startswith(_OPTIMIZER):
                _, index, key = name.split("/")
                state.setdefault(int(index), {})[key] = value
        best = facts["best"]
        return Checkpoint(
            step=int(facts["step"]),
            network=_network(arrays),
            optimizer={"state": state, "param_groups": facts["groups"]},
            schedule=facts["schedule"],
            best=None if best is None else (float(best[0]), int(best[1])),
        )
    except (LookupError, TypeError, ValueError) as error:
        raise _no_checkpoint(path, f"{type(error).__name__}: {error}") from None


def save_arrays(state: Mapping[str, Tensor], path: Path) -> None:
    """Write named arrays alone, such as a network's state, all or nothing."""
    content = _encoded({f"{_NETWORK}{name}": value for name, value in state.items()}, {})
    write_bytes(path, content, overwrite=True)


def load_arrays(path: Path) -> State:
    """What `save_arrays` wrote."""
    return _network(_decoded(path)[0])


def load_weights(path: Path) -> State:
    """A network's state, from a file of its own or from a checkpoint."""
    return load_arrays(path)


def _network(arrays: Mapping[str, Tensor]) -> State:
    return {
        name.removeprefix(_NETWORK): value
        for name, value in arrays.items()
        if name.startswith(_NETWORK)
    }


def _encoded(arrays: Mapping[str, Tensor], facts: Mapping[str, Any]) -> bytes:
    text = np.frombuffer(json.dumps(facts).encode(), dtype=np.uint8)
    plain = {name: value.detach().cpu().numpy() for name, value in arrays.items()}
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **{_FACTS: text}, **plain)
    return file.getvalue()


def _decoded(path: Path) -> tuple[State, dict[str, Any]]:
    content = read_bytes(path, max_bytes=MAX_BYTES)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        facts = json.loads(arrays.pop(_FACTS).tobytes())
        tensors = {name: torch.from_numpy(values) for name, values in arrays.items()}
    except (OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise _no_checkpoint(path, " ".join(str(error).split())) from None
    return tensors, facts


def _no_checkpoint(path: Path, reason: str) -> DataError:
    return DataError(
        str(path),
        expected="a checkpoint of analog-model",
        got=f"a file that cannot be read as one ({reason})",
        advice="Start the run anew under another name.",
    )
