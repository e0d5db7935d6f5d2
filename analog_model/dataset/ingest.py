"""Import of a laboratory's files into a measurement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.dataset import csv_tidy, csv_wide, io
from analog_model.dataset.csv_table import Table
from analog_model.dataset.io import MAX_BYTES, PathLike
from analog_model.dataset.layout_ingest import layout_from_files
from analog_model.dataset.provenance import with_step
from analog_model.dataset.schema import validate
from analog_model.dataset.source_file import SourceFile
from analog_model.errors import ConfigurationError, DataError

CSV_FORMS = (
    "wide (kind, split, t0..tN-1, q0..qM-1) or tidy "
    "(pattern, word_line, pulse_width, bit_line, charge)"
)


def import_measurement(
    path: PathLike,
    *,
    charge_path: PathLike | None = None,
    cell_current_path: PathLike | None = None,
    layout_path: PathLike | None = None,
    pulse_width_unit: str | None = None,
    charge_unit: str | None = None,
    cell_current_unit: str | None = None,
    decimal: str = ".",
    attributes: Mapping[str, str | int | float] | None = None,
    max_bytes: int = MAX_BYTES,
) -> xr.Dataset:
    """Validated measurement from NetCDF, wide CSV or tidy CSV; the content tells which.

    `charge_path` is the second file of a tidy pair, `cell_current_path` a CSV file of static
    reads, `layout_path` a layout map (NetCDF or CSV). Units such as "ns" or "fC" are options
    where the files do not state them. `attributes` are added to those of the file.

    Raises `DataError` with file, line, column for anything that is not unambiguous.
    """
    return measurement_from_files(
        SourceFile.read(path, max_bytes=max_bytes),
        charge=_read(charge_path, max_bytes),
        cell_current=_read(cell_current_path, max_bytes),
        layout=_read(layout_path, max_bytes),
        pulse_width_unit=pulse_width_unit,
        charge_unit=charge_unit,
        cell_current_unit=cell_current_unit,
        decimal=decimal,
        attributes=attributes,
        max_bytes=max_bytes,
    )


def measurement_from_files(
    main: SourceFile,
    *,
    charge: SourceFile | None = None,
    cell_current: SourceFile | None = None,
    layout: SourceFile | None = None,
    pulse_width_unit: str | None = None,
    charge_unit: str | None = None,
    cell_current_unit: str | None = None,
    decimal: str = ".",
    attributes: Mapping[str, str | int | float] | None = None,
    max_bytes: int = MAX_BYTES,
) -> xr.Dataset:
    """Same as `import_measurement`, from files already in memory, such as an upload's."""

    def table_of(file: SourceFile, known: Sequence[str]) -> Table:
        return file.table(known, decimal=decimal, max_bytes=max_bytes)

    if main.is_netcdf:
        _refuse_csv_options(main.name, charge, pulse_width_unit, charge_unit)
        dataset = io.decode_measurement(main.content, source=main.name, max_bytes=max_bytes)
    else:
        dataset = _from_csv(
            main, charge, table_of, pulse_width_unit=pulse_width_unit, charge_unit=charge_unit
        )
    if cell_current is not None:
        dataset = _with_cell_current(
            dataset,
            table_of(cell_current, csv_tidy.CURRENT_COLUMNS),
            cell_current_unit,
        )
    elif cell_current_unit is not None:
        raise ConfigurationError(
            "option cell_current_unit", expected="a file of cell currents with it", got="none"
        )
    if layout is not None:
        layout_map = layout_from_files(layout, decimal=decimal, max_bytes=max_bytes)
        dataset = _with_variable(
            dataset, layout_map[v.LAYOUT_CLASS].variable, v.LAYOUT_CLASS, layout.name
        )
    files = [file.origin for file in (main, charge, cell_current, layout) if file is not None]
    dataset = with_step(dataset.assign_attrs(attributes or {}), f"imported {', '.join(files)}")
    return validate(dataset, source=main.name)


def _read(path: PathLike | None, max_bytes: int) -> SourceFile | None:
    return None if path is None else SourceFile.read(path, max_bytes=max_bytes)


def _refuse_csv_options(
    name: str, charge: SourceFile | None, pulse_width_unit: str | None, charge_unit: str | None
) -> None:
    given = {
        "charge_path": charge,
        "pulse_width_unit": pulse_width_unit,
        "charge_unit": charge_unit,
    }
    for option, value in given.items():
        if value is not None:
            raise ConfigurationError(
                f"option {option} for {name}",
                expected="no such option, as NetCDF holds charges with units",
                got=repr(value if isinstance(value, str) else value.name),
            )


def _from_csv(
    main: SourceFile,
    charge: SourceFile | None,
    table_of: Callable[[SourceFile, Sequence[str]], Table],
    *,
    pulse_width_unit: str | None,
    charge_unit: str | None,
) -> xr.Dataset:
    known = (*csv_wide.LABEL_COLUMNS, *csv_tidy.PULSE_COLUMNS, *csv_tidy.CHARGE_COLUMNS)
    table = table_of(main, known)
    if csv_tidy.is_tidy(table):
        dataset = csv_tidy.from_tidy(
            table,
            table if charge is None else table_of(charge, known),
            pulse_width_unit=pulse_width_unit,
            charge_unit=charge_unit,
        )
    elif csv_wide.is_wide(table):
        if charge is not None:
            raise ConfigurationError(
                "option charge_path",
                expected="no second file, as a wide file holds the charges",
                got=charge.name,
            )
        dataset = csv_wide.from_wide(
            table, pulse_width_unit=pulse_width_unit, charge_unit=charge_unit
        )
    else:
        raise DataError(
            f"{main.name}, header",
            expected=f"columns of a {CSV_FORMS} file",
            got=", ".join(table.columns),
        )
    return described(dataset)


def described(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset with its schema's name, units, long names, where it held bare values."""
    for name in dataset.variables:
        if name in v.VARIABLES:
            dataset[name].attrs = _attributes_of(str(name))
    return dataset.assign_attrs(schema=v.MEASUREMENT_SCHEMA)


def _attributes_of(name: str) -> dict[str, str]:
    spec = v.VARIABLES[name]
    units = {} if spec.unit is None else {"units": spec.unit}
    return {**units, "long_name": spec.long_name}


def _with_cell_current(dataset: xr.Dataset, table: Table, unit: str | None) -> xr.Dataset:
    currents = csv_tidy.cell_current_from_tidy(table, cell_current_unit=unit)
    dataset = _with_variable(dataset, currents.variable, v.CELL_CURRENT, table.source)
    return dataset.assign_coords({v.WEIGHT_SET: np.arange(dataset.sizes[v.WEIGHT_SET])})


def _with_variable(
    dataset: xr.Dataset, variable: xr.Variable, name: str, source: str
) -> xr.Dataset:
    """The dataset with one more variable, which must fit it and not be there yet."""
    if name in dataset.variables:
        raise DataError(
            f"{name} in {source}",
            expected="a variable that the measurement does not hold yet",
            got="a second one",
        )
    for dim, size in variable.sizes.items():
        if dataset.sizes.get(dim, size) != size:
            raise DataError(
                f"{name} in {source}",
                expected=f"{dataset.sizes[dim]} of {dim} as in the measurement",
                got=str(size),
            )
    values = (variable.dims, variable.to_numpy(), _attributes_of(name))
    return dataset.assign({name: values})
