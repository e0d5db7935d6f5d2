"""CSV import: the same numbers, and one message with file, line, column for every fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from analog_model.dataset.examples import data_folder, example_chip
from analog_model.dataset.ingest import import_measurement, measurement_from_files
from analog_model.dataset.source_file import SourceFile
from analog_model.errors import AnalogModelError, ConfigurationError, DataError

WIDE = """# time in ns, charge in fC
kind,split,t0,t1,q0
single,calibration,1240,0,819.006
random,test,40,80,-0.4
"""
PULSES = """pattern,word_line,pulse_width [ns],kind,split
7,0,1240,single,calibration
7,1,0,single,calibration
9,0,40,random,test
9,1,80,random,test
"""
CHARGES = """pattern,bit_line,charge [fC]
7,0,819.006
9,0,-0.4
"""
CURRENTS = """word_line,bit_line,cell_current [nA]
0,0,660
1,0,1.5
"""


def imported(
    text: str | bytes,
    *,
    charge: str | None = None,
    cell_current: str | None = None,
    layout: str | None = None,
    **options: Any,
) -> xr.Dataset:
    def file(name: str, content: str | bytes | None) -> SourceFile | None:
        if content is None:
            return None
        return SourceFile(name, content.encode() if isinstance(content, str) else content)

    main = file("chip.csv", text)
    assert main is not None
    return measurement_from_files(
        main,
        charge=file("charge.csv", charge),
        cell_current=file("current.csv", cell_current),
        layout=file("layout.csv", layout),
        **options,
    )


def refusal(text: str | bytes, **options: Any) -> str:
    with pytest.raises(AnalogModelError) as caught:
        imported(text, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# The same numbers.


def test_laboratory_file_gives_the_numbers_of_the_example_chip() -> None:
    chip = example_chip()
    chip = chip.isel(pattern=(chip.weight_set_of_pattern == 0).values)
    wide = import_measurement(data_folder() / "measured" / "reference_wide.csv")
    assert wide.sizes == {"pattern": 508, "word_line": 16, "bit_line": 16}
    # Six digits are printed, so half a unit of the sixth may differ.
    np.testing.assert_allclose(wide.charge, chip.charge, rtol=5.1e-6, atol=0)
    np.testing.assert_allclose(wide.pulse_width, chip.pulse_width, rtol=1e-15, atol=0)
    assert wide.kind.values.tolist() == chip.kind.values.tolist()
    assert wide.split.values.tolist() == chip.split.values.tolist()
    assert "cell_current" not in wide


def test_wide_values_by_hand() -> None:
    chip = imported(WIDE)
    assert chip.pulse_width.values.tolist() == [[1.24e-6, 0.0], [4e-8, 8e-8]]
    assert chip.charge.values.tolist() == [[819.006e-15], [-4e-16]]
    assert chip.pattern.values.tolist() == [0, 1]
    assert chip.pulse_width.attrs["units"] == "s"
    assert chip.charge.attrs["units"] == "C"


def test_tidy_values_by_hand() -> None:
    chip = imported(PULSES, charge=CHARGES, cell_current=CURRENTS, attributes={"bits": 5})
    assert chip.pulse_width.sel(pattern=9).values.tolist() == [4e-8, 8e-8]
    assert chip.charge.sel(pattern=9).values.tolist() == [-4e-16]
    assert chip.kind.sel(pattern=7).item() == "single"
    assert chip.split.sel(pattern=9).item() == "test"
    assert chip.cell_current.values.tolist() == [[[6.6e-7], [1.5e-9]]]
    assert chip.attrs["bits"] == 5


def test_tidy_pulses_with_charges_in_one_file() -> None:
    stacked = """pattern,word_line,pulse_width [ns],bit_line,charge [fC]
7,0,1240,,
7,1,0,,
9,0,40,,
9,1,80,,
7,,,0,819.006
9,,,0,-0.4
"""
    beside = """pattern,word_line,pulse_width [ns],bit_line,charge [fC]
