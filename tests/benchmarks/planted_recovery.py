"""Coverage of a calibration's 95 % intervals on chips whose parameters are known.

    python tests/benchmarks/planted_recovery.py [--runs 200] [--processes 2] [--output PATH]

Every run draws a chip of 8 x 6 cells in two layout classes: kappas, specific current, wire,
lumped resistance, dead time at random, single kappas with a mismatch of 5 %, one-hot reads
with an error of 0.5 %; measures it with read noise by our own simulator; calibrates it.
Counted is how often the truth lies in the interval; z is the error over its standard error.
The runs go to data/results/planted_recovery.nc. Exit code 1 if the coverage of a kappa or
scalar leaves 90 to 99 %; at a bound (a loss near zero) it may be higher, for the interval
ends there while its error is that of an unbounded fit.
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

# Before NumPy loads: arrays this small are slower on many threads than on one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import xarray as xr

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from analog_model.calibration.calibrate import calibrate  # noqa: E402
from analog_model.chip import CouplingByCell  # noqa: E402
from tests.planted import measured, planted_chip, planted_kappa, true_parameters  # noqa: E402

OUTPUT = ROOT / "data" / "results" / "planted_recovery.nc"
MISMATCH, READS_ERROR = 0.05, 0.005
LOWEST, HIGHEST = 0.90, 0.99
BOUNDED = ("wire_loss", "lumped_loss", "droop_loss", "dead_time")


def recover(seed: int) -> xr.Dataset:
    """One run: truth, estimate, error, interval of every parameter; z of single cells."""
    generator = np.random.default_rng([seed, 7])
    kappa = planted_kappa(generator, 2, near=0.12)
    chip = planted_chip(
        8,
        6,
        seed,
        kappa=kappa,
        mismatch=MISMATCH,
        specific_current=float(10 ** generator.uniform(-7, -6)),
        wire_resistance=float(generator.uniform(1e3, 1e4)),
        lumped_resistance=float(generator.uniform(1e4, 5e4)),
        dead_time=float(generator.uniform(1e-9, 5e-9)),
    )
    found = calibrate(measured(chip, seed, reads_error=READS_ERROR, test=0))
    truth = true_parameters(chip, kappa)
    table = found.parameters
    true = np.array([truth[str(name)] for name in table["parameter"].values])
    cells = found.cells
    assert isinstance(chip.coupling, CouplingByCell)
    own = np.where(chip.coupling.kappa != 0, chip.coupling.kappa, np.nan)
    by_class = np.moveaxis(kappa[chip.layout.layout_class], -1, 0)
    departed = cells["kappa_deviation"].values - (own - by_class)
    return xr.Dataset(
        {
            "truth": ("parameter", true),
            "value": ("parameter", table["value"].values),
            "standard_error": ("parameter", table["standard_error"].values),
            "interval": (("parameter", "bound"), table["interval"].values),
            "weight_z": (
                ("word_line", "bit_line"),
                ((cells["cell_current"] - chip.cell_current) / cells["standard_error"]).values,
            ),
            "kappa_z": (
                ("offset", "word_line", "bit_line"),
                departed / cells["kappa_deviation_error"].values,
            ),
            "kappa_spread": cells.attrs["kappa_spread"],
            "weight_spread": cells.attrs["weight_spread"],
        },
        coords={"parameter": table["parameter"].values, "bound": ["lower", "upper"]},
    )


def coverage(runs: xr.Dataset) -> xr.DataArray:
    """Part of the runs whose interval holds the truth, by parameter."""
    low, high = runs["interval"].sel(bound="lower"), runs["interval"].sel(bound="upper")
    inside = ((runs["truth"] >= low) & (runs["truth"] <= high)).astype(float)
    return inside.where(np.isfinite(low)).mean("run")


def recover_all(n_runs: int, processes: int) -> xr.Dataset:
    """All runs, along `run`."""
    with ProcessPoolExecutor(processes) as pool:
        return xr.concat(pool.map(recover, range(n_runs)), "run")


def main() -> int:
    """Run, print, save; 1 where a coverage is out of range."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    runs = recover_all(options.runs, options.processes)
    covered = coverage(runs)
    z = (runs["value"] - runs["truth"]) / runs["standard_error"]
    missed = []
    print(f"{'parameter':24s} coverage  mean z  rms z")
    for name in map(str, runs["parameter"].values):
        part = float(covered.sel(parameter=name))
        own = z.sel(parameter=name)
        mean, rms = float(own.mean()), float(np.sqrt((own**2).mean()))
        print(f"{name:24s} {part:8.3f} {mean:7.2f} {rms:6.2f}")
        if part < LOWEST or (part > HIGHEST and name not in BOUNDED):
            missed.append(name)
    cells = float((np.abs(runs["weight_z"]) < 1.96).mean())
    print(f"{'weights of single cells':24s} {cells:8.3f}")
    kappas = runs["kappa_z"].stack(cell=("run", "offset", "word_line", "bit_line")).dropna("cell")
    print(f"{'kappas of single cells':24s} {float((np.abs(kappas) < 1.96).mean()):8.3f}")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    runs.attrs["source"] = "simulated by tests/benchmarks/planted_recovery.py"
    runs.to_netcdf(options.output, engine="h5netcdf")
    print(f"{options.runs} runs in {options.output}; out of range: {missed or 'none'}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
