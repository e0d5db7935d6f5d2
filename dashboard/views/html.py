"""HTML text that carries its style sheets with it in a notebook."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import panel as pn
from bokeh.document import Document
from bokeh.models import ImportedStyleSheet
from panel.io.resources import CDN_DIST, DIST_DIR


class Html(pn.pane.HTML):
    """Panel's HTML pane, without requests to a content network from a notebook.

    With `pn.extension(inline=True)` Panel puts the style sheets of a view into the notebook
    when it shows the view, but each later change of an HTML pane sends their addresses at the
    content network again. On a served page they come from its own server, as ever.
    """

    def _get_properties(self, doc: Document) -> dict[str, Any]:
        properties: dict[str, Any] = super()._get_properties(doc)
        if doc is None or doc.session_context is None:
            sheets = properties.get("stylesheets", [])
            properties["stylesheets"] = [_with_text(sheet) for sheet in sheets]
        return properties


def _with_text(sheet: Any) -> Any:
    url = sheet.url if isinstance(sheet, ImportedStyleSheet) else ""
    return _text(url.split("?")[0]) if url.startswith(CDN_DIST) else sheet


@lru_cache(maxsize=64)
def _text(url: str) -> str:
    return (DIST_DIR / url.removeprefix(CDN_DIST)).read_text(encoding="utf-8")
