"""Numbers of the deployment page: what of a deployment it draws, what it remembers.

Finished deployments are remembered by their plan, which sessions share: a second tab, a
link need not deploy again.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.chip import Chip
from analog_model.deployment.result import Deployment
from analog_model.deployment.tables import LAYER_OF_ARRAY
from analog_model.nn.training.run_directory import RunDirectory
from dashboard.deployment_choices import IN_VIEW, OWN
from dashboard.deployment_run import Deployed, DeploymentPlan
from dashboard.run_store import RunStore
from dashboard.state import State

# Entry of the list of runs that stands for a network trained for the occasion; no run's name.
SMALL = "*small"
MOST_ARRAYS = 64
BETWEEN, IDLE = 0, 1
_REMEMBERED = 6


def finished_runs(store: RunStore) -> list[str]:
    """Names of finished runs, the newest first."""
    written = {}
    for name in store.names():
        record = RunDirectory(store.folder / name).record
        if record.exists():
            written[name] = record.stat().st_mtime
    return sorted(written, key=lambda name: -written[name])


def chosen_run(state: State, names: list[str]) -> str:
    """The run that a state means: the one it names, the newest, else none."""
    return str(state.deployed_run) or (names[0] if names else SMALL)


def plan_of(state: State, run: Path | None) -> DeploymentPlan:
    """What a state asks for."""
    side = state.deployed_side
    return DeploymentPlan(
        run=run,
        chip=state.network_chip,
        own_chip=state.deployed_on != IN_VIEW,
        array_side=None if side == OWN else int(side),
        reading=state.reading,
        n_chips=state.n_programmed,
    )


def key_of(plan: DeploymentPlan) -> str:
    """Text that tells plans apart whose result may differ."""
    chip = "" if _ignores_chip(plan) else plan.chip.fingerprint()
    choice = [plan.own_chip, plan.array_side, plan.reading, plan.n_chips]
    return json.dumps([None if plan.run is None else str(plan.run), chip, *choice])


def _ignores_chip(plan: DeploymentPlan) -> bool:
    return plan.run is not None and plan.own_chip and RunDirectory(plan.run).chip.exists()


def chip_of(plan: DeploymentPlan) -> Chip:
    """The chip that a plan deploys on."""
    own = None if plan.run is None or not plan.own_chip else RunDirectory(plan.run).read_chip()
    return plan.chip if own is None else own


def layer_of(deployment: Deployment, array: int) -> int:
    """Index of an array's layer."""
    return int(deployment.arrays[LAYER_OF_ARRAY][array])


def used_cells(deployment: Deployment, array: int) -> np.ndarray:
    """Cells (word_line, bit_line) of an array that take part."""
    one = deployment.arrays.isel({v.ARRAY: array})
    used = (one[v.WEIGHT_ROW].values >= 0)[:, None] & (one[v.SIGN].values != 0)[None, :]
    return np.asarray(used)


@dataclass(frozen=True, eq=False)
class ArrayPicture:
    """Arrays of one layer beside each other, as codes of an image.

    `codes`: `BETWEEN` arrays, `IDLE` cells, else 2 + layout class. `corners`: first word
    line, bit line of every one of `arrays` in the image; `n_left_out` were not drawn.
    """

    codes: np.ndarray
    arrays: np.ndarray
    corners: np.ndarray
    shape: tuple[int, int]
    n_left_out: int

    def array_at(self, word_line: float, bit_line: float) -> int | None:
        """The array that a place of the image lies on."""
        for array, (top, left) in zip(self.arrays, self.corners, strict=True):
            inside = (
                -0.5 <= word_line - top < self.shape[0] - 0.5
                and -0.5 <= bit_line - left < self.shape[1] - 0.5
            )
            if inside:
                return int(array)
        return None


def picture_of(deployment: Deployment, layer: int) -> ArrayPicture:
    """Arrays of a layer in a grid as square as possible."""
    arrays = deployment.arrays
    every = np.flatnonzero(arrays[LAYER_OF_ARRAY].values == layer)
    shown = every[:MOST_ARRAYS]
    layout = arrays[v.LAYOUT_CLASS].values
    n_word_lines, n_bit_lines = layout.shape
    gap = max(2, n_word_lines // 9)
    n_across = int(np.ceil(np.sqrt(shown.size * n_word_lines / n_bit_lines)))
    down, across = np.divmod(np.arange(shown.size), max(1, min(n_across, shown.size)))
    corners = np.stack([down * (n_word_lines + gap), across * (n_bit_lines + gap)], axis=1)
    size = corners.max(axis=0) + layout.shape
    codes = np.full(size, BETWEEN, dtype=np.uint8)
    for array, (top, left) in zip(shown, corners, strict=True):
        used = used_cells(deployment, int(array))
        place = np.s_[top : top + n_word_lines, left : left + n_bit_lines]
        codes[place] = np.where(used, 2 + layout, IDLE)
    return ArrayPicture(
        codes, shown, corners, (n_word_lines, n_bit_lines), int(every.size - shown.size)
    )


def class_names(deployment: Deployment) -> list[str]:
    """Names of the layout classes."""
    return [str(name) for name in json.loads(deployment.arrays.attrs["layout_class_names"])]


def array_table(deployment: Deployment, array: int) -> xr.Dataset:
    """What is to be known of one array: targets with what they stand for."""
    one = deployment.arrays.isel({v.ARRAY: array})
    layer = str(deployment.layers[v.LAYER].values[int(one[LAYER_OF_ARRAY])])
    return one.drop_vars([LAYER_OF_ARRAY, v.GROUP]).assign_attrs(array=array, layer=layer)


class Deployments:
    """The last finished deployments by the key of their plan."""

    def __init__(self, size: int = _REMEMBERED) -> None:
        self.size = size
        self._entries: OrderedDict[str, Deployed] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, key: str) -> Deployed | None:
        """What is known already."""
        with self._lock:
            return self._entries.get(key)

    def keep(self, key: str, deployed: Deployed) -> None:
        """Remember a deployment; the oldest leaves where there are too many."""
        with self._lock:
            self._entries[key] = deployed
            self._entries.move_to_end(key)
            while len(self._entries) > self.size:
                self._entries.popitem(last=False)


deployments = Deployments()
