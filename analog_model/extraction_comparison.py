"""Comparison of extraction methods on held-out patterns."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.calibration.calibrate import calibrate
from analog_model.calibration.ladder import Progress
from analog_model.calibration.observations import choose, observe
from analog_model.calibration.reads import one_hot_reads
from analog_model.calibration.result import Calibration, model_report
from analog_model.chip import Chip
from analog_model.errors import DataError
from analog_model.extraction import METHODS, extract_weights, ridge, together
from analog_model.metrics import decibel, signal_to_error_ratio

# The paper's second result: how much better extraction makes the ideal model.
WANTED_GAIN = 2.0
COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
ALL_KINDS = "all"
# Dimension of the methods; xarray keeps the word "method" for its own selection.
EXTRACTION = "extraction"


def _require_test_patterns(measurement: xr.Dataset, weight_set: int) -> xr.Dataset:
    if v.SPLIT in measurement.coords:
        chosen = choose(measurement, split=v.TEST, weight_set=weight_set)
        if chosen.sizes[v.PATTERN]:
            return chosen
    raise DataError(
        "measurement",
        expected=f"patterns of split {v.TEST!r} under weight set {weight_set} to judge by",
        got="none",
        advice="Label some patterns, which no extraction may use, with split 'test'.",
    )


def compare_extractions(
    measurement: xr.Dataset,
    *,
    weight_set: int = 0,
    calibration: Calibration | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Every extraction method judged on test patterns under two models.

    Dimensions extraction (the method), model, kind ("all" first), split (test only). model
    "ideal" is the plain product, "full" the calibrated chip, each with the method's weights.
    Variables: signal_to_error_ratio, decibel, chi_square, n_patterns of each kind judged,
    n_measurements (extraction) that went in. A method whose patterns are missing is left
    out; the attribute left_out says why. A `calibration` of this weight set saves its time.

    Raises DataError without test patterns.
    """
    _require_test_patterns(measurement, weight_set)
    found = calibration or calibrate(measurement, weight_set=weight_set, progress=progress)
    tables: dict[str, xr.Dataset] = {}
    left_out = []
    for method in METHODS:
        try:
            tables[method] = extract_weights(
                measurement,
                method,
                weight_set=weight_set,
                read_noise=found.noise,
                calibration=found,
            )
        except DataError as error:
            left_out.append(f"{method}: {error}")
    ideal = found.chip.with_effects(())
    judged = {}
    for name, chip in (("ideal", ideal), ("full", found.chip)):
        chips: dict[str, Chip] = {
            method: chip.with_weights(table[v.CELL_CURRENT].values)
            for method, table in tables.items()
        }
        report = model_report(chips, measurement, weight_set, found.noise)
        judged[name] = report.rename(model=EXTRACTION).sel({v.SPLIT: [v.TEST]})
    n_patterns = judged["ideal"]["n_patterns"]
    ratios = [table.drop_vars(["n_patterns", "ceiling"]) for table in judged.values()]
    result = xr.concat(ratios, dim=xr.Variable("model", list(judged)))
    result["n_patterns"] = n_patterns
    present = (n_patterns > 0).any(v.SPLIT)
    result = result.sel({v.KIND: present}).transpose(EXTRACTION, "model", ...)
    counts = [table.attrs["n_measurements"] for table in tables.values()]
    result["n_measurements"] = (EXTRACTION, counts)
    return result.assign_attrs(left_out="; ".join(left_out))


