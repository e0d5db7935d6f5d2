"""CSV text of a dataset, in the forms that the import reads.

Numbers move to their unit as decimals, not as floats, so importing the text gives back the
very same values. What belongs to the array rather than to a pattern has texts of its own;
attributes have no place in CSV.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.dataset.csv_units import QUANTITIES, power_of_ten
from analog_model.dataset.csv_wide import LABEL_COLUMNS


def wide_csv(
    measurement: xr.Dataset, *, pulse_width_unit: str = "ns", charge_unit: str = "fC"
) -> str:
    """One row a pattern: its labels, pulse widths `t0 [ns]`..., charges `q0 [fC]`... ."""
    labels = [name for name in LABEL_COLUMNS if name in measurement.coords]
    header = [
        *labels,
        *(f"t{k} [{pulse_width_unit}]" for k in range(measurement.sizes[v.WORD_LINE])),
        *(f"q{k} [{charge_unit}]" for k in range(measurement.sizes[v.BIT_LINE])),
    ]
    columns = [
        *(measurement[name].to_numpy().tolist() for name in labels),
        *_digits(measurement[v.PULSE_WIDTH], pulse_width_unit).T.tolist(),
        *_digits(measurement[v.CHARGE], charge_unit).T.tolist(),
    ]
    return csv_text(header, zip(*columns, strict=True))


def tidy_csv(
    measurement: xr.Dataset, *, pulse_width_unit: str = "ns", charge_unit: str = "fC"
) -> tuple[str, str]:
    """One row a value: the text of the pulses, with labels, then the text of the charges."""
    labels = [name for name in LABEL_COLUMNS[1:] if name in measurement.coords]
    of_pattern = {name: measurement[name].to_numpy().tolist() for name in labels}
    return (
        _tidy(measurement[v.PULSE_WIDTH], pulse_width_unit, of_pattern),
        _tidy(measurement[v.CHARGE], charge_unit, {}),
    )


def cell_current_csv(measurement: xr.Dataset, *, cell_current_unit: str = "nA") -> str:
    """One row a cell of a weight set: its labels, its `cell_current`."""
    return _tidy(measurement[v.CELL_CURRENT], cell_current_unit, {})


def layout_csv(layout_map: xr.Dataset) -> str:
    """One row a cell of a layout map: its lines, the name of its layout class."""
    names = layout_map[v.LAYOUT_CLASS_NAME].to_numpy()
    of_cell = names[layout_map[v.LAYOUT_CLASS].to_numpy()]
    rows = ([*position, str(name)] for position, name in np.ndenumerate(of_cell))
    return csv_text([v.WORD_LINE, v.BIT_LINE, v.LAYOUT_CLASS], rows)


def _tidy(variable: xr.DataArray, unit: str, of_pattern: dict[str, list[Any]]) -> str:
    header = [*map(str, variable.dims), *of_pattern, f"{variable.name} [{unit}]"]
    axes = [
        variable[dim].to_numpy().tolist() if dim in variable.coords else range(size)
        for dim, size in variable.sizes.items()
    ]
    rows = (
        [
            *(axis[k] for axis, k in zip(axes, position, strict=True)),
            *(labels[position[0]] for labels in of_pattern.values()),
            digits,
        ]
        for position, digits in np.ndenumerate(_digits(variable, unit))
    )
    return csv_text(header, rows)


def _digits(variable: xr.DataArray, unit: str) -> np.ndarray:
    """Shortest digits that give back each float, in the unit."""
    power = power_of_ten(unit, QUANTITIES[str(variable.name)], f"unit of {variable.name}")
    digits = [decimal_digits(value, power) for value in variable.to_numpy().ravel().tolist()]
    return np.array(digits, dtype=np.str_).reshape(variable.shape)


def decimal_digits(value: float, power: int) -> str:
    """Shortest digits that give back `value`, in units of 10^`power`."""
    shifted = Decimal(repr(value)).scaleb(-power)
    if shifted == 0:
        return "0"
    return format(shifted.normalize(), "f") if abs(shifted.adjusted()) < 16 else str(shifted)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Text of a CSV file with one header line."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()
