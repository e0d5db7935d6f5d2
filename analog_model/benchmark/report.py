"""Report of a benchmark as the rows of a table."""

from __future__ import annotations

import math

import xarray as xr

from analog_model.benchmark.cases import CASES
from analog_model.benchmark.result import (
    ANALOG,
    ANALOG_COMPILED,
    BEST,
    COMPILED,
    EAGER,
    EXACT,
    TORCH,
    TORCH_COMPILED,
)

# Interquartile range over median beyond which other work on the machine shows in the ratios.
_MOST_SCATTER = 0.5

COLUMNS = (
    "case",
    "torch [ms]",
    "ratio",
    "compiled: torch [ms]",
    "ratio",
    "best to best",
    "at most",
    "memory",
    "error",
)


def rows_of(found: xr.Dataset) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns, rows: times of plain torch, how many times as long the analog one takes."""
    rows: list[tuple[str, ...]] = []
    for row in range(found.sizes["row"]):
        one = found.isel(row=row)
        best, required = _ratio(one, BEST), one["required"].item()
        title = f"{one['title'].item()}: {one['measure'].item()}"
        rows.append(
            (
                title,
                _milliseconds(one, TORCH),
                _number(_ratio(one, EAGER)),
                _milliseconds(one, TORCH_COMPILED),
                _number(_ratio(one, COMPILED)),
                _number(best),
                _judged(best, required, disturbed=_is_disturbed(one)),
                _memory(one),
                f"{one['error'].item():.0e}",
            )
        )
        slots = _ratio(one, EXACT)
        if math.isfinite(slots):
            blank = ("",) * 6
            rows.append((f"{title}, slots", "", _number(slots), *blank))
    return COLUMNS, rows


def conditions(found: xr.Dataset) -> str:
    """What was measured, on what."""
    facts = found.attrs
    compiler = facts["compiler"] or "none found or wanted, so nothing was compiled"
    budget = facts.get("memory_budget", 1.0)
    anew = f", which keeps {budget:.0%} of what the backward pass needs on either side"
    return (
        f"Medians; ± half the interquartile range. Best to best: the faster of eager and compiled "
        f"on each side; disturbed: times scatter by more than half. "
        f"Memory: tensors at the peak of the step over plain torch's, eager / "
        f"compiled{anew if budget < 1 else ''}. "
        f"Error: relative rms of the closed form against slots on the inputs of the "
        f"case, of the layer where it is largest. Alone, crosstalk changes the signed charges by "
        f"{_range(found['crosstalk'])}, the drop by {_range(found['drop'])}. Measured on "
        f"{facts['n_cores']} cores with {facts['n_threads']} threads, {facts['system']}, "
        f"torch {facts['torch']}, compiler {compiler}, load average "
        f"{facts['load_average']:.1f} at the start.{_left_out(found)}"
    )


def _left_out(found: xr.Dataset) -> str:
    """Cases that the run was not asked for, or did not come to."""
    missing = [name for name in CASES if name not in found["case"].values]
    return f" Not in this run: {', '.join(missing)}." if missing else ""


def markdown(found: xr.Dataset) -> str:
    """The table in Markdown with its conditions."""
    columns, rows = rows_of(found)
    head = [f"| {' | '.join(columns)} |", "|---" + "|---:" * (len(columns) - 1) + "|"]
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows), "", conditions(found)])


def _ratio(one: xr.Dataset, comparison: str) -> float:
    return float(one["ratio"].sel(comparison=comparison))


def _milliseconds(one: xr.Dataset, side: str) -> str:
    median = 1e3 * float(one["median_time"].sel(side=side))
    if math.isnan(median):
        return "–"
    return f"{median:.3g} ± {500 * float(one['interquartile_range'].sel(side=side)):.1g}"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3g}"


def _judged(value: float, required: float, *, disturbed: bool) -> str:
    if math.isnan(required):
        return ""
    if disturbed:
        return f"{required:g} ? disturbed"
    return f"{required:g} {'✓' if value <= required else '✗ missed'}"


def _is_disturbed(one: xr.Dataset) -> bool:
    """Times of plain torch or of the analog layers scatter too much to judge by."""
    sides = one.sel(side=[TORCH, ANALOG, TORCH_COMPILED, ANALOG_COMPILED])
    scatter = sides["interquartile_range"] / sides["median_time"]
    return bool((scatter > _MOST_SCATTER).any())


def _memory(one: xr.Dataset) -> str:
    ratios = [float(one["memory_ratio"].sel(mode=mode)) for mode in (EAGER, COMPILED)]
    known = [f"{ratio:.3g}" for ratio in ratios if math.isfinite(ratio)]
    return " / ".join(known)


def _range(values: xr.DataArray) -> str:
    low, high = 100 * float(values.min()), 100 * float(values.max())
    return f"{low:.2g} to {high:.2g} %"
