"""CSV files of a two-by-one array, as a laboratory hands them over, with their import."""

from __future__ import annotations

from typing import Any

import pytest
import xarray as xr

from analog_model.dataset.ingest import measurement_from_files
from analog_model.dataset.source_file import SourceFile
from analog_model.errors import AnalogModelError

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
