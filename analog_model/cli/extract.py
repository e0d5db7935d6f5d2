"""Command `extract`: a chip's weights from its measurement."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analog_model import vocabulary as v
from analog_model.cli import output, sources
from analog_model.cli.work import progress_bar
from analog_model.errors import ConfigurationError

if TYPE_CHECKING:
    import xarray as xr

    from analog_model.calibration.result import Calibration


def extract(
    source: Annotated[str, typer.Argument(help="A measurement (NetCDF, CSV), or a bundled chip.")],
    *,
    destination: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write: .nc, or .csv that `import` takes."),
    ] = None,
    method: Annotated[
        str, typer.Option(help="single, leave_one_out, regression or joint.")
    ] = "joint",
    compare: Annotated[
        bool, typer.Option("--compare", help="Judge every method by the test patterns.")
    ] = False,
    calibration: Annotated[
        Path | None, typer.Option(help="A calibration at hand, which joint and --compare need.")
    ] = None,
    weight_set: Annotated[
        int, typer.Option(min=0, help="Programmed weights, where a file has several sets.")
    ] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Extract cell currents from calibration patterns.

    The method joint fits the full model, which takes a calibration; the others take a moment.
    """
    from analog_model.dataset.extraction_file import save_extraction
    from analog_model.extraction import extract_weights

    if destination is not None:
        if destination.suffix not in (".nc", ".csv"):
            raise ConfigurationError(
                "option --output", expected="a name that ends in .nc or .csv", got=str(destination)
            )
        output.require_free(destination, force=force)
        output.require_folder(destination)
    measurement = sources.read_measurement(source)
    sources.require_weight_set(measurement, weight_set)
    known = None if calibration is None else _calibration(calibration, measurement)
    with progress_bar("Extracting", quiet=as_json) as tell:
        if compare and known is None:
            from analog_model.calibration.calibrate import calibrate

            known = calibrate(measurement, weight_set=weight_set, progress=tell)
        weights = extract_weights(
            measurement, method, weight_set=weight_set, calibration=known, progress=tell
        )
    summary = extraction_summary(weights)
    if compare:
        summary["comparison"] = _comparison(measurement, weight_set, known)
    if destination is not None:
        save_extraction(weights, destination, overwrite=force)
    summary["written"] = None if destination is None else str(destination)
    if as_json:
        output.print_json(summary)
    else:
        _print(summary)


def _calibration(path: Path, measurement: xr.Dataset) -> Calibration:
    """A calibration of this very measurement."""
    from analog_model.calibration.archive import open_calibration
    from analog_model.dataset.provenance import fingerprint

    found = open_calibration(path)
    if fingerprint(found.measurement) != fingerprint(measurement):
        raise ConfigurationError(
            "option --calibration",
            expected="one of the same measurement",
            got=f"one of {found.chip.name!r} with other content",
        )
    return found


def extraction_summary(weights: xr.Dataset) -> dict[str, Any]:
    """Facts about extracted weights."""
    current = weights[v.CELL_CURRENT].values
    error = weights.get(v.STANDARD_ERROR)
    return {
        "method": weights.attrs["method"],
        "weight_set": weights.attrs["weight_set"],
        "sizes": {str(dim): size for dim, size in weights.sizes.items()},
        "patterns": weights.attrs["n_patterns"],
        "reads": weights.attrs["n_reads"],
        "measurements": weights.attrs["n_measurements"],
        "cell_current": {
            "smallest": float(current.min()),
            "largest": float(current.max()),
            "median_standard_error": None if error is None else float(error.median()),
            "units": "A",
        },
        "set_to_zero": weights.attrs["n_negative"],
        "note": weights.attrs.get("note", ""),
    }


def _comparison(
    measurement: xr.Dataset, weight_set: int, calibration: Calibration | None
) -> list[dict[str, Any]]:
    """SER of every method by model and kind of test pattern."""
    from analog_model.extraction_comparison import compare_extractions

    table = compare_extractions(measurement, weight_set=weight_set, calibration=calibration)
    table = table.sel({v.SPLIT: v.TEST})
    ratios = table["signal_to_error_ratio"]
    return [
        {
            "method": str(method),
            "model": str(model),
            "measurements": int(table["n_measurements"].sel(extraction=method)),
            "signal_to_error_ratio": {
                str(kind): float(ratios.sel({"extraction": method, "model": model, v.KIND: kind}))
                for kind in table[v.KIND].values
            },
        }
        for method in table["extraction"].values
        for model in table["model"].values
    ]


def _print(summary: dict[str, Any]) -> None:
    current = summary["cell_current"]
    error = current["median_standard_error"]
    low, high = (output.in_unit(current[end], "A") for end in ("smallest", "largest"))
    facts = {
        "method": summary["method"],
        "measurements": f"{summary['measurements']} ({summary['reads']} static reads, "
        f"{summary['patterns']} patterns)",
        "cell current": f"{low} to {high}",
        "standard error": "not stated" if error is None else f"{output.in_unit(error, 'A')} median",
        "set to zero": f"{summary['set_to_zero']} cells that came out negative",
    }
    if summary["note"]:
        facts["note"] = summary["note"]
    if summary["written"]:
        facts["written"] = summary["written"]
    output.print_facts(f"Weights of weight set {summary['weight_set']}", facts)
    if "comparison" in summary:
        rows = summary["comparison"]
        kinds = list(rows[0]["signal_to_error_ratio"])
        output.print_table(
            "SER on test patterns",
            ("method", "model", "measurements", *kinds),
            [
                (
                    row["method"],
                    row["model"],
                    row["measurements"],
                    *(f"{row['signal_to_error_ratio'][kind]:.1f}" for kind in kinds),
                )
                for row in rows
            ],
        )