7,0,1240,0,819.006
7,1,0,,
9,0,40,0,-0.4
9,1,80,,
"""
    expected = imported(PULSES, charge=CHARGES).drop_vars(["kind", "split"]).drop_attrs()
    for text in (stacked, beside):
        xr.testing.assert_identical(imported(text).drop_attrs(), expected)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        pytest.param(WIDE.replace("\n", "\r\n"), {}, id="CRLF"),
        pytest.param(WIDE.replace("\n", "\r"), {}, id="CR"),
        pytest.param(b"\xef\xbb\xbf" + WIDE.encode(), {}, id="byte-order mark"),
        pytest.param(WIDE.replace(",", ";").replace("; charge", ", charge"), {}, id="semicolons"),
        pytest.param(WIDE.replace(",", "\t"), {}, id="tabs"),
        pytest.param(WIDE.replace(",", " , "), {}, id="spaces"),
        pytest.param(WIDE.replace("1240", '"1240"'), {}, id="quotes"),
        pytest.param("\n" + WIDE.replace("random", "\nrandom") + "\n\n", {}, id="blank lines"),
        pytest.param(WIDE.replace("1240", "1.24e3"), {}, id="exponent"),
        pytest.param(
            WIDE.replace(",", ";").replace(".", ",").replace("; charge", ", charge"),
            {"decimal": ","},
            id="decimal commas",
        ),
        pytest.param(
            WIDE.split("\n", 1)[1],
            {"pulse_width_unit": "ns", "charge_unit": "fC"},
            id="units by option",
        ),
        pytest.param(
            WIDE.split("\n", 1)[1].replace("t0,t1,q0", "t0 [ns],t1[ns],q0 (fC)"),
            {},
            id="units in brackets",
        ),
        pytest.param(
            WIDE.split("\n", 1)[1].replace("t0,t1,q0", "t0_ns,t1_ns,q0_fC"),
            {},
            id="units after an underscore",
        ),
        pytest.param(
            WIDE.replace("time in ns, charge in fC", "pulse_width [ns]\n# charge: fC"),
            {"charge_unit": "fC"},
            id="two comments and an agreeing option",
        ),
        pytest.param(
            WIDE.split("\n", 1)[1].replace("t0,t1", "t0 [µs],t1 [µs]").replace("q0", "q0 [fC]")
            .replace("1240", "1.24").replace(",40,80", ",0.04,0.08"),
            {},
            id="microseconds",
        ),
    ],
)  # fmt: skip
def test_ways_to_write_the_same(text: str | bytes, options: dict[str, Any]) -> None:
    xr.testing.assert_identical(imported(text, **options).drop_attrs(), imported(WIDE).drop_attrs())


def test_number_is_rounded_once() -> None:
    text = "t0 [ns],q0 [fC]\n" + "".join(f"{k}.3,{k}.7\n" for k in range(1, 300))
    chip = imported(text)
    assert chip.pulse_width.values[:, 0].tolist() == [float(f"{k}.3e-9") for k in range(1, 300)]
    assert chip.charge.values[:, 0].tolist() == [float(f"{k}.7e-15") for k in range(1, 300)]


def test_netcdf_is_recognised_by_its_content(tmp_path: Path) -> None:
    misnamed = tmp_path / "chip.csv"
    misnamed.write_bytes((data_folder() / "measured" / "reference.nc").read_bytes())
    chip = import_measurement(misnamed)
    assert chip.charge.identical(example_chip().charge)
    assert "imported chip.csv (sha256 " in chip.attrs["history"]


# Units are never guessed.

NO_UNITS = WIDE.split("\n", 1)[1]


@pytest.mark.parametrize(
    ("text", "options", "fragments"),
    [
        (
            NO_UNITS,
            {},
            [
                "pulse_width in chip.csv: expected its unit, such as ns",
                "got no unit in header, comment or option",
                "pulse_width_unit='ns'",
            ],
        ),
        (NO_UNITS, {"pulse_width_unit": "ns"}, ["charge in chip.csv: expected its unit"]),
        (
            WIDE,
            {"pulse_width_unit": "us"},
            [
                "pulse_width in chip.csv: expected one unit; option pulse_width_unit says 'us', "
                "got 'ns' from the comment"
            ],
        ),
        (
            WIDE.replace("q0", "q0 [pC]"),
            {},
            ["charge in chip.csv: expected one unit", "got 'pC' from column 'q0'"],
        ),
        (
            NO_UNITS.replace("t0,t1", "t0 [ns],t1 [us]"),
            {"charge_unit": "fC"},
            ["expected one unit; column 't0' says 'ns', got 'us' from column 't1'"],
        ),
        (
            NO_UNITS,
            {"pulse_width_unit": "fC", "charge_unit": "fC"},
            ["option pulse_width_unit of chip.csv: expected a unit of pulse_width", "got 'fC'"],
        ),
        (
            NO_UNITS.replace("q0", "q0 [electrons]"),
            {"pulse_width_unit": "ns"},
            ["column 'q0' of chip.csv: expected a unit of charge", "got 'electrons'"],
        ),
        (
            WIDE.replace("charge in fC", "charge in ns"),
            {},
            ["the comment of chip.csv: expected a unit of charge", "got 'ns'"],
        ),
        (
            PULSES.replace(" [ns]", ""),
            {"charge": CHARGES},
            ["pulse_width in chip.csv: expected its unit"],
        ),
        (
            PULSES,
            {"charge": CHARGES, "cell_current": CURRENTS.replace(" [nA]", "")},
            ["cell_current in current.csv: expected its unit, such as nA"],
        ),
    ],
)
def test_units_are_stated_once(text: str, options: dict[str, Any], fragments: list[str]) -> None:
    message = refusal(text, **options)
    for fragment in fragments:
        assert fragment in message


# Faults of a wide file.

WIDE_FAULTS = {
    "ragged short": (
        WIDE.replace("40,80,-0.4", "40,80"),
        ["chip.csv line 4: expected 5 cells as in the header, got 4 cells", "missing"],
    ),
    "ragged long": (
        WIDE.replace("40,80,-0.4", "40,80,0,4,-0.4"),
        ["chip.csv line 4: expected 5 cells", "got 7 cells", "Decimal commas need semicolons"],
    ),
    "text in a number": (
        WIDE.replace("80", "8o"),
        [
            "chip.csv line 4, column 't1': expected a number with a decimal point, got '8o'",
        ],
    ),
    "decimal comma": (
        WIDE.replace(",", ";").replace("819.006", "819,006").replace("; charge", ", charge"),
        ["chip.csv line 3, column 'q0'", "got '819,006'", "pass decimal=','"],
    ),
    "empty cell": (
        WIDE.replace(",80,", ",,"),
        ["chip.csv line 4, column 't1'", "got ''", "Nothing is filled in"],
    ),
    "NaN": (WIDE.replace("-0.4", "nan"), ["chip.csv line 4, column 'q0'", "got 'nan'"]),
    "infinite": (
        WIDE.replace("-0.4", "1e999"),
        ["chip.csv line 4, column 'q0': expected a finite number, got '1e999'"],
    ),
    "thousands separator": (
        WIDE.replace("1240", "1_240"),
        ["chip.csv line 3, column 't0'", "got '1_240'"],
    ),
    "negative width": (
        WIDE.replace("80", "-80"),
        ["chip.csv line 4, column 't1': expected a finite number of at least 0, got '-80'"],
    ),
    "missing column": (
        WIDE.replace("t1", "t2"),
        ["chip.csv, header: expected columns t0, t1,", "got no column 't1'", "Present: t0, t2"],
    ),
    "no charges": (
        "t0 [ns],t1 [ns]\n1,2\n",
        ["chip.csv, header: expected columns q0, q1,", "got no column 'q0'"],
    ),
    "duplicate column": (
        WIDE.replace("t1", "t0"),
        ["chip.csv line 2: expected each column once, got 't0' as columns 3 and 4"],
    ),
    "nameless column": (
        WIDE.replace("t1", ""),
        ["chip.csv line 2: expected a name for every column, got none for no. 4"],
    ),
    "misspelt column": (
        WIDE.replace("split", "spilt"),
        ["chip.csv, column 'spilt'", "Did you mean 'split'?"],
    ),
    "unknown kind": (
        WIDE.replace("single", "signle"),
        ["chip.csv line 3, column 'kind'", "got 'signle'", "Did you mean 'single'?"],
    ),
    "unknown split": (
        WIDE.replace("test", "validation"),
        ["chip.csv line 4, column 'split': expected one of calibration, test"],
    ),
    "duplicate pattern": (
        "pattern,t0 [ns],q0 [fC]\n4,1,2\n5,1,2\n4,1,2\n",
        [
            "chip.csv line 4, column 'pattern': expected a label that no other row has",
            "got 4, the label of line 2 too",
            "Give each repetition of the same pulses its own label",
        ],
    ),
    "fractional pattern": (
        "pattern,t0 [ns],q0 [fC]\n4.5,1,2\n",
        ["chip.csv line 2, column 'pattern': expected a whole number, got '4.5'"],
    ),
    "header only": (
        "\n".join(WIDE.splitlines()[:2]),
        ["chip.csv: expected at least one row below the header, got none"],
    ),
    "comment only": ("# time in ns\n", ["chip.csv: expected a header line"]),
    "comment among the rows": (
        WIDE.replace("random", "# warmer now\nrandom"),
        ["chip.csv line 4: expected comments above the header only, got '# warmer now'"],
    ),
    "two separators": (
        WIDE.replace("t0,t1", "t0;t1"),
        ["chip.csv line 2", "got commas together with semicolons"],
    ),
    "open quote": (
        WIDE.replace("819.006", '"819.006'),
        ["chip.csv line 3: expected CSV cells, got a broken line"],
    ),
    "columns of something else": (
        "voltage,current\n1,2\n",
        ["chip.csv, header: expected columns of a wide", "or tidy", "got voltage, current"],
    ),
    "prose": ("Dear colleague\n", ["chip.csv line 1: expected column names", "Dear colleague"]),
}


@pytest.mark.parametrize("name", WIDE_FAULTS)
def test_fault_of_a_wide_file_is_named(name: str) -> None:
    text, fragments = WIDE_FAULTS[name]
    message = refusal(text)
    for fragment in fragments:
        assert fragment in message


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        (bytes(4096), "chip.csv line 1: expected text (CSV), or a NetCDF4 file, got the control"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "chip.csv line 1: expected text in UTF-8 (CSV), or a"),
        (b"kind,t0\nsingle,1\xb5\n", "chip.csv line 2: expected text in UTF-8"),
        (WIDE.encode("utf-16"), "chip.csv: expected text in UTF-8, got text in UTF-16"),
        (b"CDF\x01" + bytes(60), "got a NetCDF classic file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(60), "expected an intact NetCDF4 file"),
        (b"PK\x03\x04" + bytes(60), "expected text (CSV), or a NetCDF4 file"),
    ],
)
def test_binary_junk_is_named(content: bytes, fragment: str) -> None:
    assert fragment in refusal(content)


def test_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    with pytest.raises(DataError, match=r"empty\.csv: expected a file with content"):
        import_measurement(tmp_path / "empty.csv")


def test_csv_is_bounded_by_the_memory_it_takes() -> None:
    message = refusal(WIDE, max_bytes=1000)
    assert "chip.csv: expected a CSV file of at most 62 bytes" in message


# Faults of tidy files.


@pytest.mark.parametrize(
    ("pulses", "charge", "fragments"),
    [
        pytest.param(
            PULSES + "9,1,80,random,test\n",
            CHARGES,
            [
                "chip.csv line 6, column 'pulse_width': expected one row for pattern=9, "
                "word_line=1, got a second one; the first is line 5"
            ],
            id="duplicate",
        ),
        pytest.param(
            PULSES.replace("9,0,40,random,test\n", ""),
            CHARGES,
            [
                "pulse_width in chip.csv: expected a row for pattern=9, word_line=0, got none",
                "a pulse that is not sent has width 0",
            ],
            id="missing row",
        ),
        pytest.param(
            PULSES,
            CHARGES.replace("9,0,-0.4\n", ""),
            ["charge in charge.csv: expected rows for pattern 9, got none"],
            id="pattern without charges",
        ),
        pytest.param(
            PULSES,
            CHARGES + "11,0,3\n",
            ["pulse_width in chip.csv: expected rows for pattern 11, got none"],
            id="charges without pulses",
        ),
        pytest.param(
            PULSES.replace("9,1,80,random", "9,1,80,mixed"),
            CHARGES,
            [
                "chip.csv line 5, column 'kind': expected 'random' as elsewhere for pattern 9, "
                "got 'mixed'"
            ],
            id="kinds contradict",
        ),
        pytest.param(
            PULSES.replace(",1,0,single", ",2,0,single").replace(",1,80", ",2,80"),
            CHARGES,
            [
                "chip.csv, column 'word_line': expected numbers from 0 without a gap, "
                "got 0 to 2 without 1"
            ],
            id="word lines with a gap",
        ),
        pytest.param(
            PULSES,
            CHARGES.replace(",0,", ",1,"),
            ["charge.csv, column 'bit_line'", "got 1 to 1 without 0"],
            id="bit lines from one",
        ),
        pytest.param(
            PULSES.replace("7,1,0", "7,one,0"),
            CHARGES,
            ["chip.csv line 3, column 'word_line': expected a whole number, got 'one'"],
            id="text for a word line",
        ),
        pytest.param(
            PULSES.replace("word_line", "word_lines"),
            CHARGES,
            ["chip.csv, column 'word_lines'", "Did you mean 'word_line'?"],
            id="misspelt column",
        ),
        pytest.param(
            PULSES,
            CHARGES.replace("bit_line", "bitline"),
            ["charge.csv, column 'bitline'", "Did you mean 'bit_line'?"],
            id="misspelt column of charges",
        ),
        pytest.param(
            PULSES,
            None,
            ["chip.csv, header: expected the columns pattern, bit_line, charge, got no column"],
            id="no charges",
        ),
    ],
)
def test_fault_of_tidy_files_is_named(
    pulses: str, charge: str | None, fragments: list[str]
) -> None:
    message = refusal(pulses, charge=charge)
    for fragment in fragments:
        assert fragment in message


# What does not fit together.


def test_currents_of_another_array_are_refused() -> None:
    message = refusal(WIDE, cell_current=CURRENTS + "2,0,3\n")
    assert "cell_current in current.csv: expected 2 of word_line as in the measurement" in message


def test_second_cell_current_is_refused() -> None:
    content = (data_folder() / "measured" / "reference.nc").read_bytes()
    message = refusal(content, cell_current=CURRENTS)
    assert "expected a variable that the measurement does not hold yet" in message


def test_layout_classes_come_from_a_layout_map() -> None:
    layout = "word_line,bit_line,layout_class\n0,0,lower\n1,0,upper\n"
    assert imported(WIDE, layout=layout).layout_class.values.tolist() == [[0], [1]]


def test_layout_of_another_array_is_refused() -> None:
    layout = "word_line,bit_line,layout_class\n0,0,lower\n"
    assert "layout_class in layout.csv: expected 2 of word_line" in refusal(WIDE, layout=layout)


def test_patterns_of_a_weight_set_without_currents_are_refused() -> None:
    text = WIDE.replace("split", "weight_set_of_pattern").replace("calibration", "0")
    message = refusal(text.replace("test", "1"), cell_current=CURRENTS)
    assert "weight_set_of_pattern[pattern=1] in chip.csv" in message
    assert "expected a weight set from 0 to 0, got 1" in message


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        ({"decimal": ";"}, "option decimal: expected '.' or ',', got ';'"),
        ({"cell_current_unit": "nA"}, "option cell_current_unit: expected a file of cell"),
        ({"charge": CHARGES}, "option charge_path: expected no second file"),
        ({"attributes": {"v_bitline": 1.0}}, "Did you mean 'v_bit_line'?"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], fragment: str) -> None:
    assert fragment in refusal(WIDE, **options)


def test_units_for_netcdf_are_refused() -> None:
    path = data_folder() / "measured" / "reference.nc"
    with pytest.raises(ConfigurationError, match=r"option pulse_width_unit for reference\.nc"):
        import_measurement(path, pulse_width_unit="ns")
