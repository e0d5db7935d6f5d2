"""Chips made from fits."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analog_model.calibration.fit import Fit
from analog_model.chip import (
    EKV,
    AnyCoupling,
    BitLine,
    CellLaw,
    Chip,
    CouplingByCell,
    CouplingByClass,
    Pulse,
    WeakInversion,
)

# Charges tell products with the drain sensitivity only. Where the user knows none, ohms
# and farads in the chip assume this much, a usual value for a long-channel cell.
NOMINAL_DRAIN_SENSITIVITY = 0.1
# Share of its standard error below which the droop counts as 0.
_AT_BOUND = 1e-4


def _coupling(fit: Fit) -> AnyCoupling | None:
    parameters = fit.parameters
    offsets = parameters.rung.offsets
    if not offsets:
        return None
    layout = parameters.layout
    if fit.deviation.any():
        kappa = parameters.kappa_of_cells(fit.vector) + fit.deviation
        exists = parameters.aggressor < layout.n_word_lines
        return CouplingByCell(offsets=offsets, kappa=np.where(exists[:, :, None], kappa, 0.0))
    values = fit.vector[: len(parameters.kappa_names)]
    if parameters.rung.sharing == "one":
        kappa = np.full((layout.n_classes, len(offsets)), values[0])
    else:
        kappa = values.reshape(layout.n_classes, len(offsets))
    return CouplingByClass(offsets=offsets, kappa=kappa)


def chip_of(
    fit: Fit,
    measurement: xr.Dataset,
    *,
    drain_sensitivity: float | None = None,
    source: str = "",
) -> Chip:
    """The chip that a fit describes.

    `drain_sensitivity` [1/V] splits the fitted products into ohms and farads; without it
    they are effective values at 0.1 /V, and only the products mean anything.
    """
    parameters, attrs = fit.parameters, measurement.attrs
    si, error = parameters.to_si(fit.vector, fit.error)
    value = dict(zip(parameters.names, si, strict=True))
    doubt = dict(zip(parameters.names, error, strict=True))
    sensitivity = drain_sensitivity or NOMINAL_DRAIN_SENSITIVITY
    wire, lumped = value.get("wire_loss", 0.0), value.get("lumped_loss", 0.0)
    droop = value.get("droop_loss", 0.0)
    # The optimiser stays inside its bounds: a droop that lies at 0 comes out as next to nothing.
    if droop < _AT_BOUND * doubt.get("droop_loss", 0.0):
        droop = 0.0
    law: CellLaw = WeakInversion()
    if "specific_current" in value:
        law = EKV(specific_current=float(value["specific_current"]))
    optional = {
        name: float(attrs[name])
        for name in ("v_word_line", "v_bit_line", "temperature_celsius")
        if name in attrs
    }
    return Chip(
        name=str(attrs.get("chip", "chip")),
        cell_current=fit.cell_current,
        layout=parameters.layout,
        cell_law=law,
        coupling=_coupling(fit),
        bit_line=BitLine(
            wire_resistance=wire / sensitivity,
            lumped_resistance=lumped / sensitivity,
            capacitance=sensitivity / droop if droop > 0 else None,
            drain_sensitivity=sensitivity if wire or lumped or droop else 0.0,
            segments_to_sense=parameters.pitches,
        ),
        pulse=Pulse(
            alignment=attrs.get("alignment", "leading"),
            dead_time=value.get("dead_time", 0.0),
            lsb=attrs.get("pulse_lsb"),
        ),
        source=source,
        **optional,
    )
