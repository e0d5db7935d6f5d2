"""Arrays of one layer as numbers, in units of its full-scale current, its widest pulse."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from analog_model.chip import EKV
from analog_model.nn.ideal_product import ConvolutionGeometry
from analog_model.nn.placement import Placement
from analog_model.nn.tiling import LayerTiling


@dataclass(frozen=True, eq=False)
class LayerArrays:
    """What every array of a layer does to its cells.

    K neighbours, N word lines, column classes as in `tiling.columns.output_slices`:

    - `class_of_slice`: (index into `kappa`'s last axis, first output, one past the last);
    - `aggressors` (K, N), N for none, with `kappa` (K, N, C) by column class;
    - `specific_current` I_S, None for the weak-inversion limit;
    - `resistance` (N, N): g I R_jk, None without drop, with `segment_resistance` (N,) g I rho
      and `ladder_order` (N,); `self_consistent`;
    - `capacitance` of an integrating line: C / (g I T), None for a clamped one;
    - `dead_time` over the window.
    """

    tiling: LayerTiling
    geometry: ConvolutionGeometry
    class_of_slice: tuple[tuple[int, int, int], ...]
    aggressors: np.ndarray
    kappa: np.ndarray
    specific_current: float | None
    segment_resistance: np.ndarray | None
    ladder_order: np.ndarray
    self_consistent: bool
    capacitance: float | None
    dead_time: float

    def with_outputs(self, most: int) -> tuple[LayerArrays, np.ndarray]:
        """The arrays with up to `most` outputs of each column class, and which (of a group)."""
        kept, slices, count = [], [], 0
        for index, start, stop in self.class_of_slice:
            some = np.unique(np.linspace(start, stop - 1, min(most, stop - start)).round())
            kept.append(some.astype(int))
            slices.append((index, count, count + some.size))
            count += some.size
        return replace(self, class_of_slice=tuple(slices)), np.concatenate(kept)


def layer_arrays(placement: Placement, geometry: ConvolutionGeometry) -> LayerArrays:
    """Numbers of the arrays that a layer is placed on."""
    chip, tiling = placement.chip, placement.tiling
    effects, n_word_lines = chip.effects, chip.n_word_lines
    unit, line = placement.full_scale_current, chip.bit_line
    representative = [
        int(np.flatnonzero(tiling.columns.column_class == one)[0])
        for one, _, _ in tiling.columns.output_slices
    ]
    aggressors = np.zeros((0, n_word_lines), dtype=int)
    kappa = np.zeros((0, n_word_lines, len(representative)))
    if chip.coupling is not None and "crosstalk" in effects:
        aggressors = chip.coupling.aggressors(chip.layout)
        kappa = chip.coupling.kappa_of_cells(chip.layout)[:, :, representative]
    order = np.argsort(chip.segments_to_sense, kind="stable")
    segments = None
    if {"wire", "lumped"} & set(effects):
        pitches = np.diff(chip.segments_to_sense[order], prepend=0.0)
        segments = line.wire_resistance * pitches
        segments[0] += line.lumped_resistance
        segments = segments * line.drain_sensitivity * unit
    capacitance = None
    if "droop" in effects and line.capacitance is not None and placement.window is not None:
        capacitance = line.capacitance / (line.drain_sensitivity * unit * placement.window)
    law = chip.cell_law
    dead = chip.pulse.dead_time
    return LayerArrays(
        tiling=tiling,
        geometry=geometry,
        class_of_slice=tuple(
            (k, start, stop) for k, (_, start, stop) in enumerate(tiling.columns.output_slices)
        ),
        aggressors=aggressors,
        kappa=kappa,
        specific_current=law.specific_current / unit if isinstance(law, EKV) else None,
        segment_resistance=segments,
        ladder_order=order,
        self_consistent=line.solution == "self_consistent",
        capacitance=capacitance,
        dead_time=0.0 if placement.window is None else dead / placement.window,
    )
