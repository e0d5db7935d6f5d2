"""Planted parameters come back within the errors that a calibration states.

The small version of tests/benchmarks/planted_recovery.py, which runs 200.
"""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.stats import chi2

from tests.benchmarks.planted_recovery import BOUNDED, READS_ERROR, coverage, recover

pytestmark = pytest.mark.slow
RUNS = 12


@pytest.fixture(scope="module")
def runs() -> xr.Dataset:
    return xr.concat([recover(1000 + seed) for seed in range(RUNS)], "run")


def test_errors_are_as_large_as_stated(runs: xr.Dataset) -> None:
    z = (runs["value"] - runs["truth"]) / runs["standard_error"]
    checked = [str(name) for name in z["parameter"].values if str(name) not in BOUNDED]
    assert len(checked) == 9
    # Each sum of squares stays in its 99.9 % range, shared among the parameters.
    tail = 0.0005 / len(checked)
    for name in checked:
        own = z.sel(parameter=name).dropna("run")
        total = float((own**2).sum())
        assert chi2.ppf(tail, own.size) < total < chi2.ppf(1 - tail, own.size), name


def test_intervals_hold_the_truth(runs: xr.Dataset) -> None:
    assert float(coverage(runs).mean()) > 0.88
    z = np.abs(runs["weight_z"].values)
    assert 0.90 < (z < 1.96).mean() < 0.99


def test_the_spread_of_the_reads_is_found(runs: xr.Dataset) -> None:
    assert float(runs["weight_spread"].mean()) == pytest.approx(READS_ERROR, rel=0.25)
