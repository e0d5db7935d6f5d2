"""Work that takes a while: how far it is, when it must not be interrupted."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


@contextlib.contextmanager
def progress_bar(title: str, *, quiet: bool) -> Iterator[Callable[[str, float], None]]:
    """A function to tell the stage with the fraction done, shown as a bar on a terminal."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    ) as bar:
        task = bar.add_task(title, total=1.0)

        def tell(stage: str, fraction: float) -> None:
            bar.update(task, description=f"{title}: {stage}", completed=fraction)

        yield tell


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Ctrl-C waits until the block, which writes files that belong together, is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if asked:
        raise KeyboardInterrupt
