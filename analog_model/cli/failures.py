"""Failures of a command as one line on stderr with an exit code.

0: done. 1: the run failed (disk full, memory, an error of ours). 2: bad input, that is a
command line that cannot be read or an `AnalogModelError`, which names what is wrong with a
file, a chip or an option. With --debug the traceback follows.
"""

from __future__ import annotations

import sys
import traceback
from typing import Any

import typer
from typer.core import TyperGroup

from analog_model.errors import AnalogModelError

RUN_FAILED = 1
BAD_INPUT = 2


class Commands(TyperGroup):
    """Group of commands that turns what a command raises into a line with an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command named in `ctx`."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except AnalogModelError as error:
            _leave(str(error), BAD_INPUT, debug=_debug(ctx))
        except Exception as error:  # noqa: BLE001 (the outermost frame: reported, never swallowed)
            # A usage error of the command line carries its own exit code; none of its
            # classes is public.
            code = getattr(error, "exit_code", None)
            if code is not None and hasattr(error, "format_message"):
                where = getattr(getattr(error, "ctx", None), "command_path", ctx.command_path)
                advice = f"Try '{where} --help'."
                _leave(f"{where}: {error.format_message()} {advice}", code, debug=False)
            if isinstance(error, OSError):
                reason = f"{error.strerror or error}: {error.filename or 'the system refused'}"
            else:
                reason = f"{type(error).__name__}: {error} (a defect; --debug shows where)"
            _leave(f"the run failed: {reason}", RUN_FAILED, debug=_debug(ctx))


def _debug(ctx: Any) -> bool:
    return bool(ctx.params.get("debug", False))


def _leave(message: str, code: int, *, debug: bool) -> None:
    """Print the one line, then end the command."""
    if debug:
        traceback.print_exc(file=sys.stderr)
    typer.echo(f"error: {' '.join(message.split())}", err=True)
    raise typer.Exit(code)
