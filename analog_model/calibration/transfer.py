"""Transfer of a calibration to an array of another size.

The cell, its law, the coupling of each layout class, the pulse edges belong to the cell and
its neighbourhood: they carry over. What belongs to the array as a whole carries over as far
as its rule is known: the layout map continues with its period, the wire with its resistance
per pitch. What two sizes would be needed to tell is assumed and said to be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from analog_model.calibration.result import Calibration
from analog_model.chip import Chip, CouplingByCell, CouplingByClass, Layout
from analog_model.chip.continuation import continued_layout, continued_segments

CARRIES, ASSUMED, UNKNOWN = "carries over", "assumed", "unknown"


@dataclass(frozen=True)
class Extension:
    """A chip of another size with a record of what it rests on.

    `notes`: Dataset over `what` with `standing` ("carries over", "assumed", "unknown") and
    `reason`.
    """

    chip: Chip
    notes: xr.Dataset


def _coupling(
    source: Chip,
    layout: Layout,
    spread: float,
    generator: np.random.Generator | None,
) -> CouplingByClass | CouplingByCell | None:
    """Coupling by class, or by cell with mismatch drawn around it."""
    coupling = source.coupling
    if not isinstance(coupling, CouplingByClass):
        return None
    if generator is None or spread == 0:
        return coupling
    kappa = coupling.kappa_of_cells(layout)
    kappa = kappa * (1 + spread * generator.standard_normal(kappa.shape))
    exists = coupling.aggressors(layout) < layout.n_word_lines
    return CouplingByCell(offsets=coupling.offsets, kappa=np.where(exists[:, :, None], kappa, 0.0))


def _notes(
    chip: Chip, *, drawn: bool, weights: bool, capacitance: Literal["per_pitch", "fixed"]
) -> xr.Dataset:
    """What of an extended chip rests on what."""
    rows = [
        ("layout", ASSUMED, "the layout map goes on with its period"),
        ("kappa", CARRIES, "coupling belongs to a cell's neighbourhood, which its class names"),
        ("cell law", CARRIES, "the same cell"),
        ("dead time", CARRIES, "as long as the word-line drivers keep their edges; a longer word "
         "line slows them, which one size cannot show"),
        ("wire", CARRIES, "resistance per pitch of the same wire; the drop grows as the square "
         "of the length"),
        ("lumped", ASSUMED, "the same switch or clamp; designs may scale it with the array"),
        ("array edge", UNKNOWN, "cells at an edge are taken as cells of their class"),
    ]  # fmt: skip
    if chip.bit_line.capacitance is not None:
        how = (
            "all of it per pitch of bit line"
            if capacitance == "per_pitch"
            else "all of it fixed, at the sense end"
        )
        rows.append(
            ("droop", ASSUMED, f"{how}; one size cannot tell the fixed part from that per pitch")
        )
    if drawn:
        rows.append(
            ("mismatch", ASSUMED, "the spread carries over; which cell departs how is drawn")
        )
    else:
        rows.append(("mismatch", UNKNOWN, "every cell is taken as its class; ask for a seed"))
    reason = "given" if weights else "not given; all cells are empty until with_weights"
    rows.append(("weights", CARRIES if weights else UNKNOWN, reason))
    what, standing, why = zip(*rows, strict=True)
    return xr.Dataset(
        {"standing": ("what", list(standing)), "reason": ("what", list(why))},
        coords={"what": list(what)},
    )


def extend(
    calibration: Calibration,
    n_word_lines: int,
    n_bit_lines: int,
    *,
    cell_current: np.ndarray | None = None,
    layout: Layout | None = None,
    capacitance: Literal["per_pitch", "fixed"] = "per_pitch",
    mismatch_seed: int | None = None,
) -> Extension:
    """The chip of another size made of the same cell and layout rule.

    Built on the parameters that transfer, those fitted with the weights frozen at their
    reads. `cell_current` (n_word_lines, n_bit_lines) [A]; without it the array is empty and
    `chip.with_weights` fills it. `layout` overrides the continued one, its classes in the
    same order. `capacitance` says how the integrating capacitance scales. `mismatch_seed`
    draws single kappas with the spread that the calibration found.

    Raises ConfigurationError where the layout map has no period to continue.
    """
    small = calibration.chips["shared"]
    if layout is None:
        layout = continued_layout(small.layout, n_word_lines, n_bit_lines)
    line = small.bit_line
    farads = line.capacitance
    if farads is not None and capacitance == "per_pitch":
        farads = farads * n_word_lines / small.n_word_lines
    generator = None if mismatch_seed is None else np.random.default_rng(mismatch_seed)
    spread = float(calibration.cells.attrs["kappa_spread"])
    current = np.zeros((n_word_lines, n_bit_lines)) if cell_current is None else cell_current
    chip = small.replace(
        name=f"{small.name} extended to {n_word_lines}x{n_bit_lines}",
        cell_current=current,
        layout=layout,
        coupling=_coupling(small, layout, spread, generator),
        bit_line=line.replace(
            capacitance=farads, segments_to_sense=continued_segments(small, n_word_lines)
        ),
        source=f"extended from {small.n_word_lines}x{small.n_bit_lines}: {small.source}",
    )
    notes = _notes(
        chip,
        drawn=generator is not None and spread > 0,
        weights=cell_current is not None,
        capacitance=capacitance,
    )
    return Extension(chip, notes.assign_attrs(kappa_spread=spread))
