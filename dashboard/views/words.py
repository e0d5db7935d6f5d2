"""Words of a view: HTML that is patched in place."""

from __future__ import annotations

from typing import Any

import panel as pn
from bokeh.models import Div


class Words:
    """A place for HTML under its own style.

    Panel's HTML pane would name its style sheets anew with each change, in a notebook those
    of a server outside the machine. `options` are those of a Bokeh pane.
    """

    def __init__(self, style: str, **options: Any) -> None:
        self._style = f"<style>{style}</style>"
        self.html = ""
        self.pane = pn.pane.Bokeh(Div(text=self._style), margin=0, **options)

    def say(self, html: str) -> None:
        """Show this instead; what is shown already is not sent again."""
        if html != self.html:
            self.html = html
            self.pane.object.text = self._style + html
