"""Command `calibrate`: a chip's parameters from its measurement."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analog_model import vocabulary as v
from analog_model.cli import output, sources
from analog_model.cli.work import progress_bar, undisturbed
from analog_model.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from analog_model.calibration.checkpoint import Checkpoint
    from analog_model.calibration.result import Calibration
    from analog_model.chip import Layout


def calibrate(
    source: Annotated[str, typer.Argument(help="A measurement (NetCDF, CSV), or a bundled chip.")],
    destination: Annotated[Path, typer.Argument(help="Calibration to write, NetCDF.")],
    *,
    chip: Annotated[
        Path | None,
        typer.Option(help="Chip to write as YAML. Default: DESTINATION ending in .yaml."),
    ] = None,
    weight_set: Annotated[
        int, typer.Option(min=0, help="Programmed weights, where a file has several sets.")
    ] = 0,
    layout: Annotated[
        Path | None, typer.Option(help="Layout map, NetCDF or CSV, to override the file's.")
    ] = None,
    drain_sensitivity: Annotated[
        float | None,
        typer.Option(help="In 1/V, where known: turns fitted products into ohms and farads."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Fit a chip's parameters to its calibration patterns, judge every model by the others.

    The chip serves `simulate` and the dashboard as it is. An interrupted run keeps its
    finished fits beside DESTINATION; the same command then goes on from them to the same
    result.
    """
    from analog_model.calibration.archive import encode_calibration
    from analog_model.dataset.io import save_text, write_bytes

    yaml = destination.with_suffix(".yaml") if chip is None else chip
    _require_names(destination, yaml)
    for path in (destination, yaml):
        output.require_free(path, force=force)
        output.require_folder(path)
    if drain_sensitivity is not None and not drain_sensitivity > 0:
        raise ConfigurationError(
            "option --drain-sensitivity", expected="more than 0 /V", got=f"{drain_sensitivity:g}"
        )
    measurement = sources.read_measurement(source)
    sources.require_weight_set(measurement, weight_set)
    found, checkpoint = _calibrated(
        measurement,
        destination,
        weight_set=weight_set,
        layout=None if layout is None else _layout(layout),
        drain_sensitivity=drain_sensitivity,
        quiet=as_json,
    )
    content, text = encode_calibration(found), found.chip.to_yaml()
    with undisturbed():
        save_text(text, yaml, overwrite=force)
        write_bytes(destination, content, overwrite=force)
        checkpoint.remove()
    summary = calibration_summary(found)
    summary["written"] = {"calibration": str(destination), "chip": str(yaml)}
    if as_json:
        output.print_json(summary)
    else:
        print_calibration(summary)


def _require_names(destination: Path, yaml: Path) -> None:
    if destination.suffix != ".nc":
        raise ConfigurationError(
            "destination", expected="a name that ends in .nc", got=str(destination)
        )
    if not sources.is_chip(str(yaml)):
        raise ConfigurationError(
            "option --chip", expected="a name that ends in .yaml", got=str(yaml)
        )


def _layout(path: Path) -> Layout:
    from analog_model.dataset.layout_ingest import import_layout
    from analog_model.dataset.layout_map import layout_of

    return layout_of(import_layout(path))


def checkpoint_path(destination: Path) -> Path:
    """Where finished fits are kept until the calibration is written."""
    return destination.with_name(f".{destination.name}.checkpoint")


def _checkpoint(destination: Path) -> Checkpoint:
    from analog_model.calibration.checkpoint import Checkpoint

    path = checkpoint_path(destination)
    try:
        return Checkpoint(path)
    except DataError as error:
        typer.echo(f"beginning anew, the checkpoint cannot be used: {error}", err=True)
        path.unlink()
        return Checkpoint(path)


def _calibrated(
    measurement: Any,
    destination: Path,
    *,
    weight_set: int,
    layout: Layout | None,
    drain_sensitivity: float | None,
    quiet: bool,
) -> tuple[Calibration, Checkpoint]:
    """The calibration, with the checkpoint to remove once it is written."""
    from analog_model.calibration.calibrate import calibrate as fit

    checkpoint = _checkpoint(destination)
    if len(checkpoint) and not quiet:
        typer.echo(f"going on from {len(checkpoint)} finished fits", err=True)
    try:
        with progress_bar("Calibrating", quiet=quiet) as tell:
            found = fit(
                measurement,
                weight_set=weight_set,
                layout=layout,
                drain_sensitivity=drain_sensitivity,
                progress=tell,
                checkpoint=checkpoint,
            )
    except KeyboardInterrupt:
        with undisturbed():
            checkpoint.save()
        typer.echo(
            f"interrupted: nothing written. {len(checkpoint)} finished fits are kept in "
            f"{checkpoint.path}; the same command goes on from them.",
            err=True,
        )
        raise typer.Exit(1) from None
    return found, checkpoint


