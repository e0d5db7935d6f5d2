"""Command `results`: the table of recovered accuracies, made from nothing but the images."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from analog_model.errors import ConfigurationError

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
    readme: Annotated[
        Path | None, typer.Option(help="Document whose table to replace, between its markers.")
    ] = None,
) -> None:
    """Train every network of the table every way, judge it on every chip, gather.

    What is there is not made again; interrupted runs go on. One run may take hours.
    """
    from analog_model.dataset.io import read_bytes, save_text
    from analog_model.nn.models import find_network
    from analog_model.results.plan import plan
    from analog_model.results.recovery import gather, open_recovery, save_recovery
    from analog_model.results.table import in_document, markdown
    from analog_model.results.work import Workplace, work_on

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
    # The file holds the whole plan: what other runs of the command made, what is missing.
    recovery = gather(
        plan(["mlp_4x4", "mlp_14x14", "lenet5", "vgg_small"]),
        place,
        failed=failed,
        attrs={"command": _COMMAND, "conditions": _conditions()},
    )
    save_recovery(recovery, destination)
    text = markdown(open_recovery(destination))
    typer.echo(text)
    if readme is not None:
        document = read_bytes(readme).decode("utf-8")
        save_text(in_document(document, text), readme, overwrite=True)


def _conditions() -> str:
    return (
        f"one thread a run on {os.cpu_count()} cores that other work shared, "
        f"{platform.system()} {platform.machine()}"
    )
