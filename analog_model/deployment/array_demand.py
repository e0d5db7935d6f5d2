"""Demand for arrays: how many a network needs, why, how many in another scheme.

Layers do not share arrays. If they did, the bit lines of one beside those of another and
driven at another time, each output would still need a place on every array that holds some
of its rows: `fewest_shared` is that bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.chip import Chip
from analog_model.deployment.placed_layers import PlacedLayer
from analog_model.deployment.tables import LAYERS, table
from analog_model.errors import ConfigurationError
from analog_model.nn.placement import coupling_reach
from analog_model.nn.tiling import SignedWeights, column_classes, tile_layer, tile_outputs

SCHEMES: tuple[SignedWeights, ...] = get_args(SignedWeights)
_WAY = {"differential": "pairs of bit lines", "offset": "bit lines beside reference lines"}


def array_demand(layers: Sequence[PlacedLayer], chip: Chip) -> xr.Dataset:
    """Part of the table `layers`: arrays and places by scheme of signed weights."""
    layout_class = chip.layout.layout_class
    n_bit_lines = chip.n_bit_lines
    values: dict[str, list[int]] = {}
    for scheme in SCHEMES:
        on_one = tile_outputs(
            n_bit_lines,
            n_bit_lines=n_bit_lines,
            column_class=column_classes(layout_class),
            signed_weights=scheme,
        )
        n_places = int((on_one.column_tile_of_output == 0).sum())
        values[f"n_places_{scheme}"] = [n_places] * len(layers)
        values[f"n_arrays_{scheme}"] = [
            tile_layer(
                tuple(placed.layer.weight.shape),
                layout_class=layout_class,
                reach=coupling_reach(chip),
                guard=placed.layer.configuration.guard_word_lines,
                signed_weights=scheme,
                n_groups=placed.layer.tiling.n_groups,
            ).n_arrays
            for placed in layers
        ]
    return table(LAYERS, values, coords={v.LAYER: [placed.name for placed in layers]})


def fewest_shared(layers: xr.Dataset, scheme: SignedWeights) -> int:
    """Arrays that a network needs at least in one scheme, if its layers shared them."""
    places = layers["n_outputs"] * layers[v.N_ROW_TILES]
    return int(np.ceil(float((places / layers[f"n_places_{scheme}"]).sum()) - 1e-9))


def demand_sentences(layers: xr.Dataset) -> tuple[str, ...]:
    """Why each layer needs its arrays, one sentence a layer; then the network's total."""
    lines = []
    for name in layers[v.LAYER].values:
        one = layers.sel({v.LAYER: name})
        scheme = str(one[v.SIGNED_WEIGHTS].item())
        rows, columns, groups = (
            int(one[key]) for key in (v.N_ROW_TILES, v.N_COLUMN_TILES, v.N_GROUPS)
        )
        needed = _counted(int(one[v.N_ARRAYS]))
        along = f"{rows} along the {int(one['n_weight_rows'])} inputs, {columns} along the outputs"
        lines.append(
            f"{name}: {int(one['n_outputs'])} outputs as {_WAY[scheme]}, "
            f"{int(one[f'n_places_{scheme}'])} of them to an array: {needed}, {along}"
            f"{f', {groups} groups' if groups > 1 else ''}"
        )
    counts = "; ".join(
        f"{scheme} weights {int(layers[f'n_arrays_{scheme}'].sum())}, "
        f"at least {fewest_shared(layers, scheme)} if layers shared arrays"
        for scheme in SCHEMES
    )
    total = int(layers[v.N_ARRAYS].sum())
    return (*lines, f"{_counted(total)} in all ({counts})")


def _counted(n_arrays: int) -> str:
    return f"{n_arrays} array{'' if n_arrays == 1 else 's'}"


def require_arrays(layers: xr.Dataset, n_arrays: int | None) -> None:
    """Raise ConfigurationError if the network needs more arrays than there are."""
    needed = int(layers[v.N_ARRAYS].sum())
    if n_arrays is not None and needed > n_arrays:
        *reasons, total = demand_sentences(layers)
        raise ConfigurationError(
            "deploy.n_arrays",
            expected=f"{needed} arrays ({'; '.join(reasons)})",
            got=str(n_arrays),
            advice=f"Take larger arrays, or weights in the other scheme: {total}.",
        )
