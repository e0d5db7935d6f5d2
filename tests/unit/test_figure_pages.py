"""Figures of the paper on every journal's page: its rules, nothing cut off, nothing overlapping.

What is in a PDF is read from its bytes, where a text stands is what Matplotlib drew.
"""

from __future__ import annotations

import base64
import io
import itertools
import re
from collections.abc import Callable
from typing import Any

import holoviews as hv
import numpy as np
import pytest
import xarray as xr
from matplotlib.text import Text
from PIL import Image

import analog_model as am
from analog_model.errors import ConfigurationError
from analog_model.figures import calibration, crosstalk, story, training
from analog_model.figures.colours import CATEGORICAL, DIVERGING, KIND_COLOURS
from analog_model.figures.paper import save_figure
from analog_model.figures.preset import PRESETS
from analog_model.figures.wording import MODEL_LABELS
from tests.printed_page import fills, type_sizes

KINDS = ["random", "sparse", "binary"]
# Points of type that a page may have; a subscript is 0.7 of its label.
TYPE = {"ieee": (0.7 * 9, 10), "nature": (0.7 * 7, 8), "slides": (0.7 * 18, 18)}
WIDTHS = {"ieee_one_column": 3.5 * 72, "nature_one_column": 89 / 25.4 * 72, "slides": 11.5 * 72}


def report() -> xr.Dataset:
    """The whole ladder, from 20 to 1000, with the limit by noise."""
    ratios = np.geomspace(20, 1000, len(MODEL_LABELS))[:, None, None] * [[[1.0], [0.6], [0.9]]]
    return xr.Dataset(
        {
            "signal_to_error_ratio": (("model", "kind", "split"), ratios),
            "ceiling": (("model", "kind", "split"), np.full_like(ratios, 1100.0)),
            "n_patterns": (("kind", "split"), np.full((3, 1), 40)),
        },
        coords={"model": list(MODEL_LABELS), "kind": KINDS, "split": ["test"]},
    )


def parameters() -> xr.Dataset:
    classes = ("lower plain", "upper plain", "lower mirrored", "upper mirrored")
    names = [f"kappa[{name}, {offset:+d}]" for name in classes for offset in (-2, -1, 1, 2)]
    value = np.linspace(0.0, 0.12, len(names))
    return xr.Dataset(
        {
            "value": ("parameter", value),
            "interval": (("parameter", "bound"), np.stack([value - 0.01, value + 0.01], axis=1)),
        },
        coords={"parameter": names, "bound": ["lower", "upper"]},
    )


def extraction() -> tuple[xr.Dataset, xr.Dataset]:
    methods = ["single", "leave_one_out", "regression", "joint"]
    ratios = np.array([20.0, 9.0, 120.0, 22.0])[:, None, None, None] * np.ones((4, 1, 3, 1))
    dims = ("extraction", "model", "kind", "split")
    comparison = xr.Dataset(
        {
            "signal_to_error_ratio": (dims, ratios),
            "n_patterns": (("kind", "split"), np.full((3, 1), 40)),
            "n_measurements": ("extraction", [16, 17, 315, 332]),
        },
        {"extraction": methods, "model": ["ideal"], "kind": KINDS, "split": ["test"]},
    )
    counts = np.array([1, 4, 16, 64, 256])
    middle = np.stack([np.geomspace(40, 120, 5), np.geomspace(3, 118, 5)])[:, :, None]
    dims = ("held_to", "n_patterns", "kind")
    effort = xr.Dataset(
        {
            "signal_to_error_ratio": (dims, middle),
            "lowest": (dims, middle / 1.5),
            "highest": (dims, middle * 1.1),
            "n_measurements": (dims[:2], np.stack([16 + counts, counts])),
            "one_hot_ratio": ("kind", [20.0]),
        },
        coords={"held_to": ["one_hot", "nothing"], "n_patterns": counts, "kind": ["random"]},
    )
    return comparison, effort


def records(networks: tuple[str, ...] = ("lenet5",)) -> list[xr.Dataset]:
    """Two seeds of three modes, four epochs of ten steps each."""
    found = []
    for network, mode, seed in itertools.product(
        networks, ("float", "noise", "hardware_aware"), (0, 1)
    ):
        accuracy = 0.9 + 0.02 * np.arange(4) + 0.005 * seed
        found.append(
            xr.Dataset(
                {
                    "evaluated_accuracy": ("epoch", accuracy),
                    "step_loss": ("training_step", np.geomspace(2.3, 0.1, 40)),
                    "accuracy": ((), accuracy[-1]),
                },
                {"epoch": np.arange(4), "training_step": np.arange(40)},
                {"network": network, "mode": mode, "images": "mnist", "evaluated_on": "test"},
            )
        )
    return found


def cells(kind: str, measurement: xr.Dataset) -> xr.DataArray:
    return am.crosstalk_map(measurement, kind=kind)["crosstalk_current"]


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    measured = am.example_chip()
    chip = am.synthetic_chip(16, 16)
    width = np.linspace(1.0, 0.1, 16) * 1e-6
    pairs = cells("pair", measured)
    return {
        "array": story.array_figure(chip, parameters(), width),
        "slots": story.slots_figure(chip, width, bit_line=3),
        "crosstalk": crosstalk.crosstalk_comparison(pairs, 0.9 * pairs),
        "ladder": calibration.ser_ladder(report()),
        "extraction": story.extraction_figure(*extraction()),
        "accuracy": training.accuracy_figure(records()),
    }