def extraction_effort(
    measurement: xr.Dataset,
    *,
    weight_set: int = 0,
    counts: tuple[int, ...] = COUNTS,
    n_draws: int = 15,
    seed: int = 0,
) -> xr.Dataset:
    """SER of the ideal product against the number of calibration patterns in the regression.

    Patterns are drawn at random among those with more than one active word line, `n_draws`
    times, and judged on the test patterns. `held_to` tells the ridge to the one-hot reads
    (which are N measurements themselves) from the plain one to zero. Variables
    (held_to, n_patterns, kind): signal_to_error_ratio, the median of the draws, with lowest
    and highest; n_measurements (held_to, n_patterns). (held_to, kind):
    fewest_measurements, the smallest number whose median is at least twice the SER
    of the one-hot reads, one_hot_ratio (kind), and fewest_in_every_draw, the same for the
    worst draw; NaN where none reaches it.

    Raises DataError without one-hot reads or test patterns.
    """
    test = _require_test_patterns(measurement, weight_set)
    reads = one_hot_reads(measurement, weight_set=weight_set)
    if reads.source == "none":
        raise DataError("measurement", expected="one-hot reads to compare with", got="none")
    seen = observe(measurement, weight_set=weight_set)
    pool = np.flatnonzero(together(seen.pulse_width))
    counts = tuple(sorted({min(count, pool.size) for count in counts if pool.size}))
    kinds = _kinds(test)
    one_hot = np.array(list(_judge(test, reads.current, kinds).values()))
    anchors = {"one_hot": reads.current, "nothing": None}
    ratios = np.empty((len(anchors), len(counts), len(kinds), n_draws))
    generator = np.random.default_rng(seed)
    for draw in range(n_draws):
        order = generator.permutation(pool)
        for b, count in enumerate(counts):
            width, charge = seen.pulse_width[order[:count]], seen.charge[order[:count]]
            for a, anchor in enumerate(anchors.values()):
                current = np.maximum(ridge(width, charge, anchor)[0], 0.0)
                ratios[a, b, :, draw] = list(_judge(test, current, kinds).values())
    extra = np.array([reads.current.shape[0], 0])
    n_measurements = extra[:, None] + np.array(counts)
    reached = np.median(ratios, axis=-1) >= WANTED_GAIN * one_hot
    certain = ratios.min(axis=-1) >= WANTED_GAIN * one_hot
    dims = ("held_to", "n_patterns", v.KIND)
    return xr.Dataset(
        {
            "signal_to_error_ratio": (dims, np.median(ratios, axis=-1)),
            "lowest": (dims, ratios.min(axis=-1)),
            "highest": (dims, ratios.max(axis=-1)),
            "n_measurements": (dims[:2], n_measurements),
            "fewest_measurements": (("held_to", v.KIND), _fewest(n_measurements, reached)),
            "fewest_in_every_draw": (("held_to", v.KIND), _fewest(n_measurements, certain)),
            "one_hot_ratio": ((v.KIND,), one_hot),
            "one_hot_decibel": ((v.KIND,), [decibel(ratio) for ratio in one_hot]),
        },
        coords={"held_to": list(anchors), "n_patterns": list(counts), v.KIND: list(kinds)},
        attrs={"split": v.TEST, "weight_set": weight_set, "n_draws": n_draws, "seed": seed},
    )


def _fewest(n_measurements: np.ndarray, reached: np.ndarray) -> np.ndarray:
    """Smallest number (held_to, kind) that `reached` (held_to, n_patterns, kind) it, or NaN."""
    fewest = np.where(reached, n_measurements[:, :, None], np.inf).min(axis=1)
    return np.where(np.isfinite(fewest), fewest, np.nan)


def _kinds(test: xr.Dataset) -> dict[str, np.ndarray]:
    """Which test patterns are of each kind; all of them first."""
    kinds = {ALL_KINDS: np.ones(test.sizes[v.PATTERN], dtype=bool)}
    if v.KIND in test.coords:
        kind = test[v.KIND].values.astype(str)
        kinds |= {name: kind == name for name in v.KINDS if (kind == name).any()}
    return kinds


def _judge(test: xr.Dataset, current: np.ndarray, kinds: dict[str, np.ndarray]) -> dict[str, float]:
    """SER of the ideal product of `current` by kind."""
    width = test[v.PULSE_WIDTH].transpose(v.PATTERN, v.WORD_LINE).values
    charge = test[v.CHARGE].transpose(v.PATTERN, v.BIT_LINE).values
    ideal = width @ current
    return {
        name: signal_to_error_ratio(charge[chosen], ideal[chosen]) for name, chosen in kinds.items()
    }
