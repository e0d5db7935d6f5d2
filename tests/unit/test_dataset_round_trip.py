"""What goes out comes back: NetCDF and CSV, for any measurement."""

from __future__ import annotations

import string
from typing import Any

import numpy as np
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analog_model import vocabulary as v
from analog_model.dataset import csv_export, io
from analog_model.dataset.ingest import measurement_from_files
from analog_model.dataset.provenance import fingerprint
from analog_model.dataset.schema import validate
from analog_model.dataset.source_file import SourceFile

few = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])

charges = st.floats(-1e-9, 1e-9, allow_subnormal=True)
widths = st.floats(0, 1e-3)
words = st.text(string.ascii_letters + "µΩ é", min_size=1, max_size=8).filter(str.strip)


@st.composite
def measurements(draw: st.DrawFn, *, currents: bool = True) -> xr.Dataset:
    """Measurement of up to 5 patterns, 4 word lines, 3 bit lines, 2 weight sets."""
    p, n, m = draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    sets = draw(st.integers(1, 2))
    labels = draw(st.lists(st.integers(-9, 10**6), min_size=p, max_size=p, unique=True))
    variables: dict[str, Any] = {
        v.PULSE_WIDTH: ((v.PATTERN, v.WORD_LINE), draw(arrays(float, (p, n), elements=widths))),
        v.CHARGE: ((v.PATTERN, v.BIT_LINE), draw(arrays(float, (p, m), elements=charges))),
    }
    of_pattern = arrays(np.int64, p, elements=st.integers(0, sets - 1))
    coords: dict[str, Any] = {
        v.PATTERN: labels,
        v.WORD_LINE: np.arange(n),
        v.BIT_LINE: np.arange(m),
        v.WEIGHT_SET_OF_PATTERN: (v.PATTERN, draw(of_pattern)),
    }
    for name, allowed in ((v.KIND, v.KINDS), (v.SPLIT, v.SPLITS)):
        if draw(st.booleans()):
            drawn = draw(st.lists(st.sampled_from(allowed), min_size=p, max_size=p))
            coords[name] = (v.PATTERN, np.array(drawn))
    if currents and draw(st.booleans()):
        shape = (sets, n, m)
        variables[v.CELL_CURRENT] = (
            (v.WEIGHT_SET, v.WORD_LINE, v.BIT_LINE),
            draw(arrays(float, shape, elements=st.floats(-1e-9, 1e-6))),
        )
        coords[v.WEIGHT_SET] = np.arange(sets)
    dataset = xr.Dataset(variables, coords=coords, attrs={"schema": v.MEASUREMENT_SCHEMA})
    for name, spec in v.VARIABLES.items():
        if name in dataset.variables:
            units = {} if spec.unit is None else {"units": spec.unit}
            dataset[name].attrs = {**units, "long_name": spec.long_name}
    return validate(dataset)


attributes = st.fixed_dictionaries(
    {},
    optional={
        "chip": words,
        "title": words,
        "v_word_line": st.floats(-5, 5),
        "bits": st.integers(1, 32),
        "pulse_lsb": st.floats(1e-12, 1e-3),
        "alignment": st.sampled_from(v.ALIGNMENTS),
    },
)


def without_history(dataset: xr.Dataset) -> xr.Dataset:
    attrs = {name: value for name, value in dataset.attrs.items() if name != "history"}
    bare = dataset.copy()
    bare.attrs = attrs
    return bare


@few
@given(measurements(), attributes)
def test_netcdf_gives_back_the_same_measurement(dataset: xr.Dataset, attrs: dict[str, Any]) -> None:
    dataset = dataset.assign_attrs(attrs)
    opened = io.decode_measurement(io.encode_measurement(dataset))
    xr.testing.assert_identical(without_history(opened), dataset)
    for name, variable in dataset.variables.items():
        assert opened[name].dtype.kind == variable.dtype.kind
    assert fingerprint(opened) == fingerprint(dataset)


@few
@given(
    measurements(currents=False), st.sampled_from(["s", "ns", "µs"]), st.sampled_from(["C", "fC"])
)
def test_wide_csv_gives_back_the_same_measurement(
    dataset: xr.Dataset, pulse_width_unit: str, charge_unit: str
) -> None:
    text = csv_export.wide_csv(dataset, pulse_width_unit=pulse_width_unit, charge_unit=charge_unit)
    imported = measurement_from_files(SourceFile("wide.csv", text.encode()))
    xr.testing.assert_identical(without_history(imported), dataset)


@few
@given(measurements(), st.sampled_from(["nA", "A"]))
def test_tidy_csv_gives_back_the_same_measurement(
    dataset: xr.Dataset, cell_current_unit: str
) -> None:
    pulses, charge = csv_export.tidy_csv(dataset)
    currents = None
    if v.CELL_CURRENT in dataset.variables:
        text = csv_export.cell_current_csv(dataset, cell_current_unit=cell_current_unit)
        currents = SourceFile("currents.csv", text.encode())
    imported = measurement_from_files(
        SourceFile("pulses.csv", pulses.encode()),
        charge=SourceFile("charges.csv", charge.encode()),
        cell_current=currents,
    )
    xr.testing.assert_identical(without_history(imported), dataset)


@few
@given(measurements(currents=False), st.randoms(use_true_random=False))
def test_order_of_rows_and_columns_does_not_matter(dataset: xr.Dataset, random: Any) -> None:
    header, *rows = csv_export.wide_csv(dataset).splitlines()
    order = list(range(header.count(",") + 1))
    random.shuffle(order)
    lines = [",".join(line.split(",")[k] for k in order) for line in (header, *rows)]
    imported = measurement_from_files(SourceFile("wide.csv", "\n".join(lines).encode()))
    xr.testing.assert_identical(without_history(imported), dataset)

    pulses, charge = csv_export.tidy_csv(dataset)
    header, *rows = charge.splitlines()
    random.shuffle(rows)
    shuffled = "\n".join([header, *rows])
    imported = measurement_from_files(
        SourceFile("pulses.csv", pulses.encode()),
        charge=SourceFile("charges.csv", shuffled.encode()),
    )
    xr.testing.assert_identical(without_history(imported), dataset)