def calibration_summary(found: Calibration) -> dict[str, Any]:
    """Facts about a calibration: models, how well they predict, parameters, notes."""
    report, ladder, parameters = found.report(), found.ladder, found.parameters
    models = [
        {
            "model": str(name),
            "explains": str(ladder["explains"].sel(model=name).item()),
            "parameters": int(ladder["n_parameters"].sel(model=name)),
            "held_out_chi_square": float(ladder["held_out_chi_square"].sel(model=name)),
            "judged": _judged(report.sel(model=name)),
        }
        for name in report["model"].values
        if name in ladder["model"].values
    ]
    table = parameters.transpose("parameter", "bound", ...)
    return {
        "chip": found.chip.name,
        "weight_set": found.weight_set,
        "chosen": str(ladder.attrs["chosen"]),
        "models": models,
        "parameters": [
            {
                "name": str(name),
                "value": float(table["value"].values[k]),
                "standard_error": float(table["standard_error"].values[k]),
                "interval": table["interval"].values[k].tolist(),
                "unit": str(table["unit"].values[k]),
                "status": str(table["status"].values[k]),
            }
            for k, name in enumerate(table["parameter"].values)
        ],
        "outlier_patterns": list(found.outlier_patterns),
        "dead_cells": [{v.WORD_LINE: j, v.BIT_LINE: i} for j, i in found.dead_cells],
        "notes": list(found.notes),
    }


def _judged(report: Any) -> list[dict[str, Any]]:
    """SER of one model by kind and split, where there are patterns."""
    return [
        {
            v.KIND: str(kind),
            v.SPLIT: str(split),
            "count": int(cell["n_patterns"]),
            **{
                name: float(cell[name])
                for name in ("signal_to_error_ratio", "decibel", "chi_square", "ceiling")
            },
        }
        for kind in report[v.KIND].values
        for split in report[v.SPLIT].values
        if int((cell := report.sel({v.KIND: kind, v.SPLIT: split}))["n_patterns"])
    ]


def print_calibration(summary: dict[str, Any]) -> None:
    """The facts of `calibration_summary` as tables."""
    dead = summary["dead_cells"]
    facts: dict[str, object] = {
        "chosen model": summary["chosen"],
        "outlier patterns": ", ".join(summary["outlier_patterns"]) or "none",
        "dead cells": ", ".join(f"({c[v.WORD_LINE]}, {c[v.BIT_LINE]})" for c in dead) or "none",
    }
    facts |= {f"note {k}": note for k, note in enumerate(summary["notes"], start=1)}
    if "written" in summary:
        facts["written"] = " and ".join(summary["written"].values())
    output.print_facts(f"Calibration of {summary['chip']}", facts)
    # Test patterns where there are some: nothing was fitted to them.
    groups = summary["models"][0]["judged"]
    test = [group[v.KIND] for group in groups if group[v.SPLIT] == v.TEST]
    split = v.TEST if test else v.CALIBRATION
    kinds = test or [group[v.KIND] for group in groups]
    output.print_table(
        f"SER on {split} patterns",
        ("model", *kinds, "chi-square"),
        [_row(model, kinds, split) for model in summary["models"]],
    )
    output.print_table(
        "Parameters of the full model",
        ("parameter", "value", "95 % from", "to", "unit", "status"),
        [
            (
                one["name"],
                _number(one["value"]),
                *map(_number, one["interval"]),
                one["unit"],
                one["status"],
            )
            for one in summary["parameters"]
        ],
    )


def _row(model: dict[str, Any], kinds: list[str], split: str) -> tuple[str, ...]:
    of_kind = {group[v.KIND]: group for group in model["judged"] if group[v.SPLIT] == split}
    ratios = [f"{of_kind[kind]['signal_to_error_ratio']:.1f}" for kind in kinds]
    chi_square = of_kind[kinds[0]]["chi_square"]
    return (model["model"], *ratios, _number(chi_square))


def _number(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.4g}"
