"""Hardware-aware modelling of time-domain analog multipliers.

The public names load on first use, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from analog_model.version import __version__

_HOME = {
    "Chip": "chip",
    "Layout": "chip",
    "EKV": "chip",
    "WeakInversion": "chip",
    "CouplingByClass": "chip",
    "CouplingByCell": "chip",
    "CouplingMap": "chip",
    "BitLine": "chip",
    "Pulse": "chip",
    "Readout": "chip",
    "open_measurement": "dataset.io",
    "save_measurement": "dataset.io",
    "import_measurement": "dataset.ingest",
    "example_chip": "dataset.examples",
    "simulate": "simulation",
    "ideal_charge": "simulation",
    "slot_timeline": "simulation",
    "slot_currents": "simulation",
    "current_shift": "simulation",
    "signal_to_error_ratio": "metrics",
    "decibel": "metrics",
    "crosstalk_map": "crosstalk",
    "starting_chip": "first_estimate",
    "synthetic_chip": "synthetic",
    "simulated_measurement": "synthetic",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:
    from analog_model.chip import (
        EKV,
        BitLine,
        Chip,
        CouplingByCell,
        CouplingByClass,
        CouplingMap,
        Layout,
        Pulse,
        Readout,
        WeakInversion,
    )
    from analog_model.crosstalk import crosstalk_map
    from analog_model.dataset.examples import example_chip
    from analog_model.dataset.ingest import import_measurement
    from analog_model.dataset.io import open_measurement, save_measurement
    from analog_model.first_estimate import starting_chip
    from analog_model.metrics import decibel, signal_to_error_ratio
    from analog_model.simulation import (
        current_shift,
        ideal_charge,
        simulate,
        slot_currents,
        slot_timeline,
    )
    from analog_model.synthetic import simulated_measurement, synthetic_chip
