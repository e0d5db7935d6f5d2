"""Command `results`: the table of recovered accuracies, made from nothing but the images."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analog_model.cli.freed_memory import keep_freed_memory
from analog_model.errors import ConfigurationError

if TYPE_CHECKING:
    from analog_model.results.work import Workplace

_COMMAND = "analog-model results"


def results(
    *,
    networks: Annotated[
        str, typer.Option(help="Which, with commas between them.")
    ] = "mlp_4x4,mlp_14x14,lenet5,vgg_small",
    seeds: Annotated[
        int | None, typer.Option(min=1, help="At most so many of each network.")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Folder of the training runs.")] = Path("runs/results"),
    processes: Annotated[int, typer.Option(min=1, help="Runs made side by side.")] = 1,
    train: Annotated[bool, typer.Option(help="Make what is missing; else only gather.")] = True,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the images. Default: ANALOG_MODEL_DATA.")
    ] = None,
    destination: Annotated[
        Path, typer.Option("--output", "-o", help="NetCDF file to write or replace.")
    ] = Path("data/results/recovery.nc"),
    robustness: Annotated[
        Path,
        typer.Option(help="NetCDF file to write or replace, of chips not trained on."),
    ] = Path("data/results/robustness.nc"),
    readme: Annotated[
        Path | None, typer.Option(help="Document whose table to replace, between its markers.")
    ] = None,
) -> None:
    """Train every network of the table every way, judge it on every chip, gather.

    What is there is not made again; interrupted runs go on. One run may take hours.
    """
    from analog_model.nn.models import find_network
    from analog_model.results.plan import plan
    from analog_model.results.work import Workplace, work_on

    keep_freed_memory()
    names = [find_network(name.strip()).name for name in networks.split(",")]
    if not destination.resolve().parent.is_dir():
        raise ConfigurationError(
            str(destination), expected="a file name in an existing folder", got="no such folder"
        )
    place = Workplace(runs, data_dir)
    failed: Mapping[str, str] = {}
    if train:
        chosen = plan(names, seeds=seeds)
        failed = work_on(
            chosen, place, processes=processes, tell=lambda line: typer.echo(line, err=True)
        )
    _recovery(place, destination, readme, failed)
    _robustness(place, robustness, readme, train=train)


def _recovery(
    place: Workplace, destination: Path, readme: Path | None, failed: Mapping[str, str]
) -> None:
    """Gather what is judged of the whole plan.

    That is what other runs of the command made, here or on a machine whose runs are not here.
    """
    from analog_model.dataset.io import read_bytes, save_text
    from analog_model.results.plan import SEEDS, plan
    from analog_model.results.recovery import gather, open_recovery, save_recovery
    from analog_model.results.table import in_document, markdown

    recovery = gather(
        plan(SEEDS),
        place,
        failed=failed,
        kept=open_recovery(destination) if destination.exists() else None,
        attrs={"command": _COMMAND, "conditions": _conditions()},
    )
    save_recovery(recovery, destination)
    text = markdown(open_recovery(destination))
    typer.echo(text)
    if readme is not None:
        document = read_bytes(readme).decode("utf-8")
        save_text(in_document(document, text), readme, overwrite=True)


def _robustness(place: Workplace, destination: Path, readme: Path | None, *, train: bool) -> None:
    """Judge finished networks on chips that they were not trained on; gather."""
    from analog_model.dataset.io import read_bytes, save_text
    from analog_model.results import robustness_table as table
    from analog_model.results.plan import SEEDS, plan
    from analog_model.results.robustness import (
        gather_robustness,
        is_judged,
        judge,
        open_robustness,
        save_robustness,
        tested,
    )
    from analog_model.results.table import in_document

    finished = [run for run in tested(plan(SEEDS)) if place.directory(run.name).record.exists()]
    found = [judge(run, place) for run in finished if train or is_judged(run, place)]
    if not found:
        typer.echo("No network here was judged on chips that it was not trained on.", err=True)
        return
    kept = open_robustness(destination) if destination.exists() else None
    save_robustness(gather_robustness(found, kept=kept, command=_COMMAND), destination)
    text = table.robustness_markdown(open_robustness(destination))
    typer.echo(text)
    if readme is not None:
        document = read_bytes(readme).decode("utf-8")
        document = in_document(document, text, start=table.START, end=table.END)
        save_text(document, readme, overwrite=True)


def _conditions() -> str:
    return (
        f"one thread a run on {os.cpu_count()} cores that other work shared, "
        f"{platform.system()} {platform.machine()}"
    )
