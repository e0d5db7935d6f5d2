"""Paper figures: exact widths, embedded fonts, the same bytes twice, the data they show."""

from __future__ import annotations

import hashlib
import io
import re
import struct
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import holoviews as hv
import numpy as np
import pytest
import xarray as xr

import analog_model as am
from analog_model.errors import ConfigurationError, DataError
from analog_model.figures import crosstalk, error, timeline
from analog_model.figures.paper import PNG_DPI, save_figure
from analog_model.figures.preset import PRESETS, Preset
from analog_model.figures.units import unit_for


def charges(kinds: tuple[str, ...] = ("random", "sparse")) -> tuple[xr.DataArray, xr.DataArray]:
    generator = np.random.default_rng(1)
    measured = xr.DataArray(
        generator.uniform(0.0, 4e-12, (12, 4)),
        dims=("pattern", "bit_line"),
        coords={"kind": ("pattern", np.resize(kinds, 12)), "split": ("pattern", ["test"] * 12)},
        name="measured_charge",
    )
    return measured, (0.9 * measured).rename("ideal_charge")


def cells(n_word_lines: int = 6, n_bit_lines: int = 8, **attrs: str) -> xr.DataArray:
    values = np.linspace(-3e-9, 5e-9, n_word_lines * n_bit_lines)
    return xr.DataArray(
        values.reshape(n_word_lines, n_bit_lines),
        dims=("word_line", "bit_line"),
        coords={"word_line": np.arange(n_word_lines), "bit_line": np.arange(n_bit_lines)},
        name="crosstalk_current",
        attrs={"units": "A", **attrs},
    )


def saved(element: Any, kind: str, preset: str | Preset = "ieee_one_column") -> bytes:
    target = io.BytesIO()
    save_figure(element, target, format=kind, preset=preset)
    return target.getvalue()


NAMES = (
    "charges", "errors", "bit lines", "kinds", "effects", "map", "comparison", "classes", "timeline"
)  # fmt: skip


def every_figure() -> dict[str, Any]:
    measured, ideal = charges()
    chip = am.synthetic_chip(6, 8)
    layout_class = xr.DataArray(chip.layout.layout_class, dims=("word_line", "bit_line"))
    layout_class = layout_class.assign_coords(word_line=range(6), bit_line=range(8))
    width = xr.DataArray(np.arange(12.0).reshape(2, 6) * 40e-9, dims=("pattern", "word_line"))
    return {
        "charges": error.charge_scatter(measured, ideal),
        "errors": error.error_scatter(measured, ideal),
        "bit lines": error.bit_line_bars(am.error_by_bit_line(measured, ideal)),
        "kinds": error.kind_bars(am.error_by_kind(measured, ideal)),
        "effects": error.effect_bars(am.effect_contributions(chip, width)),
        "map": crosstalk.map_with_cell(crosstalk.array_map(cells(), signed=True), 1, 2),
        "comparison": crosstalk.crosstalk_comparison(cells(), 0.8 * cells()),
        "classes": crosstalk.layout_map(layout_class, chip.layout.class_names),
        "timeline": timeline.pulse_timeline(am.slot_timeline(chip, width.values[1]), time_slot=1),
    }


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    found = every_figure()
    assert tuple(found) == NAMES
    return found


