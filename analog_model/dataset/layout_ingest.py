"""Import of an extraction report, or another file, into a layout map.

The cells come as `word_line, bit_line, layout_class` (with `x_position, y_position` where
known), their classes as names or as numbers from 0. The couplings come as
`layout_class, offset, kappa` or cell by cell as `word_line, bit_line, offset, kappa`, with
`coupling_capacitance` in place of `kappa` where the tool reports farads.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.dataset import io
from analog_model.dataset.csv_grid import (
    Axis,
    axis_as_listed,
    axis_of_counts,
    axis_of_names,
    grid,
    measured_grid,
)
from analog_model.dataset.csv_table import Table
from analog_model.dataset.io import MAX_BYTES, PathLike
from analog_model.dataset.layout_map import described_layout
from analog_model.dataset.provenance import with_step
from analog_model.dataset.source_file import SourceFile
from analog_model.errors import ConfigurationError, DataError

KAPPA = "kappa"
CELL_COLUMNS = (v.WORD_LINE, v.BIT_LINE, v.LAYOUT_CLASS, v.X_POSITION, v.Y_POSITION)
COUPLING_COLUMNS = (
    v.LAYOUT_CLASS,
    v.WORD_LINE,
    v.BIT_LINE,
    v.OFFSET,
    KAPPA,
    v.COUPLING_CAPACITANCE,
)


def import_layout(
    path: PathLike,
    *,
    coupling_path: PathLike | None = None,
    coupling_capacitance_unit: str | None = None,
    position_unit: str | None = None,
    decimal: str = ".",
    attributes: Mapping[str, str | int | float] | None = None,
    max_bytes: int = MAX_BYTES,
) -> xr.Dataset:
    """Validated layout map from NetCDF or CSV; the content tells which.

    `coupling_path` is a CSV file of couplings beside that of the cells. Raises `DataError`
    with file, line, column for anything that is not unambiguous.
    """
    coupling = None
    if coupling_path is not None:
        coupling = SourceFile.read(coupling_path, max_bytes=max_bytes)
    return layout_from_files(
        SourceFile.read(path, max_bytes=max_bytes),
        coupling=coupling,
        coupling_capacitance_unit=coupling_capacitance_unit,
        position_unit=position_unit,
        decimal=decimal,
        attributes=attributes,
        max_bytes=max_bytes,
    )


def layout_from_files(
    cells: SourceFile,
    *,
    coupling: SourceFile | None = None,
    coupling_capacitance_unit: str | None = None,
    position_unit: str | None = None,
    decimal: str = ".",
    attributes: Mapping[str, str | int | float] | None = None,
    max_bytes: int = MAX_BYTES,
) -> xr.Dataset:
    """Same as `import_layout`, from files already in memory."""
    if cells.is_netcdf:
        if coupling is not None:
            raise ConfigurationError(
                "option coupling_path",
                expected="no second file, as the NetCDF layout map holds its couplings",
                got=coupling.name,
            )
        dataset = io.decode_layout(cells.content, source=cells.name, max_bytes=max_bytes)
        step = f"imported {cells.origin}"
    else:
        table = cells.table(CELL_COLUMNS, decimal=decimal, max_bytes=max_bytes)
        dataset = _cells(table, position_unit)
        step = f"imported {cells.origin}"
        if coupling is not None:
            table = coupling.table(COUPLING_COLUMNS, decimal=decimal, max_bytes=max_bytes)
            dataset = _with_coupling(dataset, table, coupling_capacitance_unit)
            step += f", {coupling.origin}"
    return described_layout(with_step(dataset.assign_attrs(attributes or {}), step))


def _cells(table: Table, position_unit: str | None) -> xr.Dataset:
    table.require_known(CELL_COLUMNS, "a layout map")
    table.require(CELL_COLUMNS[:3])
    axes = [axis_of_counts(table, v.WORD_LINE), axis_of_counts(table, v.BIT_LINE)]
    names = _class_names(table)
    of_row = axis_of_names(table, v.LAYOUT_CLASS, names).place
    dims = (v.WORD_LINE, v.BIT_LINE)
    variables = {v.LAYOUT_CLASS: (dims, grid(table, v.LAYOUT_CLASS, of_row, axes))}
    for name in (v.X_POSITION, v.Y_POSITION):
        if name in table.columns:
            variables[name] = (dims, measured_grid(table, name, axes, position_unit))
    coords: dict[str, np.ndarray] = {axis.column: np.array(axis.labels) for axis in axes}
    coords[v.LAYOUT_CLASS_NAME] = np.array(names, dtype=np.str_)
    return xr.Dataset(variables, coords=coords, attrs={"schema": v.LAYOUT_SCHEMA})


def _class_names(table: Table) -> list[str]:
    """Names in the order of their first appearance; numbers in the order of counting."""
    texts = table.texts(v.LAYOUT_CLASS)
    for row, text in enumerate(texts):
        if not text:
            raise DataError(
                table.where(row, v.LAYOUT_CLASS), expected="a layout class", got="an empty cell"
            )
    if all(text.isascii() and text.isdigit() for text in texts):
        return [str(k) for k in range(len(axis_of_counts(table, v.LAYOUT_CLASS).labels))]
    return list(dict.fromkeys(texts))


def _with_coupling(dataset: xr.Dataset, table: Table, unit: str | None) -> xr.Dataset:
    table.require_known(COUPLING_COLUMNS, "a file of couplings")
    table.require([v.OFFSET])
    by_class = v.LAYOUT_CLASS in table.columns
    offset = axis_as_listed(table, v.OFFSET)
    if by_class:
        names = [str(name) for name in dataset[v.LAYOUT_CLASS_NAME].to_numpy()]
        axes = [axis_of_names(table, v.LAYOUT_CLASS, names), offset]
    else:
        table.require([v.WORD_LINE, v.BIT_LINE])
        axes = [offset, *(_axis_of_cells(dataset, table, dim) for dim in CELL_COLUMNS[:2])]
    dims = (v.LAYOUT_CLASS_NAME, v.OFFSET) if by_class else (v.OFFSET, *CELL_COLUMNS[:2])
    given = [name for name in (KAPPA, v.COUPLING_CAPACITANCE) if name in table.columns]
    if (by_class and {v.WORD_LINE, v.BIT_LINE} & {*table.columns}) or not given:
        raise DataError(
            f"{table.source}, header",
            expected="layout_class, offset or word_line, bit_line, offset, "
            f"with {KAPPA} or {v.COUPLING_CAPACITANCE}",
            got=", ".join(table.columns),
        )
    dataset = dataset.assign_coords({v.OFFSET: np.array(offset.labels)})
    if KAPPA in given:
        kappa = grid(table, KAPPA, _kappa(table), axes)
        dataset = dataset.assign({v.COUPLING: (dims, kappa)})
    if v.COUPLING_CAPACITANCE in given:
        capacitance = measured_grid(table, v.COUPLING_CAPACITANCE, axes, unit)
        dataset = dataset.assign({v.COUPLING_CAPACITANCE: (dims, capacitance)})
    return dataset


def _kappa(table: Table) -> np.ndarray:
    """Dimensionless values; a unit in the header can only be 1."""
    unit = table.units[KAPPA]
    if unit not in (None, "1"):
        raise DataError(
            f"{table.source}, column {KAPPA!r}",
            expected="no unit, or 1: the lift in units of n U_T",
            got=repr(unit),
        )
    return table.numbers(KAPPA, power_of_ten=0)


def _axis_of_cells(dataset: xr.Dataset, table: Table, dim: str) -> Axis:
    """Axis of as many lines as the layout map has."""
    axis = axis_of_counts(table, dim)
    if len(axis.labels) != dataset.sizes[dim]:
        raise DataError(
            f"{table.source}, column {dim!r}",
            expected=f"{dataset.sizes[dim]} lines as in the layout map",
            got=str(len(axis.labels)),
        )
    return axis
