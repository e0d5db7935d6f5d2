"""Freed memory, kept by a command's process for what it allocates next.

glibc gives large blocks back to the kernel as soon as they are freed. A training step frees and
takes anew all its activations, and the kernel clears every page again: a fourth of the step's
time on a convolution, with layers of ours and of torch's alike.
"""

from __future__ import annotations

import ctypes
import platform

# Parameters of mallopt(3): the size [byte] from which blocks are mapped one by one, at the
# largest that glibc takes; the free memory at the heap's end above which it is given back.
_MAP_FROM, _MAP_FROM_AT_MOST = -3, 32 * 2**20
_TRIM_ABOVE, _NEVER = -1, 2**31 - 1


def keep_freed_memory() -> None:
    """Make this process keep what it frees; elsewhere than on glibc nothing is to be done."""
    if platform.libc_ver()[0] != "glibc":
        return
    set_option = ctypes.CDLL(None).mallopt
    set_option(_MAP_FROM, _MAP_FROM_AT_MOST)
    set_option(_TRIM_ABOVE, _NEVER)
