"""Command `import`: a laboratory's files turned into one measurement file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analog_model import vocabulary as v
from analog_model.cli import output
from analog_model.cli.info import measurement_summary
from analog_model.errors import ConfigurationError


def import_files(
    source: Annotated[Path, typer.Argument(help="Wide CSV, tidy CSV (pulse widths), or NetCDF.")],
    destination: Annotated[Path, typer.Argument(help="NetCDF file to write.")],
    *,
    charge: Annotated[
        Path | None, typer.Option(help="Second file of a tidy pair: pattern, bit_line, charge.")
    ] = None,
    cell_current: Annotated[
        Path | None, typer.Option(help="CSV of static reads: word_line, bit_line, cell_current.")
    ] = None,
    layout: Annotated[Path | None, typer.Option(help="Layout map, NetCDF or CSV.")] = None,
    pulse_width_unit: Annotated[
        str | None, typer.Option(help="Such as ns, where the file does not say.")
    ] = None,
    charge_unit: Annotated[
        str | None, typer.Option(help="Such as fC, where the file does not say.")
    ] = None,
    cell_current_unit: Annotated[
        str | None, typer.Option(help="Such as nA, where the file does not say.")
    ] = None,
    decimal: Annotated[str, typer.Option(help="Decimal mark of the CSV: '.' or ','.")] = ".",
    attribute: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE to store, such as chip=A7 or v_word_line=2.0; repeatable."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Turn CSV or NetCDF files into one validated measurement file.

    Units stand in the files or are given as options; they are never guessed. A file that is
    not clear is refused with line and column.
    """
    from analog_model.dataset.ingest import import_measurement
    from analog_model.dataset.io import save_measurement

    output.require_free(destination, force=force)
    measurement = import_measurement(
        source,
        charge_path=charge,
        cell_current_path=cell_current,
        layout_path=layout,
        pulse_width_unit=pulse_width_unit,
        charge_unit=charge_unit,
        cell_current_unit=cell_current_unit,
        decimal=decimal,
        attributes=dict(map(_attribute, attribute or [])),
    )
    save_measurement(measurement, destination, overwrite=force)
    if as_json:
        output.print_json({"written": str(destination), **measurement_summary(measurement)})
        return
    sizes = measurement.sizes
    typer.echo(
        f"wrote {destination}: {sizes[v.PATTERN]} patterns, {sizes[v.WORD_LINE]} word lines, "
        f"{sizes[v.BIT_LINE]} bit lines"
    )


def _attribute(text: str) -> tuple[str, str | int | float]:
    """Name and value of NAME=VALUE; a number where the schema knows the name as one."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not name:
        raise ConfigurationError("option --attribute", expected="NAME=VALUE", got=repr(text))
    unit, _ = v.ATTRIBUTES.get(name, (None, ""))
    if unit is None and name != "bits":
        return name, value
    try:
        return name, int(value) if name == "bits" else float(value)
    except ValueError:
        raise ConfigurationError(
            f"option --attribute {name}",
            expected=f"a number in {unit}" if unit else "a whole number",
            got=repr(value),
        ) from None