@pytest.mark.parametrize("name", ["charges", "bit lines", "classes"])
def test_a_pdf_has_the_width_of_a_column_and_its_fonts(figures: dict[str, Any], name: str) -> None:
    content = saved(figures[name], "pdf")
    assert content.startswith(b"%PDF-")
    (box,) = re.findall(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", content)
    assert float(box[0]) == pytest.approx(3.5 * 72, abs=0.01)
    # TrueType outlines (FontFile2), none of Type 3, which publishers reject.
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    assert b"CreationDate" not in content


@pytest.mark.parametrize(
    ("width", "inches"),
    [
        ("ieee_two_columns", 7.16),
        ("slides", 11.5),
        (PRESETS["nature_one_column"].replace(width=0.12), 120 / 25.4),
    ],
    ids=["ieee", "slides", "own"],
)
def test_widths_are_exact_in_every_format(
    figures: dict[str, Any], width: str | Preset, inches: float
) -> None:
    (points,) = re.findall(rb"/MediaBox \[ ?0 0 ([\d.]+)", saved(figures["kinds"], "pdf", width))
    assert float(points) == pytest.approx(72 * inches, abs=0.01)
    root = ET.fromstring(saved(figures["kinds"], "svg", width))
    assert float(root.attrib["width"].removesuffix("pt")) == pytest.approx(72 * inches, abs=0.01)
    png = saved(figures["kinds"], "png", width)
    assert png.startswith(b"\x89PNG\r\n")
    (pixels,) = struct.unpack(">I", png[16:20])
    assert pixels == pytest.approx(PNG_DPI * inches, abs=1)


def test_letters_of_an_svg_are_outlines(figures: dict[str, Any]) -> None:
    """So that it looks the same where the font is not installed."""
    root = ET.fromstring(saved(figures["charges"], "svg"))
    svg = "{http://www.w3.org/2000/svg}"
    assert root.findall(f".//{svg}text") == []
    assert len(root.findall(f".//{svg}use")) > 20


_AGAIN = """
import sys
sys.path.insert(0, {folder!r})
import test_figures
sys.stdout.write(test_figures.digests(test_figures.every_figure()))
"""


def digests(figures: dict[str, Any]) -> str:
    """Hashes of two figures, every format among them."""
    contents = [saved(figures["charges"], kind) for kind in ("pdf", "png")]
    contents += [saved(figures["comparison"], kind) for kind in ("pdf", "svg")]
    return " ".join(hashlib.sha256(content).hexdigest() for content in contents)


def test_the_same_figure_has_the_same_bytes_in_another_process(figures: dict[str, Any]) -> None:
    script = _AGAIN.format(folder=str(Path(__file__).parent))
    again = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, timeout=120, text=True
    ).stdout
    assert again.split() == digests(figures).split()


def test_sessions_save_at_once(figures: dict[str, Any]) -> None:
    """Threads neither fail nor mix their figures, and leave matplotlib's settings alone."""
    import matplotlib as mpl
    from matplotlib import pyplot

    alone = {name: saved(figures[name], "png") for name in ("map", "kinds")}
    before = dict(mpl.rcParams)
    results: dict[tuple[str, int], bytes] = {}

    def save(name: str, number: int) -> None:
        results[name, number] = saved(figures[name], "png")

    threads = [threading.Thread(target=save, args=(n, k)) for n in alone for k in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key: value == alone[key[0]] for key, value in results.items()} == {
        (name, k): True for name in alone for k in range(2)
    }
    assert dict(mpl.rcParams) == before
    assert pyplot.get_fignums() == []


