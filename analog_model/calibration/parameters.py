"""Parameters shared by all cells of a chip, as one vector.

Internal coordinates are of order one: kappa itself, gamma = sqrt(I_ref / I_S) whose zero
is weak inversion (so that "no sign of strong inversion" is an ordinary value with an
ordinary error), the losses times the reference current or charge, the dead time over the
reference width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from analog_model.calibration.rungs import Rung
from analog_model.chip import Layout
from analog_model.physics.jacobian import ChargeJacobian, LossyArray

# Smallest gamma a fit may take: I_S a million times the reference current.
WEAK = 1e-3
UNITS = {
    "kappa": "1",
    "specific_current": "A",
    "wire_loss": "1/A",
    "lumped_loss": "1/A",
    "droop_loss": "1/C",
    "dead_time": "s",
}
SCALARS = tuple(name for name in UNITS if name != "kappa")


@dataclass(frozen=True)
class Reference:
    """Scales of the array: largest cell current [A], widest pulse [s], largest charge [C]."""

    current: float
    width: float
    charge: float


@dataclass(frozen=True)
class SharedParameters:
    """The parameter vector of one rung on one layout.

    `group` (K, N, M) holds the index of the kappa that each neighbour of each cell takes;
    `names` tell kappas as (class, offset).
    """

    rung: Rung
    layout: Layout
    reference: Reference
    pitches: np.ndarray
    aggressor: np.ndarray
    group: np.ndarray
    kappa_names: tuple[tuple[str, int], ...]
    scalars: tuple[str, ...]

    @property
    def size(self) -> int:
        """Length of the vector."""
        return len(self.kappa_names) + len(self.scalars)

    @property
    def names(self) -> tuple[str, ...]:
        """A readable name of every entry."""
        kappas = (f"kappa[{name}, {offset:+d}]" for name, offset in self.kappa_names)
        return (*kappas, *self.scalars)

    def scalar(self, vector: np.ndarray, name: str) -> float | None:
        """Internal value of one scalar; None where the rung leaves it out."""
        if name not in self.scalars:
            return None
        return float(vector[len(self.kappa_names) + self.scalars.index(name)])

    def start(self) -> np.ndarray:
        """Start of a fit: no coupling, cells at the edge of weak inversion, little loss."""
        begin = {"specific_current": 1.0, "dead_time": 1e-3}
        return np.array(
            [0.0] * len(self.kappa_names) + [begin.get(name, 1e-4) for name in self.scalars]
        )

    def neutral(self) -> np.ndarray:
        """Values without effect; cells at the edge of weak inversion, which is none alone."""
        return np.array([float(name == "specific_current") for name in self.names])

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds: a resistance, a droop, a dead time is not negative."""
        n_kappas = len(self.kappa_names)
        lower = {"specific_current": WEAK}
        upper = {"specific_current": 100.0, "dead_time": 0.5}
        return (
            np.array([-5.0] * n_kappas + [lower.get(name, 0.0) for name in self.scalars]),
            np.array([5.0] * n_kappas + [upper.get(name, 10.0) for name in self.scalars]),
        )

    def room(self) -> np.ndarray:
        """Distance (size,) of the bounds."""
        lower, upper = self.bounds()
        return upper - lower

    def unit_of(self, name: str) -> float:
        """SI value of one internal unit of a scalar (for gamma, see `to_si`)."""
        scale = self.reference
        return {
            "wire_loss": 1 / scale.current,
            "lumped_loss": 1 / scale.current,
            "droop_loss": 1 / scale.charge,
            "dead_time": scale.width,
        }[name]

    def to_si(self, vector: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values and standard errors in SI units.

        I_S = I_ref / gamma^2, so its relative error is twice gamma's.
        """
        value, spread = vector.astype(float).copy(), error.astype(float).copy()
        for k, name in enumerate(self.scalars, start=len(self.kappa_names)):
            if name == "specific_current":
                # gamma = 0 is weak inversion itself, and may end an interval.
                limit = vector[k] == 0 or not np.isfinite(error[k])
                value[k] = np.inf if vector[k] == 0 else self.reference.current / vector[k] ** 2
                spread[k] = np.inf if limit else 2 * value[k] * error[k] / vector[k]
            else:
                value[k], spread[k] = vector[k] * self.unit_of(name), error[k] * self.unit_of(name)
        return value, spread

    def kappa_of_cells(self, vector: np.ndarray) -> np.ndarray:
        """Kappa (K, N, M) of every neighbour of every cell."""
        return vector[self.group] if self.group.size else np.zeros(self.group.shape)

    def array(
        self, vector: np.ndarray, cell_current: np.ndarray, deviation: np.ndarray | None = None
    ) -> LossyArray:
        """The array that a vector describes; `deviation` (K, N, M) adds to the kappas."""
        kappa = self.kappa_of_cells(vector)
        if deviation is not None:
            kappa = kappa + deviation
        gamma = self.scalar(vector, "specific_current")

        def tensor(values: np.ndarray | float) -> torch.Tensor:
            return torch.tensor(np.array(values), dtype=torch.float64)

        def scalar(name: str) -> torch.Tensor:
            value = self.scalar(vector, name)
            return tensor(0.0 if value is None else value * self.unit_of(name))

        dropping = {"wire_loss", "lumped_loss"} & set(self.scalars)

        return LossyArray(
            cell_current=tensor(cell_current),
            aggressor=torch.tensor(self.aggressor, dtype=torch.long),
            kappa=tensor(kappa),
            specific_current=None if gamma is None else tensor(self.reference.current / gamma**2),
            pitches=tensor(self.pitches),
            wire_loss=scalar("wire_loss") if dropping else None,
            lumped_loss=scalar("lumped_loss") if dropping else None,
            droop_loss=scalar("droop_loss"),
            dead_time=scalar("dead_time"),
        )

    def columns(self, vector: np.ndarray, jacobian: ChargeJacobian) -> np.ndarray:
        """Derivative (V, M, size) of the charge by the vector."""
        n_vectors, n_bit_lines = jacobian.charge.shape
        columns = np.zeros((n_vectors, n_bit_lines, self.size))
        n_kappas = len(self.kappa_names)
        if n_kappas:
            flat = self.group.reshape(-1, n_bit_lines)
            by_cell = jacobian.kappa.numpy().reshape(n_vectors, -1, n_bit_lines)
            member = (flat[:, :, None] == np.arange(n_kappas)).astype(float)
            columns[:, :, :n_kappas] = np.einsum("vci,cig->vig", by_cell, member, optimize=True)
        for k, name in enumerate(self.scalars, start=n_kappas):
            slope = getattr(jacobian, name).numpy()
            if name == "specific_current":
                columns[:, :, k] = slope * (-2 * self.reference.current / vector[k] ** 3)
            else:
                columns[:, :, k] = slope * self.unit_of(name)
        return columns


def shared_parameters(
    rung: Rung, layout: Layout, reference: Reference, pitches: np.ndarray
) -> SharedParameters:
    """The parameter vector that a rung fits on a layout."""
    n_word_lines, n_offsets = layout.n_word_lines, len(rung.offsets)
    line = np.arange(n_word_lines)
    aggressor = line + np.array(rung.offsets, dtype=int).reshape(-1, 1)
    aggressor = np.where((aggressor < 0) | (aggressor >= n_word_lines), n_word_lines, aggressor)
    names: tuple[tuple[str, int], ...]
    if rung.sharing == "one":
        group = np.zeros((n_offsets, *layout.layout_class.shape), dtype=int)
        names = (("all", 1),) if n_offsets else ()
    else:
        offset = np.arange(n_offsets).reshape(-1, 1, 1)
        group = layout.layout_class[None] * n_offsets + offset
        names = tuple((name, k) for name in layout.class_names for k in rung.offsets)
    scalars = [f"{loss}_loss" for loss in rung.losses]
    if rung.dead_time:
        scalars.insert(0, "dead_time")
    if rung.ekv:
        scalars.insert(0, "specific_current")
    return SharedParameters(
        rung, layout, reference, pitches, aggressor, group, names if n_offsets else (),
        tuple(scalars),
    )  # fmt: skip