def printed(element: Any, preset: str, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, Any, Any]:
    """PDF of an element, its page's box, every text in it with the box that it takes."""
    drawn: dict[int, tuple[str, Any]] = {}
    pages = []
    original = Text.draw

    def draw(self: Text, renderer: Any) -> None:
        original(self, renderer)
        if self.get_text().strip() and self.get_visible():
            drawn[id(self)] = self.get_text(), self.get_window_extent(renderer).frozen()
            pages[:] = [self.get_figure(root=True).bbox.frozen()]

    target = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setattr(Text, "draw", draw)
        save_figure(element, target, format="pdf", preset=preset)
    return target.getvalue(), pages[0], list(drawn.values())


# Number of lettered panels; the pages that are hardest to fill.
PANELS = {"array": 3, "slots": 2, "crosstalk": 3, "ladder": 0, "extraction": 2, "accuracy": 2}
PAGES = [
    (name, preset)
    for name in PANELS
    for preset in WIDTHS
    if preset != "slides" or name in ("array", "ladder")
]


@pytest.mark.parametrize(("name", "preset"), PAGES)
def test_a_page_keeps_its_journals_rules(
    figures: dict[str, Any], name: str, preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pdf, page, texts = printed(figures[name], preset, monkeypatch)
    (box,) = re.findall(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", pdf)
    assert float(box[0]) == pytest.approx(WIDTHS[preset], abs=0.01)
    assert float(box[1]) <= PRESETS[preset].max_height / 0.0254 * 72 + 0.01
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    sizes = type_sizes(pdf)
    low, high = TYPE[preset.split("_", maxsplit=1)[0]]
    assert min(sizes) >= low - 0.01
    assert max(sizes) <= high

    assert len(texts) > 8
    style = "({})" if preset.startswith("ieee") else "{}"
    letters = [text for text, _ in texts if re.fullmatch(r"\(?[a-z]\)?", text)]
    assert letters == [style.format("abc"[k]) for k in range(PANELS[name])]
    if name == "slots":
        assert {"time (µs)", "bit-line current (µA)"} <= {text for text, _ in texts}
    for text, place in texts:
        assert place.x0 >= 0, text
        assert place.y0 >= 0, text
        assert place.x1 <= page.x1, text
        assert place.y1 <= page.y1, text
    for (one, here), (other, there) in itertools.combinations(texts, 2):
        # Boxes include the font's blank margins, of which two may touch.
        apart = (
            min(here.x1, there.x1) - max(here.x0, there.x0) < 1.5
            or min(here.y1, there.y1) - max(here.y0, there.y0) < 1.5
        )
        assert apart, f"{one!r} over {other!r}"


def test_printed_areas_have_the_colours_on_screen(figures: dict[str, Any]) -> None:
    target = io.BytesIO()
    save_figure(figures["ladder"], target, format="pdf")
    assert {KIND_COLOURS[kind] for kind in KINDS} <= fills(target.getvalue())
    target = io.BytesIO()
    save_figure(figures["array"], target, format="pdf")
    assert set(CATEGORICAL[:4]) <= fills(target.getvalue())


def test_a_printed_map_has_the_colour_of_every_cell() -> None:
    """The picture in the SVG against the palette that the screen has, cell by cell."""
    values = np.linspace(-1.0, 1.0, 24).reshape(4, 6) * 1e-9
    sides = {"word_line": range(4), "bit_line": range(6)}
    data = xr.DataArray(values, sides, tuple(sides), "current", {"units": "A"})
    target = io.BytesIO()
    save_figure(crosstalk.array_map(data, signed=True), target, format="svg")
    # The map first, the colour bar second.
    content = re.findall(rb'"data:image/png;base64,([^"]+)"', target.getvalue())[0]
    with Image.open(io.BytesIO(base64.b64decode(content))) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    # Matplotlib may store it upside down and turn it back.
    if b"scale(1 -1)" in target.getvalue():
        pixels = pixels[::-1]
    down = ((np.arange(4) + 0.5) / 4 * pixels.shape[0]).astype(int)
    across = ((np.arange(6) + 0.5) / 6 * pixels.shape[1]).astype(int)
    index = np.minimum((values + 1e-9) / 2e-9 * 256, 255).astype(int)
    expected = [[DIVERGING[k] for k in row] for row in index]
    found = [["#" + bytes(pixels[j, i]).hex() for i in across] for j in down]
    assert found == expected


def test_what_does_not_fit_the_page_is_refused() -> None:
    figure = training.accuracy_figure(records(("mlp_4x4", "lenet5", "vgg_small")))
    with pytest.raises(
        ConfigurationError, match="preset slides: expected panels that fit into 121"
    ):
        save_figure(figure, io.BytesIO(), format="pdf", preset="slides")


def test_runs_of_one_experiment_are_its_seeds() -> None:
    overlay = training.final_accuracy(records())
    points = [part for part in overlay if isinstance(part, hv.Scatter)]
    assert [list(one.dimension_values(0)) for one in points] == [
        pytest.approx([96.0, 96.5]) for _ in range(3)
    ]
    labels = next(part for part in overlay if isinstance(part, hv.Labels))
    # Mean 96.25, standard deviation 0.5 / sqrt 2.
    assert list(labels.dimension_values(2)) == ["96.25 ± 0.35 %"] * 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda runs: [], "at least one record"),
        (
            lambda runs: [runs[0], runs[1].assign_attrs(images="mnist_5k")],
            "expected one image set, mnist, got mnist_5k",
        ),
    ],
)
def test_records_that_do_not_belong_together(
    change: Callable[[list[xr.Dataset]], list[xr.Dataset]], said: str
) -> None:
    with pytest.raises(am.errors.DataError, match=said):
        training.final_accuracy(change(records()))