def test_a_path_decides_the_format(figures: dict[str, Any], tmp_path: Path) -> None:
    save_figure(figures["kinds"], tmp_path / "kinds.svg")
    assert (tmp_path / "kinds.svg").read_bytes() == saved(figures["kinds"], "svg")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "jpg"}, "pdf, svg or png"),
        ({}, "Give the format"),
        ({"format": "pdf", "preset": "ieee_one_colum"}, "Did you mean 'ieee_one_column'"),
        ({"format": "pdf", "height": 0.3}, "0.01 m to 0.2235 m, the most of preset ieee_one"),
        (
            {"format": "pdf", "preset": PRESETS["slides"].replace(font="No Such Font")},
            "expected an installed font, got 'No Such Font'",
        ),
    ],
)
def test_what_cannot_be_saved_is_explained(
    figures: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        save_figure(figures["kinds"], io.BytesIO(), **options)


def test_a_scatter_holds_every_charge_in_its_unit() -> None:
    measured, ideal = charges(("sparse", "binary", "sparse"))
    overlay = error.charge_scatter(measured, ideal)
    drawn = {part.label: part for part in overlay if isinstance(part, hv.Scatter)}
    assert set(drawn) == {"sparse", "binary"}
    chosen = measured["kind"].values == "binary"
    x, y = (drawn["binary"].dimension_values(k) for k in (0, 1))
    assert x == pytest.approx(measured.values[chosen].ravel() * 1e12, rel=1e-6)
    assert y == pytest.approx(0.9 * measured.values[chosen].ravel() * 1e12, rel=1e-6)
    assert drawn["binary"].vdims[0].label == "ideal charge [pC]"


def test_errors_are_judged_minus_true() -> None:
    measured, ideal = charges(("random",))
    (points,) = (
        part for part in error.error_scatter(measured, ideal) if isinstance(part, hv.Scatter)
    )
    assert points.dimension_values(1) == pytest.approx(
        -100 * measured.values.ravel() * 1e12, rel=1e-5
    )
    assert points.vdims[0].label == "ideal − measured charge [fC]"


def test_two_splits_do_not_share_a_figure() -> None:
    measured, ideal = charges()
    mixed = measured.assign_coords(split=("pattern", ["test", "calibration"] * 6))
    with pytest.raises(DataError, match="calibration patterns are not drawn with test patterns"):
        error.bit_line_bars(am.error_by_bit_line(mixed, ideal))


def test_a_map_keeps_cells_and_sign() -> None:
    image = crosstalk.array_map(cells(), signed=True)
    columns, rows = (image.dimension_values(k, expanded=False) for k in (0, 1))
    drawn = image.dimension_values(2, flat=False)
    order = np.argsort(rows)
    assert sorted(columns) == list(range(8))
    assert drawn[order] == pytest.approx(cells().values * 1e9)
    low, high = hv.Store.lookup_options("matplotlib", image, "plot").kwargs["clim"]
    assert (low, high) == pytest.approx((-5.0, 5.0))
    assert image.vdims[0].label == "crosstalk current [nA]"


def test_compared_maps_share_one_scale() -> None:
    layout = crosstalk.crosstalk_comparison(cells(), 3 * cells())
    limits = {
        hv.Store.lookup_options("matplotlib", panel, "plot").kwargs["clim"] for panel in layout
    }
    assert len(layout) == 3
    ((low, high),) = limits
    assert (low, high) == pytest.approx((-15.0, 15.0))


def test_a_timeline_draws_every_pulse() -> None:
    chip = am.synthetic_chip(3, 2).replace(name="three")
    overlay = timeline.pulse_timeline(am.slot_timeline(chip, [2e-6, 0.0, 1e-6]))
    bars = next(part for part in overlay if isinstance(part, hv.Rectangles))
    ends = sorted(zip(bars.dimension_values(1) + 0.35, bars.dimension_values(2), strict=True))
    assert np.array(ends) == pytest.approx(np.array([(0.0, 2.0), (2.0, 1.0)]))
    cuts = next(part for part in overlay if isinstance(part, hv.Segments))
    assert sorted(cuts.dimension_values(0)) == pytest.approx([0.0, 1.0, 2.0])


@pytest.mark.parametrize(
    ("values", "symbol", "factor"),
    [
        ([3.2e-12, -1e-15], "pC", 1e-12),
        ([-4.4e-13], "fC", 1e-15),
        ([1e-12], "pC", 1e-12),
        ([0.0], "C", 1.0),
        ([2.0], "C", 1.0),
        ([1e-21], "aC", 1e-18),
        ([], "C", 1.0),
    ],
)
def test_prefixes(values: list[float], symbol: str, factor: float) -> None:
    unit = unit_for(values, "C")
    assert (unit.symbol, unit.factor) == (symbol, factor)
    assert unit.scaled([factor]) == pytest.approx([1.0])
