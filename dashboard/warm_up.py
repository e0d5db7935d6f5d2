"""First work of a server, done before the first visitor comes."""

from __future__ import annotations

import gc

from dashboard.pages import PAGES
from dashboard.state import State


def warm_up() -> None:
    """Build every view once, then take what is there for good out of garbage collection.

    Python's collector would walk it all, torch and Panel included, in each full collection:
    a third of a second, time and again, in which no session is answered.
    """
    for page in PAGES.values():
        page.build(State())
    gc.collect()
    gc.freeze()
