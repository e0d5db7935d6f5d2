"""Catalogue of the published image data sets: files, sizes, checksums, addresses.

MNIST: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", 1998.
Its first home no longer serves the files; the addresses are the mirrors of the CVDF and of
PyTorch.

CIFAR-10: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
The addresses are its author's, new and old, then a mirror by Swift for TensorFlow.

The SHA-256 of members were taken from files whose MD5 is the published one, or which stood
in the archive with the published MD5 c32a1d4ab5d03f1284b67883e8d87530.
"""

from __future__ import annotations

from dataclasses import dataclass

DIGITS = tuple("0123456789")
OBJECTS = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


@dataclass(frozen=True)
class Member:
    """One file of a data set, not compressed; `size` [bytes]."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Download:
    """One file on the servers, as it comes; `size` [bytes]; `holds` names its members."""

    name: str
    size: int
    sha256: str
    holds: tuple[str, ...]
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Collection:
    """A data set as published, with the subfolders in which people keep it."""

    name: str
    members: tuple[Member, ...]
    downloads: tuple[Download, ...]
    subfolders: tuple[str, ...]


_MNIST_SERVERS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)


def _mnist_download(member: str, size: int, sha256: str) -> Download:
    name = f"{member}.gz"
    addresses = tuple(server + name for server in _MNIST_SERVERS)
    return Download(name, size, sha256, (member,), addresses)


MNIST = Collection(
    name="mnist",
    members=(
        Member(
            "train-images-idx3-ubyte",
            47_040_016,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        Member(
            "train-labels-idx1-ubyte",
            60_008,
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        Member(
            "t10k-images-idx3-ubyte",
            7_840_016,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        Member(
            "t10k-labels-idx1-ubyte",
            10_008,
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    downloads=(
        _mnist_download(
            "train-images-idx3-ubyte",
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        _mnist_download(
            "train-labels-idx1-ubyte",
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        _mnist_download(
            "t10k-images-idx3-ubyte",
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        _mnist_download(
            "t10k-labels-idx1-ubyte",
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
    subfolders=("mnist", "MNIST/raw", "."),
)

_CIFAR10_CHECKSUMS = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}

CIFAR10 = Collection(
    name="cifar10",
    members=tuple(Member(name, 30_730_000, sha256) for name, sha256 in _CIFAR10_CHECKSUMS.items()),
    downloads=(
        Download(
            "cifar-10-binary.tar.gz",
            170_052_171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            tuple(_CIFAR10_CHECKSUMS),
            (
                "https://cave.cs.toronto.edu/kriz/cifar-10-binary.tar.gz",
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/"
                "cifar-10-binary.tar.gz",
            ),
        ),
    ),
    subfolders=("cifar10", "cifar-10-batches-bin", "."),
)
