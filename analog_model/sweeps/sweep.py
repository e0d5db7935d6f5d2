"""Sweep of a chip's parameters: every point computed once, wherever it was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import xarray as xr

from analog_model.chip.chip import Chip
from analog_model.dataset.io import PathLike
from analog_model.errors import AnalogModelError, SimulationError
from analog_model.sweeps.cache import PointCache
from analog_model.sweeps.plan import PlannedPoint, SweepPlan, SweepPoint
from analog_model.sweeps.product_error import ProductError
from analog_model.sweeps.reading import Measure
from analog_model.sweeps.workers import check_workers, readings


def sweep(
    chip: Chip,
    *,
    over: Mapping[str, Sequence[Any]],
    measure: Measure | None = None,
    cache: PathLike | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    listener: Callable[[SweepPoint], None] | None = None,
) -> xr.Dataset:
    """A measure over one or two parameters of a chip, as a Dataset with these coordinates.

    - `over`: values, in SI units, by parameter: `layout_rule`, `n_word_lines`,
      `coupling_scale` (times the chip's kappas), `wire_resistance` [ohm per pitch],
      `alignment`, `bits` of the input code, `readout_bits`.
    - `measure`: `ProductError`, by default, `Accuracy`, `RetrainedAccuracy`.
    - `cache`: folder where every point is kept as soon as it is found. A point that is there,
      also of another sweep, is not computed again; a sweep that was stopped goes on.
    - `workers`: processes on this machine, one for each core by default; `scheduler`: the
      address of a Dask cluster to use instead.
    - `listener` is told every point, those of the cache first.

    Raises ConfigurationError for what cannot be swept, DataError for a damaged file of the
    cache, whatever a point raises with the point named.
    """
    plan = SweepPlan(chip, over, ProductError() if measure is None else measure)
    points = []
    for point in swept(plan, cache=cache, workers=workers, scheduler=scheduler):
        points.append(point)
        if listener is not None:
            listener(point)
    return plan.dataset(points)


def swept(
    plan: SweepPlan,
    *,
    cache: PathLike | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
) -> Iterator[SweepPoint]:
    """The points of a plan as they are found; closing the iterator stops the sweep."""
    check_workers(workers, scheduler)
    kept = None if cache is None else PointCache(cache)
    missing = []
    for point in plan.points:
        known = None if kept is None else kept.find(point.key, plan.measure)
        if known is None:
            missing.append(point)
        else:
            yield SweepPoint(point.index, point.values, known, known=True)
    if not missing:
        return
    chips = [point.chip for point in missing]
    found = readings(plan.measure, chips, workers=workers, scheduler=scheduler)
    for number, outcome in found:
        point = missing[number]
        reading = _reading(point, outcome)
        if kept is not None:
            kept.keep(point.key, plan.measure, point.values, reading)
        yield SweepPoint(point.index, point.values, reading, known=False)


def _reading(
    point: PlannedPoint, outcome: Callable[[], Mapping[str, float]]
) -> Mapping[str, float]:
    """The outcome of a point; an error says which point."""
    try:
        return outcome()
    except AnalogModelError as error:
        values = ", ".join(f"{name} {value}" for name, value in point.values.items())
        raise SimulationError(
            f"point {values} of the sweep",
            expected="a chip that can be judged",
            got=str(error),
            advice="Leave it out; the points before it are kept.",
        ) from error
