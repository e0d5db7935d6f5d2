"""Time, memory, accuracy of calibrating a large array.

    python tests/benchmarks/large_calibration.py [--size 64] [--patterns 1000] [--processors 1]

A chip of `size` word lines and bit lines in four layout classes with planted parameters,
5 % mismatch of single kappas, reads with an error of 0.5 %, is measured with read noise by
our own simulator, calibrated, judged on 200 random patterns it has not seen. Exit code 1 if
it takes more than 10 minutes or 2 GiB, leaves more than a fifth of the kappas outside their
95 % intervals, or more misfit than a chi-square of 1.15 per reading.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from pathlib import Path

# Before NumPy loads: the number of threads is a property of the figure.
if "--processors" not in sys.argv:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
import xarray as xr

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from analog_model import vocabulary as v  # noqa: E402
from analog_model.calibration.calibrate import calibrate  # noqa: E402
from tests.planted import measured, planted_chip, planted_kappa, true_parameters  # noqa: E402

LAYOUT = "mirrored_columns_and_row_pairs"
MISMATCH, READS_ERROR, TEST = 0.05, 0.005, 200
LONGEST, LARGEST, LEAST_INSIDE, MISFIT = 600.0, 2.0, 0.8, 1.15


def planted(size: int, n_patterns: int, seed: int) -> tuple[xr.Dataset, dict[str, float]]:
    """The measurement with its planted parameters."""
    kappa = planted_kappa(np.random.default_rng([seed, 7]), 4, near=0.12)
    chip = planted_chip(
        size,
        size,
        seed,
        layout=LAYOUT,
        kappa=kappa,
        mismatch=MISMATCH,
        wire_resistance=200.0,
        lumped_resistance=2000.0,
    )
    # Singles, all on, leave-one-outs, pairs come to 3 N; mixed ones to a fifth of the rest.
    drawn = max(n_patterns - 3 * size, 10)
    mixed = drawn // 5
    measurement = measured(
        chip, seed, random=drawn - mixed, mixed=mixed, test=TEST, reads_error=READS_ERROR
    )
    return measurement, true_parameters(chip, kappa)


def kappas_inside(parameters: xr.Dataset, truth: dict[str, float]) -> tuple[int, int]:
    """How many kappas lie in their 95 % intervals, of how many."""
    names = [str(name) for name in parameters["parameter"].values if "kappa" in str(name)]
    low, high = parameters["interval"].sel(parameter=names).values.T
    true = np.array([truth[name] for name in names])
    return int(((low <= true) & (true <= high)).sum()), len(names)


def main() -> int:
    """Calibrate, print; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--patterns", type=int, default=1000)
    parser.add_argument("--processors", type=int, default=1)
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.processors)
    measurement, truth = planted(options.size, options.patterns, options.seed)
    learnt = int((measurement[v.SPLIT] == v.CALIBRATION).sum())
    began, worked = time.perf_counter(), time.process_time()

    def tell(stage: str, fraction: float) -> None:
        print(f"{time.perf_counter() - began:7.1f} s {fraction:4.0%} {stage}", flush=True)

    found = calibrate(measurement, progress=tell)
    took, worked = time.perf_counter() - began, time.process_time() - worked
    # Linux counts in KiB.
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    inside, n_kappas = kappas_inside(found.parameters, truth)
    report = found.report().sel(kind="all", split=v.TEST)
    misfit = float(report["chi_square"].sel(model="full"))
    print(f"{options.size}x{options.size}, {learnt} patterns, load {os.getloadavg()[0]:.1f}")
    print(f"{took:.0f} s ({worked:.0f} s of processor), {memory:.2f} GiB at most")
    print(f"{inside} of {n_kappas} kappas in their 95 % intervals")
    print(report[["signal_to_error_ratio", "chi_square", "ceiling"]].to_dataframe().to_string())
    good = took <= LONGEST and memory <= LARGEST
    return int(not (good and inside >= LEAST_INSIDE * n_kappas and misfit <= MISFIT))


if __name__ == "__main__":
    sys.exit(main())
