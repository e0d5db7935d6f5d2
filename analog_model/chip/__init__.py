"""Description of one array with its cells, lines, layout."""

from analog_model.chip.chip import Chip
from analog_model.chip.coupling import (
    AnyCoupling,
    CouplingByCell,
    CouplingByClass,
    CouplingMap,
)
from analog_model.chip.layout import Layout
from analog_model.chip.parts import EKV, BitLine, CellLaw, Pulse, Readout, WeakInversion

__all__ = [
    "EKV",
    "AnyCoupling",
    "BitLine",
    "CellLaw",
    "Chip",
    "CouplingByCell",
    "CouplingByClass",
    "CouplingMap",
    "Layout",
    "Pulse",
    "Readout",
    "WeakInversion",
]
