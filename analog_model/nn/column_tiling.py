"""Column tiling: the outputs of one layer on the bit lines of its arrays.

An output is the charge of its plus line less that of its minus line: its own second line in
the differential scheme, in the offset scheme the reference line that it shares with the
other outputs of its array. Both lines belong to one column class, the bit lines of the array
with the same layout, so that coupling that does not depend on the weight cancels.

The outputs of a class follow each other over all arrays of the layer: whatever is computed
per class is computed for one slice of the outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from analog_model.errors import ConfigurationError, nearest_name

SignedWeights = Literal["differential", "offset"]

# Codes in `output_of_bit_line` of a line that belongs to no single output.
UNUSED = -1
REFERENCE = -2


@dataclass(frozen=True, eq=False)
class ColumnTiling:
    """Output on each bit line of each array that a layer's outputs need.

    `output_of_bit_line` (column_tile, bit_line) is `UNUSED` on an idle line, `REFERENCE` on
    a reference line. `sign_of_bit_line`, same shape, is +1 on a plus line, -1 on a minus or
    reference line, 0 on an idle one. `column_class` (bit_line) is that of the array.
    `output_slices` lists (column class, first output, one past the last).
    """

    signed_weights: SignedWeights
    column_class: np.ndarray
    output_of_bit_line: np.ndarray
    sign_of_bit_line: np.ndarray
    output_slices: tuple[tuple[int, int, int], ...]

    @property
    def n_bit_lines(self) -> int:
        return int(self.column_class.size)

    @property
    def n_column_tiles(self) -> int:
        return int(self.output_of_bit_line.shape[0])

    @property
    def n_outputs(self) -> int:
        return self.output_slices[-1][2]

    @property
    def used(self) -> np.ndarray:
        """Bit lines that are read out (column_tile, bit_line)."""
        return self.output_of_bit_line != UNUSED

    @property
    def column_tile_of_output(self) -> np.ndarray:
        """Column tile (output) that holds both lines of an output."""
        return self._places(+1)[0]

    @property
    def plus_line_of_output(self) -> np.ndarray:
        """Bit line (output) whose charge counts positive."""
        return self._places(+1)[1]

    @property
    def minus_line_of_output(self) -> np.ndarray:
        """Bit line (output) whose charge is taken off: the second one or the reference."""
        if self.signed_weights == "differential":
            return self._places(-1)[1]
        _, class_index = np.unique(self.column_class, return_inverse=True)
        reference = np.full((self.n_column_tiles, class_index.max() + 1), UNUSED)
        tiles, lines = np.nonzero(self.output_of_bit_line == REFERENCE)
        reference[tiles, class_index[lines]] = lines
        column_tile, plus = self._places(+1)
        return reference[column_tile, class_index[plus]]

    @property
    def unusable_bit_lines(self) -> np.ndarray:
        """Bit lines of an array that find no partner in their column class."""
        partners = _places_for_outputs(self.column_class, self.signed_weights)
        return np.setdiff1d(np.arange(self.n_bit_lines), partners)

    def _places(self, sign: int) -> tuple[np.ndarray, np.ndarray]:
        """Column tile, bit line of every output's line with this sign."""
        tiles, lines = np.nonzero(self.sign_of_bit_line == sign)
        order = np.argsort(self.output_of_bit_line[tiles, lines])
        return tiles[order], lines[order]


