"""Files of a deployment: a folder for the laboratory, which gives the deployment back.

deployment.nc        every table, a group each
chip.yaml            one array without currents
arrays/array_000.csv its cells: current to program, what for
layers.csv           input and readout scaling
outputs.csv          scale, bias of every output
cost.csv, programming.csv, unreached.csv, accuracy.csv
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import xarray as xr

from analog_model import vocabulary as v
from analog_model.chip import Chip
from analog_model.dataset.csv_export import csv_text, decimal_digits
from analog_model.dataset.groups import decode_groups, encode_groups, group
from analog_model.dataset.io import MAX_BYTES, PathLike, read_bytes, save_text, write_bytes
from analog_model.deployment import tables
from analog_model.deployment.result import Deployment
from analog_model.errors import DataError
from analog_model.version import __version__

NETCDF, CHIP_FILE, ARRAYS_FOLDER = "deployment.nc", "chip.yaml", "arrays"
_NANO = -9


def save_deployment(
    deployment: Deployment, directory: PathLike, *, overwrite: bool = False
) -> tuple[Path, ...]:
    """Write a deployment into a folder, made if need be; the paths of its files.

    `deployment.nc` comes last: a folder without it is unfinished. Raises DataError if the
    folder holds anything and `overwrite` is not set, or if it cannot be made.
    """
    folder = _folder(Path(directory), overwrite=overwrite)
    written = []
    for name, text in _texts(deployment):
        save_text(text, folder / name, overwrite=overwrite)
        written.append(folder / name)
    write_bytes(folder / NETCDF, encode_deployment(deployment), overwrite=overwrite)
    return (*written, folder / NETCDF)


def open_deployment(directory: PathLike, *, max_bytes: int = MAX_BYTES) -> Deployment:
    """The deployment that `save_deployment` wrote into a folder.

    Raises DataError for anything else. Bounds of `open_measurement`.
    """
    folder = Path(directory)
    content = read_bytes(folder / NETCDF, max_bytes=max_bytes)
    text = read_bytes(folder / CHIP_FILE, max_bytes=max_bytes).decode("utf-8", "replace")
    return decode_deployment(content, Chip.from_yaml(text), source=NETCDF, max_bytes=max_bytes)


def encode_deployment(deployment: Deployment) -> bytes:
    """Bytes of the NetCDF4 file with a group for each table."""
    attrs = {
        "schema": tables.SCHEMA,
        "title": f"deployment on {deployment.chip.name}",
        "version": __version__,
        "chip_fingerprint": deployment.chip.fingerprint(),
        "digital_layers": json.dumps(dict(deployment.digital), ensure_ascii=False),
    }
    return encode_groups({name: getattr(deployment, name) for name in tables.SPECS}, attrs)


def decode_deployment(
    content: bytes, chip: Chip, *, source: str = "deployment", max_bytes: int = MAX_BYTES
) -> Deployment:
    """The deployment on `chip` held by the bytes of a NetCDF4 file; DataError for any other."""
    attrs, groups = decode_groups(content, tables.SCHEMA, source=source, max_bytes=max_bytes)
    found = {name: group(groups, name, (), source) for name in tables.SPECS}
    for name, dataset in found.items():
        tables.check_table(name, dataset, source)
    if attrs.get("chip_fingerprint") != chip.fingerprint():
        raise DataError(
            f"chip of {source}",
            expected="the chip that the deployment was made for",
            got=f"{chip.name!r} with other values",
            advice=f"Keep {CHIP_FILE} as it was written, or deploy anew.",
        )
    try:
        digital = dict(json.loads(str(attrs["digital_layers"])))
    except (LookupError, TypeError, ValueError) as error:
        raise DataError(
            f"attribute digital_layers of {source}",
            expected="names with reasons as this package writes them",
            got=f"{type(error).__name__}: {error}",
        ) from None
    return Deployment(chip=chip, **found, digital=digital)


def array_csv(arrays: xr.Dataset, array: int, layers: list[str]) -> str:
    """One row a cell of an array, the idle ones too: current to program, what for."""
    one = arrays.sel({v.ARRAY: array})
    current = one[v.TARGET_CURRENT].values
    layer = layers[int(one[tables.LAYER_OF_ARRAY])]
    rows, outputs, signs, minus = (
        one[name].values.tolist() for name in (v.WEIGHT_ROW, v.OUTPUT, v.SIGN, tables.MINUS_LINE)
    )
    header = [
        v.WORD_LINE,
        v.BIT_LINE,
        f"{v.TARGET_CURRENT} [nA]",
        v.LAYER,
        v.OUTPUT,
        v.WEIGHT_ROW,
        v.SIGN,
        tables.MINUS_LINE,
    ]
    cells = (
        [j, i, decimal_digits(ampere, _NANO), layer, outputs[i], rows[j], signs[i], minus[i]]
        for j, line in enumerate(current.tolist())
        for i, ampere in enumerate(line)
    )
    return csv_text(header, cells)


def table_csv(table: xr.Dataset) -> str:
    """One row an entry of a table, in SI units, repeated where a number holds for all."""
    names = [name for name in table.variables if name not in table.dims]
    dims = list(table.sizes)
    labels = [dim for dim in dims if dim in table.coords]
    whole = [table[name].broadcast_like(table).transpose(*dims) for name in [*labels, *names]]
    header = [
        f"{one.name} [{one.attrs['units']}]" if one.attrs.get("units", "1") != "1" else one.name
        for one in whole
    ]
    columns = [one.values.ravel().tolist() for one in whole]
    return csv_text([str(name) for name in header], zip(*columns, strict=True))


def _texts(deployment: Deployment) -> Iterator[tuple[str, str]]:
    """Name with content of each text file, one at a time: all of them may be large."""
    layers = [str(name) for name in deployment.layers[v.LAYER].values]
    yield CHIP_FILE, deployment.chip.to_yaml()
    for array in deployment.arrays[v.ARRAY].values.tolist():
        text = array_csv(deployment.arrays, array, layers)
        yield f"{ARRAYS_FOLDER}/array_{array:03d}.csv", text
    for name in tables.SPECS:
        if name != tables.ARRAYS:
            yield f"{name}.csv", table_csv(getattr(deployment, name))


def _folder(folder: Path, *, overwrite: bool) -> Path:
    """The folder with one for its arrays; without the arrays of an older deployment."""
    if folder.exists() and not folder.is_dir():
        raise DataError(str(folder), expected="a folder, or no such name", got="a file")
    if not folder.resolve().parent.is_dir():
        raise DataError(
            str(folder), expected="a folder within an existing one", got="no such folder"
        )
    if folder.is_dir() and any(folder.iterdir()):
        if not overwrite:
            raise DataError(
                str(folder),
                expected="an empty folder, or none",
                got="one with files",
                advice="Choose another name, or pass overwrite=True.",
            )
        (folder / NETCDF).unlink(missing_ok=True)
        for old in (folder / ARRAYS_FOLDER).glob("array_*.csv"):
            old.unlink()
    (folder / ARRAYS_FOLDER).mkdir(parents=True, exist_ok=True)
    return folder
