"""Command line of the package: `analog-model`."""

from __future__ import annotations

from typing import Annotated

import typer

from analog_model.cli.benchmark import benchmark
from analog_model.cli.calibrate import calibrate
from analog_model.cli.dashboard import dashboard
from analog_model.cli.deploy import deploy
from analog_model.cli.evaluate import evaluate
from analog_model.cli.extract import extract
from analog_model.cli.failures import Commands
from analog_model.cli.figure import figure
from analog_model.cli.importing import import_files
from analog_model.cli.info import info
from analog_model.cli.results import results
from analog_model.cli.simulate import simulate
from analog_model.cli.train import train
from analog_model.version import __version__

__all__ = ["app"]

app = typer.Typer(
    name="analog-model",
    cls=Commands,
    help="A measured analog chip, its model, its errors.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(info)
app.command("import")(import_files)
app.command()(simulate)
app.command()(calibrate)
app.command()(extract)
app.command()(train)
app.command()(evaluate)
app.command()(results)
app.command()(figure)
app.command()(deploy)
app.command()(benchmark)
app.command()(dashboard)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 (the callback's shape is Typer's)
    if wanted:
        typer.echo(f"analog-model {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    debug: Annotated[bool, typer.Option(help="Show the traceback of a failure.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it."),
    ] = False,
) -> None:
    """Options of every command."""
