"""The IDX file format, in which MNIST is published.

Two zero bytes, the code of the element type (8: unsigned byte), the number of dimensions,
each dimension as a big-endian 32-bit integer, then the elements in C order.
"""

from __future__ import annotations

import math
import struct

import torch
from torch import Tensor

from analog_model.errors import DataError

UNSIGNED_BYTE = 8


def decode_idx(content: bytes, *, source: str) -> Tensor:
    """The uint8 tensor that the bytes of an IDX file hold.

    Raises DataError, naming `source`, for another format or another length than the header
    announces.
    """
    header = 4 + 4 * content[3] if len(content) >= 4 else 4
    if len(content) < header or content[:3] != bytes((0, 0, UNSIGNED_BYTE)):
        raise DataError(
            source,
            expected="an IDX file of unsigned bytes, which begins with 00 00 08",
            got=f"{len(content)} bytes that begin with {content[:4].hex(' ') or 'nothing'}",
        )
    shape = struct.unpack(f">{content[3]}I", content[4:header])
    if len(content) - header != math.prod(shape):
        raise DataError(
            source,
            expected=f"{math.prod(shape)} elements for the shape {shape} in its header",
            got=str(len(content) - header),
        )
    # A bytearray is memory that torch may write to, which bytes are not.
    return torch.frombuffer(bytearray(content[header:]), dtype=torch.uint8).reshape(shape)
