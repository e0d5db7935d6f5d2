"""Layout classes as a reader meets them: a colour each, a key to them."""

from __future__ import annotations

from html import escape

import colorcet

from analog_model.chip import Chip
from analog_model.figures.colours import CATEGORICAL

_KEYED = 8


def class_colours(n_classes: int) -> list[str]:
    """One colour per layout class, told apart with any colour vision up to eight."""
    if n_classes <= len(CATEGORICAL):
        return list(CATEGORICAL[:n_classes])
    return [colorcet.b_glasbey_bw_minc_20[k % 256] for k in range(n_classes)]


def class_key(chip: Chip, shown: str, note: str) -> str:
    """HTML key of the heatmap: what is `shown`, a `note` on it, the layout classes.

    Of many classes only the first eight are named.
    """
    names = chip.layout.class_names
    colours = class_colours(len(names))
    items = [
        f'<li><i style="background:{colour}"></i>{escape(name)}</li>'
        for name, colour in list(zip(names, colours, strict=True))[:_KEYED]
    ]
    if len(names) > _KEYED:
        items.append(f"<li>and {len(names) - _KEYED} more</li>")
    aside = f" <span>{escape(note)}</span>" if note else ""
    key = f'<ul class="key" aria-label="Layout classes">{"".join(items)}</ul>'
    return f"<p>{escape(shown)}{aside}</p>{key}"
