"""Layout map: which cells share a physical neighbourhood, how strongly they couple.

A small dataset of its own, readable without a measurement:

    layout_class         (word_line, bit_line)          number of the cell's layout class
    layout_class_name    (layout_class_name)            its name
    coupling             (layout_class_name, offset)    kappa, the neighbour's lift of the
                         or (offset, word_line, bit_line)  floating gate in nU_T
    coupling_capacitance same dims as coupling [F]
    x_position, y_position (word_line, bit_line) [m];   attribute cell_pitch [m]

`offset` counts word lines from the cell to its neighbour, so it is never 0.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.chip import AnyCoupling, CouplingByCell, CouplingByClass, CouplingMap, Layout
from analog_model.dataset import conformity
from analog_model.dataset.schema import Schema
from analog_model.errors import ConfigurationError, DataError

CELL_PITCH = "cell_pitch"
ELEMENTARY_CHARGE = 1.602176634e-19  # C, exact by definition of the SI
ZERO_CELSIUS = 273.15  # K
BOLTZMANN = 1.380649e-23  # J/K, exact by definition of the SI


def _check_classes_have_names(dataset: xr.Dataset, source: str) -> None:
    count = dataset.sizes[v.LAYOUT_CLASS_NAME]
    conformity.check_each(
        dataset[v.LAYOUT_CLASS],
        dataset[v.LAYOUT_CLASS].to_numpy() < count,
        source,
        expected=f"a layout class from 0 to {count - 1}, as there are {count} names",
    )


def _check_offsets(dataset: xr.Dataset, source: str) -> None:
    if v.OFFSET not in dataset.dims:
        return
    if v.OFFSET not in dataset.coords:
        raise DataError(
            f"{v.OFFSET} in {source}",
            expected="the offset of each neighbour, in word lines",
            got="no such coordinate",
        )
    conformity.check_each(
        dataset[v.OFFSET],
        dataset[v.OFFSET].to_numpy() != 0,
        source,
        expected="an offset other than 0: a cell is not its own neighbour",
    )


LAYOUT = Schema(
    name=v.LAYOUT_SCHEMA,
    variables=v.LAYOUT_VARIABLES,
    attributes=v.LAYOUT_ATTRIBUTES,
    counted=(v.WORD_LINE, v.BIT_LINE),
    relations=(_check_classes_have_names, _check_offsets),
)


def validate_layout(dataset: xr.Dataset, *, source: str = "dataset") -> xr.Dataset:
    """The same dataset, known to be a layout map. Raises `DataError` otherwise."""
    LAYOUT.check(dataset, source)
    return dataset


def layout_map(
    layout: Layout, *, coupling: AnyCoupling | None = None, source: str | None = None
) -> xr.Dataset:
    """Layout map of a chip's layout, with its coupling where given.

    A sparse coupling map becomes one kappa per cell for each offset that occurs in it, zero
    where it says nothing.
    """
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        v.LAYOUT_CLASS: ((v.WORD_LINE, v.BIT_LINE), np.array(layout.layout_class))
    }
    coords: dict[str, np.ndarray] = {
        v.LAYOUT_CLASS_NAME: np.array(layout.class_names, dtype=np.str_),
        v.WORD_LINE: np.arange(layout.n_word_lines),
        v.BIT_LINE: np.arange(layout.n_bit_lines),
    }
    if coupling is not None:
        coupling.check(layout)
        by_offset = _by_offset(coupling, layout) if isinstance(coupling, CouplingMap) else coupling
        spec = v.LAYOUT_VARIABLES[v.COUPLING]
        dims = spec.dims if isinstance(by_offset, CouplingByClass) else spec.alternative_dims
        variables[v.COUPLING] = (dims or spec.dims, np.array(by_offset.kappa))
        coords[v.OFFSET] = np.array(by_offset.offsets, dtype=np.int64)
    attrs: dict[str, str | float] = {"schema": v.LAYOUT_SCHEMA}
    if layout.cell_pitch is not None:
        attrs[CELL_PITCH] = layout.cell_pitch
    if source is not None:
        attrs["source"] = source
    return described_layout(xr.Dataset(variables, coords=coords, attrs=attrs))


def described_layout(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset, validated, with units and long names on the variables that lack them."""
    described = dataset.copy(deep=False)
    for name, spec in v.LAYOUT_VARIABLES.items():
        if name in described.variables:
            units = {} if spec.unit is None else {"units": spec.unit}
            described[name].attrs = {**units, "long_name": spec.long_name, **dataset[name].attrs}
    return validate_layout(described)


def layout_of(dataset: xr.Dataset) -> Layout:
    """The chip's `Layout` that a layout map describes."""
    pitch = dataset.attrs.get(CELL_PITCH)
    return Layout(
        layout_class=dataset[v.LAYOUT_CLASS].to_numpy(),
        class_names=tuple(map(str, dataset[v.LAYOUT_CLASS_NAME].to_numpy())),
        cell_pitch=None if pitch is None else float(pitch),
    )


def coupling_of(dataset: xr.Dataset) -> CouplingByClass | CouplingByCell | None:
    """The chip's coupling that a layout map describes; None where it gives none.

    Raises `DataError` for a map of capacitances only: what they lift depends on the cell.
    """
    if v.COUPLING not in dataset.variables:
        if v.COUPLING_CAPACITANCE in dataset.variables:
            raise DataError(
                v.COUPLING,
                expected="kappa in the layout map",
                got=f"{v.COUPLING_CAPACITANCE} only",
                advice="Use with_coupling(layout_map, v_word_line=..., ...) first.",
            )
        return None
    coupling = dataset[v.COUPLING]
    offsets = tuple(int(offset) for offset in dataset[v.OFFSET])
    if v.LAYOUT_CLASS_NAME in coupling.dims:
        return CouplingByClass(offsets=offsets, kappa=coupling.to_numpy())
    return CouplingByCell(offsets=offsets, kappa=coupling.to_numpy())


def with_coupling(
    dataset: xr.Dataset,
    *,
    v_word_line: float,
    total_capacitance: float,
    slope_factor: float,
    temperature_celsius: float,
) -> xr.Dataset:
    """The layout map with kappa added, from its coupling capacitances.

    kappa = C_a V_WL / (C_T n U_T), with U_T = k T / q: the neighbour's capacitance C_a
    divides its word line's swing `v_word_line` [V] over the gate's `total_capacitance` C_T
    [F]; n is the `slope_factor`.
    """
    for name, value in (
        ("total_capacitance", total_capacitance),
        ("slope_factor", slope_factor),
        ("temperature", temperature_celsius + ZERO_CELSIUS),
    ):
        if not 0 < value < np.inf:
            raise ConfigurationError(
                f"option {name}", expected="a positive number", got=f"{value:g}"
            )
    thermal = slope_factor * BOLTZMANN * (temperature_celsius + ZERO_CELSIUS) / ELEMENTARY_CHARGE
    capacitance = dataset[v.COUPLING_CAPACITANCE].variable
    kappa = capacitance.to_numpy() * v_word_line / (total_capacitance * thermal)
    return described_layout(dataset.assign({v.COUPLING: (capacitance.dims, kappa)}))


def _by_offset(coupling: CouplingMap, layout: Layout) -> CouplingByCell:
    offset_of_entry = coupling.aggressor - coupling.victim
    offsets = np.unique(offset_of_entry)
    kappa = np.zeros((offsets.size, layout.n_word_lines, layout.n_bit_lines))
    kappa[np.searchsorted(offsets, offset_of_entry), coupling.victim] = coupling.kappa
    return CouplingByCell(offsets=tuple(offsets.tolist()), kappa=kappa)
