"""Placement: the arrays of one layer, with what happens on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analog_model.chip import Chip
from analog_model.errors import ConfigurationError
from analog_model.nn.configuration import LayerConfiguration
from analog_model.nn.tiling import LayerTiling, column_classes, tile_layer

# Effects of a chip that its arrays have; the rest belongs to encoding and readout.
ARRAY_EFFECTS = frozenset({"crosstalk", "wire", "lumped", "droop", "dead_time"})


@dataclass(frozen=True, eq=False)
class Placement:
    """Arrays that a layer lies on.

    `chip` is one of them, empty. `full_scale_current` [A] and `window` [s] are the units of
    current and time; `window` is None where nothing on the array depends on it.
    """

    chip: Chip
    tiling: LayerTiling
    full_scale_current: float
    window: float | None


def coupling_reach(chip: Chip) -> int:
    """Largest distance in word lines over which a cell's neighbours act; 0 without any."""
    if chip.coupling is None or not np.any(chip.coupling.kappa):
        return 0
    aggressor = chip.coupling.aggressors(chip.layout)
    distance = np.abs(aggressor - np.arange(chip.n_word_lines))
    return int(distance[aggressor < chip.n_word_lines].max(initial=0))


def place(
    weight_shape: tuple[int, ...],
    *,
    chip: Chip,
    configuration: LayerConfiguration,
    full_scale_current: float,
    n_groups: int,
) -> Placement:
    """Place a layer on arrays like `chip`.

    Raises ConfigurationError where the layer's configuration lacks what the chip needs.
    """
    _check_kappa(chip)
    tiling = tile_layer(
        weight_shape,
        layout_class=chip.layout.layout_class,
        reach=coupling_reach(chip),
        guard=configuration.guard_word_lines,
        signed_weights=configuration.signed_weights,
        n_groups=n_groups,
    )
    return Placement(
        chip=chip,
        tiling=tiling,
        full_scale_current=full_scale_current,
        window=_window(chip, configuration),
    )


def _check_kappa(chip: Chip) -> None:
    """All bit lines of a column class must couple alike."""
    if "crosstalk" not in chip.effects or chip.coupling is None:
        return
    kappa = chip.coupling.kappa_of_cells(chip.layout)
    column_class = column_classes(chip.layout.layout_class)
    _, first = np.unique(column_class, return_index=True)
    if not np.array_equal(kappa, kappa[:, :, first[column_class]]):
        raise ConfigurationError(
            "Chip.coupling",
            expected="one kappa for all bit lines of the same layout",
            got=f"different ones, coupling {chip.coupling.kind!r}",
            advice="Take a chip with coupling by layout class, such as chips['shared'] of a "
            "calibration.",
        )


def full_scale_of(chip: Chip, configuration: LayerConfiguration) -> float:
    """Current [A] that the largest weight stands for."""
    if configuration.full_scale_current is not None:
        return configuration.full_scale_current
    largest = float(chip.cell_current.max())
    if largest == 0:
        raise ConfigurationError(
            "LayerConfiguration.full_scale_current",
            expected="the current of a full-scale cell [A], or a chip whose cells carry current",
            got="a chip without any",
            advice="Give full_scale_current.",
        )
    return largest


def _window(chip: Chip, configuration: LayerConfiguration) -> float | None:
    if configuration.window is not None:
        return configuration.window
    needs = [name for name in ("droop", "dead_time") if name in chip.effects]
    if chip.pulse.full_scale is None and needs:
        raise ConfigurationError(
            "LayerConfiguration.window",
            expected=f"the widest pulse [s], on which {needs[0]} depends",
            got="none, and a chip without pulse codes",
            advice="Give window, or chip.pulse its lsb and bits.",
        )
    return chip.pulse.full_scale
