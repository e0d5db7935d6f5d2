"""Messages on their way to a page.

While one is being written, Panel puts further ones aside for a task of their own. That task
leaves them where they are if the writing ends between its making and its start: Panel 1.9 takes
the end for "nothing is waiting". A page then misses a change, or a download, until its session
happens to send something else.
"""

from __future__ import annotations

from bokeh.document import Document
from panel.io import document as panels

# Private names of a version that `pyproject.toml` bounds; a test says when they are of no use.
_panels_dispatch = panels._dispatch_msgs  # noqa: SLF001


async def _dispatch_every_message(document: Document) -> None:
    waiting, writing = panels._WRITE_MSGS, panels._WRITE_BLOCK  # noqa: SLF001
    await _panels_dispatch(document)
    while document in waiting and document not in writing:
        writing[document] = True
        await _panels_dispatch(document)


def leave_none_behind() -> None:
    """Have this process send every message that Panel has put aside, whenever it did."""
    panels._dispatch_msgs = _dispatch_every_message  # noqa: SLF001
