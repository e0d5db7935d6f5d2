"""Export: files on their way to the browser."""

from __future__ import annotations

import base64
import json
from typing import Any

from bokeh.document import Document

from dashboard.views.export import Export, ExportFile


class Nothing:
    """A page with nothing to export."""

    def chip_name(self) -> str:
        return ""

    def figures(self) -> dict[str, Any]:
        return {}

    def data(self) -> None:
        return None

    def table(self) -> None:
        return None


def test_a_file_stays_until_the_browser_has_it() -> None:
    """Whatever else changes in the same message: the newest value is all that travels."""
    export = Export(Nothing(), what="nothing")
    document = Document()
    document.add_root(export.panel.get_root(document))
    document.hold("combine")
    export.send(ExportFile("targets.zip", b"content"))
    messages = [
        json.loads(event.new)
        for event in document.callbacks._held_events
        if getattr(event, "attr", "") == "value" and event.new
    ]
    assert [one["name"] for one in messages] == ["targets.zip"]
    assert base64.b64decode(messages[0]["content"]) == b"content"
