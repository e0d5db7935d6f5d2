"""Command `benchmark`: how fast analog layers are beside plain torch, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analog_model.cli import output
from analog_model.cli.freed_memory import keep_freed_memory
from analog_model.errors import ConfigurationError

if TYPE_CHECKING:
    import xarray as xr


def benchmark(
    *,
    case: Annotated[
        list[str] | None, typer.Option("--case", help="Only this case; may be repeated.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 2,
    quick: Annotated[bool, typer.Option("--quick", help="Three rounds only, for a look.")] = False,
    compiled: Annotated[
        bool, typer.Option("--compile/--no-compile", help="With torch.compile too, on both sides.")
    ] = True,
    memory_budget: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Share of the activations that compiled steps keep, on both sides.",
        ),
    ] = 1.0,
    destination: Annotated[
        Path | None, typer.Option("--output", "-o", help="NetCDF file to write, .nc.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Time analog layers beside plain torch, in one process and in turn.

    Signed weights on two bit lines, crosstalk from two neighbours on either side in two
    layout classes, wire drop; closed form at its default tolerance. Times are medians, their
    spread the interquartile range. Peak memory counts tensors.
    """
    from analog_model.benchmark.cases import CASES, find_case
    from analog_model.benchmark.report import conditions, rows_of
    from analog_model.benchmark.run import run
    from analog_model.cli.work import progress_bar

    keep_freed_memory()
    if destination is not None:
        _require_destination(destination, force=force)
    chosen = [find_case(name) for name in case] if case else list(CASES.values())
    with progress_bar("Benchmark", quiet=as_json) as tell:
        found = run(
            chosen,
            n_threads=threads,
            compiled=compiled,
            memory_budget=memory_budget,
            quick=quick,
            tell=tell,
        )
    if destination is not None:
        _write(found, destination, force=force)
    if as_json:
        output.print_json(_summary(found, destination))
        return
    columns, rows = rows_of(found)
    output.print_table("Analog layers beside plain torch", columns, rows)
    typer.echo(conditions(found))
    if destination is not None:
        typer.echo(f"written: {destination}")


def _require_destination(destination: Path, *, force: bool) -> None:
    if destination.suffix != ".nc":
        raise ConfigurationError(
            "option --output", expected="a name that ends in .nc", got=str(destination)
        )
    output.require_folder(destination)
    output.require_free(destination, force=force)


def _write(found: xr.Dataset, destination: Path, *, force: bool) -> None:
    from analog_model.dataset import netcdf
    from analog_model.dataset.io import write_bytes

    write_bytes(destination, netcdf.encode(found), overwrite=force)


def _summary(found: xr.Dataset, destination: Path | None) -> dict[str, Any]:
    """Everything but the single rounds, row by row."""
    rows = []
    for row in range(found.sizes["row"]):
        one = found.isel(row=row)
        own: dict[str, Any] = {name: one[name].item() for name in ("case", "title", "measure")}
        for name in ("required", "aim", "error", "crosstalk", "drop"):
            own[name] = one[name].item()
        for name, along in (
            ("median_time", "side"),
            ("interquartile_range", "side"),
            ("peak_memory", "side"),
            ("ratio", "comparison"),
            ("memory_ratio", "mode"),
        ):
            own[name] = dict(
                zip(found[along].values.tolist(), one[name].values.tolist(), strict=True)
            )
        rows.append(own)
    return {
        **found.attrs,
        "rows": rows,
        "written": None if destination is None else str(destination),
    }
