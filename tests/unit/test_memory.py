"""Memory of a large simulation is set by its budget, not by N times the batch.

The inputs have 2 bits, hence 3 slots a vector instead of 128: chunks are as large as they
would be otherwise, there are fewer of them. The limit is half of the 2 GiB promised, since
these slots all at once, some 16 temporaries of 100 MB, would just fit in 2 GiB.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("resource", reason="resource usage is read the Unix way")

RUN = """
import json, resource, sys, torch
import analog_model as am
from analog_model.physics import slots
from analog_model.tensors import array_tensors, chip_parameters

backward = sys.argv[1] == "backward"
chip = am.synthetic_chip(128, 128)
chip = chip.replace(pulse=am.Pulse(lsb=20e-9, bits=2))
generator = torch.Generator().manual_seed(0)
width = torch.rand((256, 128), generator=generator, dtype=torch.float64) * 60e-9
current = chip_parameters(chip)["cell_current"].requires_grad_(backward)
charge = slots.simulate(array_tensors(chip, {"cell_current": current}), width).charge
if backward:
    charge.sum().backward()
if sys.platform == "linux":
    # Not ru_maxrss: it starts from the size of the process that started this one.
    line = next(x for x in open("/proc/self/status") if x.startswith("VmHWM"))
    peak = int(line.split()[1]) * 1024
else:
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
print(json.dumps({"peak": peak, "charge": float(charge.mean())}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("passes", ["forward", "backward"])
def test_128_by_128_with_a_batch_of_256_stays_small(passes: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, passes],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    found = json.loads(done.stdout)
    # Half of 128 lines at 0.4 uA for 30 ns, within the 10 % that the effects make.
    assert found["charge"] == pytest.approx(128 * 0.4e-6 * 30e-9, rel=0.15)
    assert found["peak"] < 2**30
