"""Export of the calibration page: its paper figures, its numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import xarray as xr

from analog_model import vocabulary as v
from dashboard.views.calibration_numbers import ALL_KINDS, Finished, selection


def figures_of(
    finished: Finished, *, model: str, split: str, kind: str
) -> dict[str, Callable[[], Any]]:
    """Figures of the page by name, each with what makes its element."""
    chosen = selection(finished.outcome, model=model, split=split, kind=kind)
    true, judged = chosen.charges[chosen.true], chosen.charges[chosen.judged]
    outcome, extraction = finished.outcome, finished.extraction
    figures = {
        "Models": lambda: _calibration().ser_ladder(outcome.report, split=split),
        "Couplings": lambda: _calibration().kappa_intervals(outcome.calibration.parameters),
        "Residual map": lambda: _calibration().residual_map(true, judged),
        "Charges": lambda: _error().charge_scatter(true, judged),
        "Error over charge": lambda: _error().error_scatter(true, judged),
    }
    if extraction is not None and extraction.table is not None:
        table = extraction.table
        figures["Extraction, ideal product"] = lambda: _calibration().extraction_bars(
            table, model="ideal"
        )
        figures["Extraction, calibrated chip"] = lambda: _calibration().extraction_bars(
            table, model="full"
        )
    if extraction is not None and extraction.effort is not None:
        effort = extraction.effort
        shown = kind if kind in effort[v.KIND].values else ALL_KINDS
        figures["Extraction effort"] = lambda: _calibration().extraction_effort_curve(
            effort, kind=shown
        )
    return figures


def dataset_of(finished: Finished) -> xr.Dataset:
    """Everything the page shows as one Dataset; variables say which table they are of."""
    outcome = finished.outcome
    found = outcome.calibration
    parts = {
        "report": outcome.report.rename({v.KIND: "pattern_kind", v.SPLIT: "pattern_split"}),
        "ladder": found.ladder,
        "parameter": found.parameters,
        "cell": found.cells,
    }
    extraction = finished.extraction
    if extraction is not None and extraction.table is not None:
        parts["extraction"] = extraction.table.rename(
            {"model": "extraction_model", v.KIND: "pattern_kind", v.SPLIT: "pattern_split"}
        )
    joined = outcome.charges
    for name, part in parts.items():
        joined = joined.merge(
            part.rename({key: f"{name}_{key}" for key in part.data_vars}).drop_attrs(deep=False),
            join="outer",
        )
    return joined.assign_attrs(
        chip=found.chip.name,
        weight_set=found.weight_set,
        chosen=str(found.ladder.attrs["chosen"]),
        outlier_patterns=", ".join(found.outlier_patterns),
        dead_cells=", ".join(f"({j}, {i})" for j, i in found.dead_cells),
        notes=" ".join(found.notes),
    )


def table_of(
    finished: Finished, *, aspect: str, model: str, split: str, kind: str
) -> xr.Dataset | None:
    """The numbers of one aspect, variables over the same dims."""
    outcome = finished.outcome
    if aspect == "residuals":
        charges = selection(outcome, model=model, split=split, kind=kind).charges
        return charges[[n for n in charges.data_vars if v.BIT_LINE in charges[n].dims]]
    if aspect == "parameters":
        names = ["value", "standard_error", "unit", "status"]
        table = outcome.calibration.parameters[names]
        ends = outcome.calibration.parameters["interval"]
        return table.assign(
            lower_95=ends.sel(bound="lower", drop=True), upper_95=ends.sel(bound="upper", drop=True)
        )
    if aspect == "extraction" and finished.extraction is not None:
        compared = finished.extraction.table
        names = ["signal_to_error_ratio", "decibel", "chi_square"]
        return None if compared is None else compared[names]
    return outcome.report[["signal_to_error_ratio", "decibel", "chi_square", "ceiling"]]


def _calibration() -> Any:
    from analog_model.figures import calibration

    return calibration


def _error() -> Any:
    # HoloViews costs a second to import; only an export needs it.
    from analog_model.figures import error

    return error
