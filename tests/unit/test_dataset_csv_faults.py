"""CSV import: one message with file, line, column for every fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analog_model.dataset.examples import data_folder
from analog_model.dataset.ingest import import_measurement, measurement_from_files
from analog_model.dataset.layout_ingest import layout_from_files
from analog_model.dataset.source_file import SourceFile
from analog_model.errors import ConfigurationError, DataError
from tests.laboratory_csv import CHARGES, CURRENTS, PULSES, WIDE, imported, refusal

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


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (WIDE.encode(), "one that begins with the text '# time in ns, charge in fC'"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", r"one that begins with b'\x89PNG\r\n\x1a\n\x00\x00'"),
        (bytes(64), "one that begins with zero bytes"),
    ],
)
def test_a_name_of_netcdf_over_other_content_is_refused(content: bytes, got: str) -> None:
    """As the file itself is: nobody would look for a header in what is named .nc."""
    with pytest.raises(DataError) as caught:
        measurement_from_files(SourceFile("chip.NC", content))
    assert str(caught.value) == (
        f"chip.NC: expected a NetCDF4 (HDF5) file, as its name says, got {got}. "
        "If it is CSV, name it .csv; else write it as NetCDF again."
    )
    with pytest.raises(DataError, match="as its name says"):
        layout_from_files(SourceFile("map.nc", content))


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
