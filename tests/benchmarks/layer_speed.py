"""Speed of the analog layers beside plain torch, into the table of README.md.

    python tests/benchmarks/layer_speed.py [--from layers.nc] [--no-readme]

Runs `analog-model benchmark` on every case, keeps .benchmarks/layers.nc, and writes what it
holds between the markers in README.md; with --from it takes an earlier run's file instead.
Exit code 1 if a requirement is missed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import xarray as xr

from analog_model.benchmark.report import markdown

ROOT = Path(__file__).resolve().parents[2]
START, END = "<!-- layer benchmark -->", "<!-- /layer benchmark -->"


def write_readme(text: str) -> None:
    """Replace what stands between the markers."""
    path = ROOT / "README.md"
    before, rest = path.read_text(encoding="utf-8").split(START, 1)
    after = rest.split(END, 1)[1]
    path.write_text(f"{before}{START}\n{text}\n{END}{after}", encoding="utf-8")


def measured() -> Path:
    """File of a new run."""
    path = ROOT / ".benchmarks" / "layers.nc"
    path.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-c", "from analog_model.cli import app; app()", "benchmark"]
    subprocess.run([*command, "--output", str(path), "--force"], check=True, cwd=ROOT)
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="earlier", type=Path, help="an earlier run's file")
    parser.add_argument("--no-readme", action="store_true", help="leave README.md as it is")
    options = parser.parse_args()
    with xr.open_dataset(options.earlier or measured(), engine="h5netcdf") as found:
        text = markdown(found)
    print(text)
    if not options.no_readme:
        write_readme(text)
    return int("missed" in text)


if __name__ == "__main__":
    sys.exit(main())
