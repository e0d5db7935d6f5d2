"""Tile charges: what the lines of one row tile sum, where it lies in a map of charges.

A tile whose cells stand at one place of the kernel needs no moved image: its charges are those of
the image where it is, and the outputs read them some pixels away. Several such tiles share a map.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from analog_model.nn.neighbourhood import margins


@dataclass(frozen=True)
class TileCharges:
    """Lines of one row tile in a map (B, H, W, G, lines), from `first_line` on.

    An output's pixel reads the map's pixel `shift` (heights, widths) away; beyond it there is no
    charge.
    """

    found: Tensor
    first_line: int = 0
    shift: tuple[int, int] = (0, 0)

    def of_outputs(self, size: tuple[int, int], n_lines: int) -> Tensor:
        """The tile's own lines (B, H', W', G, n_lines) at outputs of a `size` (H', W')."""
        own = self.found.narrow(-1, self.first_line, n_lines)
        sides = []
        for shift, wanted, there in zip(
            self.shift[::-1], size[::-1], self.found.shape[2:0:-1], strict=True
        ):
            sides += [-shift, wanted + shift - there]
        if not any(sides):
            return own
        image = own.flatten(3).permute(0, 3, 1, 2)
        return margins(image, sides).permute(0, 2, 3, 1).unflatten(-1, own.shape[3:])
