"""Settings that an option of a command spells in text or names by a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from analog_model.cli import sources
from analog_model.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from analog_model.chip import Chip


def shape(text: str) -> tuple[int, int]:
    """Array shape, "128x64" for 128 word lines, 64 bit lines."""
    word_lines, _, bit_lines = text.partition("x")
    if not (word_lines.isdecimal() and bit_lines.isdecimal()):
        raise ConfigurationError(
            "option --array-shape", expected="WORDLINESxBITLINES, such as 128x128", got=repr(text)
        )
    return int(word_lines), int(bit_lines)


def chip(path: Path) -> Chip:
    """Chip of a YAML file, or of a calibration without what single cells added.

    Cell by cell a chip has no continuation to other array shapes.
    """
    calibration = sources.read_calibration(str(path))
    return sources.read_chip(str(path)) if calibration is None else calibration.shared_chip


def mapping(path: Path) -> dict[str, Any]:
    """Names with values from a YAML file; only plain data is read."""
    import yaml

    from analog_model.dataset.io import read_bytes

    try:
        found = yaml.safe_load(read_bytes(path))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(str(path), expected="valid YAML", got=reason) from None
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise DataError(str(path), expected="names with values", got=type(found).__name__)
    return found
