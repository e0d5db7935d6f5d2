"""Kernels in C++ for compiled layers on processors.

torch.compile's own C++ compiler builds them, with its flags and into its cache.
"""

from __future__ import annotations

import sys
from ctypes import CDLL, c_int64, c_void_p
from functools import cache
from importlib import resources
from typing import Any

import torch
from torch import Tensor

from analog_model.nn.recomputation import in_compiled_layer

_NAMES = {torch.float32: "float32", torch.float64: "float64"}
# Their vectors are theirs; Microsoft's compiler has none.
_GCC_OR_CLANG = sys.platform != "win32"


def suits_kernels(*numbers: Tensor) -> bool:
    """Whether kernels do it: in compiled layers, on processors, all numbers of one precision."""
    first = numbers[0].dtype
    here = all(own.device.type == "cpu" and own.dtype == first for own in numbers)
    return _GCC_OR_CLANG and in_compiled_layer() and here and first in _NAMES


@cache
def _library(sources: tuple[str, ...]) -> CDLL:
    # The one entry of torch to its C++ builder; `torch.utils.cpp_extension` needs more tools.
    from torch._inductor.codecache import CppCodeCache

    files = resources.files(__package__)
    parts = [files.joinpath(name).read_text(encoding="utf-8") for name in ("lanes.hpp", *sources)]
    library: CDLL = CppCodeCache.load("\n".join(parts))
    return library


def call(sources: tuple[str, ...], function: str, dtype: torch.dtype, *arguments: Any) -> None:
    """Call a function of some source files joined, in numbers of a precision.

    Lists of integers become arrays of them, tensors pointers, lists of those arrays of pointers.
    """
    getattr(_library(sources), f"{function}_{_NAMES[dtype]}")(*map(_argument, arguments))


def _argument(value: Any) -> Any:
    if isinstance(value, Tensor):
        return c_void_p(value.data_ptr())
    if all(isinstance(own, Tensor) for own in value):
        return (c_void_p * len(value))(*[own.data_ptr() for own in value])
    return (c_int64 * len(value))(*value)