def tile_outputs(
    n_outputs: int,
    *,
    n_bit_lines: int,
    column_class: np.ndarray,
    signed_weights: SignedWeights = "differential",
) -> ColumnTiling:
    """Place the outputs of one group of a layer on as few arrays as possible.

    `column_class` (bit_line) are integers, equal where the layout of two bit lines is. Arrays
    are filled one after the other, each from bit line 0 on, all column classes alike.

    Raises ConfigurationError where no two bit lines share a column class.
    """
    column_class = np.array(column_class)
    _check(n_outputs, n_bit_lines, column_class, signed_weights)
    places = _places_for_outputs(column_class, signed_weights)
    if not len(places):
        raise ConfigurationError(
            "tile_outputs.column_class",
            expected="two bit lines of one class at least, to take a signed weight",
            got=f"{n_bit_lines} bit lines, all different",
            advice="Take an array with more bit lines, or a layout whose columns repeat.",
        )
    n_column_tiles = -(-n_outputs // len(places))
    output = np.full((n_column_tiles, n_bit_lines), UNUSED)
    sign = np.zeros((n_column_tiles, n_bit_lines), dtype=int)
    tile, place = np.divmod(np.arange(n_outputs), len(places))
    plus, minus = places[place].T
    # Stable, so that the outputs of a class keep the order of arrays and bit lines.
    order = np.argsort(column_class[plus], kind="stable")
    tile, plus, minus = tile[order], plus[order], minus[order]
    output[tile, plus] = np.arange(n_outputs)
    sign[tile, plus] = 1
    output[tile, minus] = np.arange(n_outputs) if signed_weights == "differential" else REFERENCE
    sign[tile, minus] = -1
    for array in (column_class, output, sign):
        array.flags.writeable = False
    return ColumnTiling(
        signed_weights=signed_weights,
        column_class=column_class,
        output_of_bit_line=output,
        sign_of_bit_line=sign,
        output_slices=_slices(column_class[plus]),
    )


def _slices(class_of_output: np.ndarray) -> tuple[tuple[int, int, int], ...]:
    classes, starts = np.unique(class_of_output, return_index=True)
    stops = [*starts[1:].tolist(), class_of_output.size]
    return tuple(zip(classes.tolist(), starts.tolist(), stops, strict=True))


def _places_for_outputs(column_class: np.ndarray, signed_weights: SignedWeights) -> np.ndarray:
    """Plus and minus line of each output that an array can hold, from left to right."""
    partners = _pairs if signed_weights == "differential" else _with_reference
    places = np.concatenate(
        [partners(np.flatnonzero(column_class == one)) for one in np.unique(column_class)]
    )
    return places[np.argsort(places.max(axis=1))]


def _pairs(lines: np.ndarray) -> np.ndarray:
    """As many pairs of neighbouring lines as there are, with the least distance in all.

    Neighbours pair up from the left. Of an odd number of lines one stays out; it must have an
    even number of lines on either side, or a pair would reach across it for nothing.
    """
    if lines.size % 2:
        gaps = np.diff(lines)
        span = [gaps[:out:2].sum() + gaps[out + 1 :: 2].sum() for out in range(0, lines.size, 2)]
        # Of equals the last: arrays fill from the left.
        out = 2 * (len(span) - 1 - int(np.argmin(span[::-1])))
        lines = np.delete(lines, out)
    return lines.reshape(-1, 2)


def _with_reference(lines: np.ndarray) -> np.ndarray:
    """Every line but the first, each with the first as its reference."""
    return np.stack([lines[1:], np.full(lines.size - 1, lines[0])], axis=1)


def _check(
    n_outputs: int, n_bit_lines: int, column_class: np.ndarray, signed_weights: SignedWeights
) -> None:
    for name, value in (("n_outputs", n_outputs), ("n_bit_lines", n_bit_lines)):
        if value < 1:
            raise ConfigurationError(
                f"tile_outputs.{name}", expected="a count of at least 1", got=str(value)
            )
    if column_class.shape != (n_bit_lines,) or column_class.dtype.kind not in "iu":
        raise ConfigurationError(
            "tile_outputs.column_class",
            expected=f"an integer for each of {n_bit_lines} bit lines",
            got=f"shape {column_class.shape} of {column_class.dtype}",
        )
    if signed_weights not in get_args(SignedWeights):
        raise ConfigurationError(
            "tile_outputs.signed_weights",
            expected="a scheme of signed weights",
            got=repr(signed_weights),
            advice=nearest_name(signed_weights, get_args(SignedWeights)),
        )
