"""Layout maps: read, checked, turned into a chip's parts without loss."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analog_model.chip import CouplingByCell, CouplingByClass, CouplingMap, Layout
from analog_model.chip.layout import LAYOUT_RULES
from analog_model.dataset import csv_export, io, layout_map
from analog_model.dataset.examples import data_folder, example_layout, example_layout_names
from analog_model.dataset.layout_ingest import import_layout, layout_from_files
from analog_model.dataset.source_file import SourceFile
from analog_model.errors import AnalogModelError, ConfigurationError, DataError

CELLS = """word_line,bit_line,layout_class,x_position [um],y_position [um]
0,0,left,0,0
0,1,right,1.5,0
1,0,left,0,2
1,1,right,1.5,2
"""
COUPLINGS = """layout_class,offset,kappa
left,-1,0.04
left,1,0.02
right,-1,0.01
right,1,-0.03
"""


def layout_from(cells: str, coupling: str | None = None, **options: Any) -> xr.Dataset:
    second = None if coupling is None else SourceFile("kappa.csv", coupling.encode())
    return layout_from_files(SourceFile("cells.csv", cells.encode()), coupling=second, **options)


def refusal(cells: str, coupling: str | None = None, **options: Any) -> str:
    with pytest.raises(AnalogModelError) as caught:
        layout_from(cells, coupling, **options)
    return str(caught.value)


def test_extraction_report_by_hand() -> None:
    dataset = layout_from(CELLS, COUPLINGS, attributes={"cell_pitch": 2e-6})
    layout = layout_map.layout_of(dataset)
    assert layout.class_names == ("left", "right")
    assert layout.layout_class.tolist() == [[0, 1], [0, 1]]
    assert layout.cell_pitch == 2e-6
    assert dataset.x_position.values.tolist() == [[0.0, 1.5e-6], [0.0, 1.5e-6]]
    coupling = layout_map.coupling_of(dataset)
    assert isinstance(coupling, CouplingByClass)
    assert coupling.offsets == (-1, 1)
    assert coupling.kappa.tolist() == [[0.04, 0.02], [0.01, -0.03]]


def test_couplings_cell_by_cell() -> None:
    rows = [f"{j},{i},1,{j + i / 10}" for j in range(2) for i in range(2)]
    dataset = layout_from(CELLS, "\n".join(["word_line,bit_line,offset,kappa", *rows]))
    coupling = layout_map.coupling_of(dataset)
    assert isinstance(coupling, CouplingByCell)
    assert coupling.kappa.tolist() == [[[0.0, 0.1], [1.0, 1.1]]]


def test_classes_may_be_numbers() -> None:
    numbers = CELLS.replace("left", "1").replace("right", "0")
    layout = layout_map.layout_of(layout_from(numbers))
    assert layout.layout_class.tolist() == [[1, 0], [1, 0]]
    assert layout.class_names == ("0", "1")


def test_coupling_from_capacitances() -> None:
    text = COUPLINGS.replace("kappa", "coupling_capacitance [aF]").replace("-0.03", "0.03")
    dataset = layout_from(CELLS, text)
    with pytest.raises(DataError, match="got coupling_capacitance only"):
        layout_map.coupling_of(dataset)
    options = {"v_word_line": 2.0, "slope_factor": 1.5, "temperature_celsius": 27.0}
    coupling = layout_map.coupling_of(
        layout_map.with_coupling(dataset, total_capacitance=4e-15, **options)
    )
    assert coupling is not None
    # By hand: U_T = 25.8649 mV at 300.15 K; 0.04 aF * 2 V / (4 fF * 1.5 * U_T).
    assert coupling.kappa[0, 0] == pytest.approx(0.04e-18 * 2 / (4e-15 * 1.5 * 25.8649e-3), 1e-5)
    with pytest.raises(ConfigurationError, match="option total_capacitance: expected a positive"):
        layout_map.with_coupling(dataset, total_capacitance=0.0, **options)


# Conversion to a chip's parts, both ways.

kappas = st.floats(-1, 1)


@st.composite
def chips_parts(draw: st.DrawFn) -> tuple[Layout, CouplingByClass | CouplingByCell | None]:
    n, m, classes = (draw(st.integers(1, 4)) for _ in range(3))
    layout = Layout(
        layout_class=draw(arrays(np.int64, (n, m), elements=st.integers(0, classes - 1))),
        class_names=tuple(f"class {k}" for k in range(classes)),
        cell_pitch=draw(st.none() | st.floats(1e-9, 1e-3)),
    )
    offsets = draw(
        st.lists(st.sampled_from([-2, -1, 1, 2]), min_size=1, max_size=4, unique=True).map(tuple)
    )
    kind = draw(st.sampled_from([None, CouplingByClass, CouplingByCell]))
    if kind is None:
        return layout, None
    shape = (classes, len(offsets)) if kind is CouplingByClass else (len(offsets), n, m)
    return layout, kind(offsets=offsets, kappa=draw(arrays(float, shape, elements=kappas)))


@settings(max_examples=25)
@given(chips_parts())
def test_layout_with_coupling_survives_a_file(
    parts: tuple[Layout, CouplingByClass | CouplingByCell | None],
) -> None:
    layout, coupling = parts
    content = io.encode_layout(layout_map.layout_map(layout, coupling=coupling))
    opened = io.decode_layout(content)
    assert layout_map.layout_of(opened) == layout
    assert layout_map.coupling_of(opened) == coupling


def test_sparse_coupling_keeps_every_entry() -> None:
    layout = Layout.uniform(3, 2)
    sparse = CouplingMap(
        victim=np.array([0, 2, 2]),
        aggressor=np.array([2, 0, 1]),
        kappa=np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]),
    )
    coupling = layout_map.coupling_of(layout_map.layout_map(layout, coupling=sparse))
    assert isinstance(coupling, CouplingByCell)
    assert coupling.offsets == (-2, -1, 2)
    expected = np.zeros((3, 3, 2))
    expected[2, 0] = [0.1, 0.2]
    expected[0, 2] = [0.3, 0.4]
    expected[1, 2] = [0.5, 0.6]
    np.testing.assert_array_equal(coupling.kappa, expected)


def test_csv_of_a_layout_gives_back_the_layout() -> None:
    dataset = example_layout("mirrored_columns_and_row_pairs")
    again = layout_from(csv_export.layout_csv(dataset))
    names = again.layout_class_name.values[again.layout_class.values]
    expected = dataset.layout_class_name.values[dataset.layout_class.values]
    np.testing.assert_array_equal(names, expected)


# The bundled layouts.


@pytest.mark.parametrize("name", sorted(LAYOUT_RULES))
def test_bundled_layout_follows_its_rule(name: str) -> None:
    options = {"period": 8} if name == "routed_feeders" else {}
    expected = LAYOUT_RULES[name](16, 16, **options)
    assert layout_map.layout_of(example_layout(name)) == expected


def test_there_is_a_bundled_layout_for_every_rule() -> None:
    assert set(example_layout_names()) == set(LAYOUT_RULES)


def test_bundled_extraction_report_is_imported() -> None:
    folder = data_folder() / "layouts"
    dataset = import_layout(
        folder / "extraction_report_cells.csv",
        coupling_path=folder / "extraction_report_couplings.csv",
    )
    assert dataset.coupling.sel(layout_class_name="plain", offset=1).item() == 0.025
    assert dataset.coupling_capacitance.sel(
        layout_class_name="mirrored", offset=1
    ).item() == pytest.approx(2.1e-18)
    assert "extraction_report_couplings.csv (sha256 " in dataset.attrs["history"]


# Violations.

Change = Callable[[xr.Dataset], xr.Dataset]

VIOLATIONS: dict[str, tuple[Change, str]] = {
    "class without a name": (
        lambda d: d.assign(layout_class=d.layout_class + 1),
        "layout_class[word_line=0, bit_line=1] in map.nc: expected a layout class from 0 to 1",
    ),
    "no classes": (
        lambda d: d.drop_vars("layout_class"),
        "layout_class in map.nc: expected the variable layout_class (word_line, bit_line)",
    ),
    "no names": (
        lambda d: d.drop_vars("layout_class_name"),
        "layout_class_name in map.nc: expected the variable layout_class_name",
    ),
    "repeated name": (
        lambda d: d.assign_coords(layout_class_name=["left", "left"]),
        "layout_class_name in map.nc: expected each label once, got 'left' at positions 0 and 1",
    ),
    "offset zero": (
        lambda d: d.assign_coords(offset=[0, 1]),
        "offset[offset=0] in map.nc: expected an offset other than 0",
    ),
    "no offsets": (
        lambda d: d.drop_vars("offset"),
        "offset in map.nc: expected the offset of each neighbour, in word lines",
    ),
    "coupling transposed": (
        lambda d: d.assign(coupling=d.coupling.transpose()),
        "coupling in map.nc: expected dims (layout_class_name, offset) or "
        "(offset, word_line, bit_line), got (offset, layout_class_name)",
    ),
    "coupling not finite": (
        lambda d: d.assign(coupling=d.coupling * np.nan),
        "coupling[layout_class_name='left', offset=-1] in map.nc: expected a finite coupling",
    ),
    "kappa under another name": (
        lambda d: d.rename(coupling="couplings"),
        "Did you mean 'coupling'?",
    ),
    "pitch of zero": (
        lambda d: d.assign_attrs(cell_pitch=0.0),
        "attribute cell_pitch in map.nc: expected a finite number in m above 0, got 0",
    ),
    "a measurement": (
        lambda d: d.assign_attrs(schema="analog-model/measurement/1"),
        "attribute schema in map.nc: expected 'analog-model/layout/1'",
    ),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_violation_is_named(name: str) -> None:
    change, fragment = VIOLATIONS[name]
    with pytest.raises(DataError) as caught:
        layout_map.validate_layout(change(layout_from(CELLS, COUPLINGS)), source="map.nc")
    assert fragment in str(caught.value)


@pytest.mark.parametrize(
    ("cells", "coupling", "fragment"),
    [
        (
            CELLS.replace("1,1,right,1.5,2\n", ""),
            None,
            "layout_class in cells.csv: expected a row for word_line=1, bit_line=1, got none",
        ),
        (
            CELLS + "1,1,left,0,0\n",
            None,
            "cells.csv line 6, column 'layout_class': expected one row for word_line=1",
        ),
        (
            CELLS.replace("left", ""),
            None,
            "cells.csv line 2, column 'layout_class': expected a layout class, got an empty",
        ),
        (
            CELLS.replace(" [um]", ""),
            None,
            "x_position in cells.csv: expected its unit, such as um",
        ),
        (
            CELLS,
            COUPLINGS.replace("right,1", "rihgt,1"),
            "kappa.csv line 5, column 'layout_class': expected one of left, right, got 'rihgt'",
        ),
        (
            CELLS,
            COUPLINGS.replace("right,1,-0.03\n", ""),
            "kappa in kappa.csv: expected a row for layout_class=right, offset=1, got none",
        ),
        (
            CELLS,
            COUPLINGS.replace("kappa", "kappa [mV]"),
            "kappa.csv, column 'kappa': expected no unit, or 1",
        ),
        (
            CELLS,
            COUPLINGS.replace("kappa", "coupling_capacitance"),
            "coupling_capacitance in kappa.csv: expected its unit, such as aF",
        ),
        (
            CELLS,
            COUPLINGS.replace("kappa", "kapa"),
            "kappa.csv, column 'kapa'",
        ),
        (
            CELLS,
            "layout_class,offset\nleft,1\nright,1\n",
            "kappa.csv, header: expected layout_class, offset or word_line, bit_line, offset",
        ),
        (
            CELLS,
            "word_line,bit_line,offset,kappa\n0,0,1,0.1\n0,1,1,0.1\n",
            "kappa.csv, column 'word_line': expected 2 lines as in the layout map, got 1",
        ),
    ],
)
def test_fault_of_a_report_is_named(cells: str, coupling: str | None, fragment: str) -> None:
    assert fragment in refusal(cells, coupling)


def test_measurement_is_no_layout_map() -> None:
    with pytest.raises(DataError, match="Open a layout map with open_layout"):
        io.open_layout(data_folder() / "measured" / "reference.nc")


def test_layout_map_opens_from_its_file(tmp_path: Path) -> None:
    io.save_layout(layout_from(CELLS, COUPLINGS), tmp_path / "map.nc")
    dataset = io.open_layout(tmp_path / "map.nc")
    assert dataset.coupling.attrs["units"] == "1"
    assert import_layout(tmp_path / "map.nc").coupling.identical(dataset.coupling)
    with pytest.raises(ConfigurationError, match="option coupling_path: expected no second file"):
        import_layout(tmp_path / "map.nc", coupling_path=tmp_path / "map.nc")
