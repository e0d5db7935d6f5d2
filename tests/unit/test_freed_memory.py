"""Freed memory: kept by the process, given back without the setting."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# Pages faulted in while blocks of 8 MB are taken, filled, freed, a hundred times.
CODE = """
import resource, sys
import numpy as np
from analog_model.cli.freed_memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
np.ones(10**6)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    kept = [np.ones(10**6) for _ in range(3)]
    del kept
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(setting: str) -> int:
    command = [sys.executable, "-c", CODE, setting]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_blocks_are_taken_from_what_was_freed() -> None:
    """Three blocks of 8 MB are 5859 pages of 4 kB: once, not a hundred times."""
    assert faults("keep") < 3 * 5859
    assert faults("leave") > 20 * faults("keep")
