"""Content of a PDF as Matplotlib writes it, read from the bytes."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator


def _streams(pdf: bytes) -> Iterator[bytes]:
    for found in re.finditer(rb"<<([^<>]*(?:<<.*?>>)?[^<>]*)>>\s*stream\r?\n", pdf, re.DOTALL):
        start = found.end()
        content = pdf[start : pdf.index(b"endstream", start)]
        yield zlib.decompressobj().decompress(content) if b"FlateDecode" in found[1] else content


def operators(pdf: bytes) -> bytes:
    """Operators of the page: the streams that set a font."""
    return b"\n".join(one for one in _streams(pdf) if re.search(rb"/F\d+ [\d.]+ Tf", one))


def type_sizes(pdf: bytes) -> list[float]:
    """Size of every text [pt]."""
    return [float(size) for size in re.findall(rb"/F\d+ ([\d.]+) Tf", operators(pdf))]


def fills(pdf: bytes) -> set[str]:
    """Colours that areas are filled with, as #rrggbb."""
    page = operators(pdf)
    colours = re.findall(rb"([\d.]+)\s+([\d.]+)\s+([\d.]+)\s+rg\b", page)
    greys = [(grey,) * 3 for grey in re.findall(rb"([\d.]+)\s+g\b", page)]
    return {
        "#" + "".join(f"{round(255 * float(part)):02x}" for part in one)
        for one in (*colours, *greys)
    }
