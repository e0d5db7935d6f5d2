"""Two parts of a page side by side, one below the other where the page is narrow."""

from __future__ import annotations

import panel as pn
from panel.viewable import Viewable

_GAP = 12


def side_by_side(
    left: Viewable,
    right: Viewable,
    *,
    left_width: int,
    right_width: int,
    height: int = 420,
    right_share: float = 0.8,
) -> pn.Row:
    """Both in a row if there is room for `left_width` and `right_width` [px].

    They share what is left over, `right` taking `right_share` of what `left` takes, and fill
    the page's height, each at least `height` [px] high.
    """
    for part, width, share in ((left, left_width, 1.0), (right, right_width, right_share)):
        # As a style: of `min_height` Panel makes a sum over all parts of a page, seen or not.
        part.styles = {
            "flex": f"{share} 1 {width}px",
            "min-width": "0",
            "min-height": f"{height}px",
        }
        if not isinstance(part, pn.pane.HTML):
            # A canvas, unlike text, asks for the size it had: it would never shrink again.
            part.styles = {**part.styles, "contain": "size"}
    return pn.Row(
        left,
        right,
        sizing_mode="stretch_both",
        margin=0,
        styles={"flex-wrap": "wrap", "gap": f"{_GAP}px"},
    )
