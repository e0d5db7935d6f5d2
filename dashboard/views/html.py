"""HTML text that is patched in place."""

from __future__ import annotations

import panel as pn
from bokeh.model import Model

# For text that fills a page: its margins count as height of the pane, where outside of it they
# would make the page scroll with nothing to see.
WITHIN = ":host > div { display: flow-root; }"


class Html(pn.pane.HTML):
    """Panel's HTML pane, of which a change sends the new text and nothing else.

    Panel would name the pane's style sheets anew each time, in a notebook those of a server
    outside the machine.
    """

    def _update(self, ref: str, model: Model) -> None:  # noqa: ARG002 - as Panel calls it
        model.text = self._transform_object(self.object)["object"]
