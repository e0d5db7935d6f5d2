"""CSV import: the same numbers, in units that are stated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from analog_model.dataset.examples import data_folder, example_chip
from analog_model.dataset.ingest import import_measurement
from tests.laboratory_csv import CHARGES, CURRENTS, PULSES, WIDE, imported, refusal

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
