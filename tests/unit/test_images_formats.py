"""The readers of published formats, on files written by hand."""

from __future__ import annotations

import struct

import pytest
import torch

from analog_model.errors import DataError
from analog_model.nn.images.cifar_binary import decode_cifar
from analog_model.nn.images.idx import decode_idx


def test_idx_by_hand() -> None:
    # Two images of 2 rows and 3 columns.
    content = bytes.fromhex("00000803 00000002 00000002 00000003") + bytes(range(250, 256)) * 2
    images = decode_idx(content, source="here")
    assert images.dtype == torch.uint8
    assert images.tolist() == [[[250, 251, 252], [253, 254, 255]]] * 2


def test_idx_of_labels_by_hand() -> None:
    labels = decode_idx(bytes.fromhex("00000801 00000004 07020100"), source="here")
    assert labels.tolist() == [7, 2, 1, 0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "0 bytes that begin with nothing"),
        (b"\x00\x00\x08", "3 bytes"),
        (bytes.fromhex("00000803 00000002"), "8 bytes that begin with 00 00 08 03"),
        (bytes.fromhex("00000d01 00000001 00000000"), "begin with 00 00 0d 01"),
        (b"\x1f\x8b\x08\x08" + bytes(20), "begin with 1f 8b 08 08"),
        (bytes.fromhex("00000801 00000004 070201"), "4 elements"),
        (bytes.fromhex("00000801 00000004 0702010000"), "4 elements"),
    ],
)
def test_what_is_no_idx_file_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        decode_idx(content, source="digits.idx")
    assert "digits.idx" in str(caught.value)


def record(label: int, red: int, green: int, blue: int) -> bytes:
    return bytes([label]) + bytes([red]) * 1024 + bytes([green]) * 1024 + bytes([blue]) * 1024


def test_cifar_by_hand() -> None:
    corner = bytearray(record(9, 0, 0, 0))
    # The last pixel of the first row in green, the first of the second row in blue.
    corner[1 + 1024 + 31] = 200
    corner[1 + 2048 + 32] = 100
    images, labels = decode_cifar(record(3, 10, 20, 30) + bytes(corner), source="here")
    assert labels.tolist() == [3, 9]
    assert labels.dtype == torch.int64
    assert images.shape == (2, 3, 32, 32)
    assert [images[0, channel].unique().tolist() for channel in range(3)] == [[10], [20], [30]]
    assert images[1].nonzero().tolist() == [[1, 0, 31], [2, 1, 0]]
    assert (images[1, 1, 0, 31], images[1, 2, 1, 0]) == (200, 100)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "whole records of 3073 bytes, got 0"),
        (record(1, 0, 0, 0)[:-1], "got 3072 bytes"),
        (record(1, 0, 0, 0) + record(10, 0, 0, 0), "label of image 1 in a batch.* got 10"),
    ],
)
def test_what_is_no_cifar_file_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        decode_cifar(content, source="a batch")


def test_idx_with_more_elements_than_memory_addresses_is_refused() -> None:
    header = bytes((0, 0, 8, 3)) + struct.pack(">3I", *([2**32 - 1] * 3))
    with pytest.raises(DataError, match="elements for the shape"):
        decode_idx(header, source="here")
