from .chip import EKV as EKV
from .chip import BitLine as BitLine
from .chip import Chip as Chip
from .chip import CouplingByCell as CouplingByCell
from .chip import CouplingByClass as CouplingByClass
from .chip import CouplingMap as CouplingMap
from .chip import Layout as Layout
from .chip import Pulse as Pulse
from .chip import Readout as Readout
from .chip import WeakInversion as WeakInversion
from .crosstalk import crosstalk_map as crosstalk_map
from .dataset.examples import example_chip as example_chip
from .dataset.ingest import import_measurement as import_measurement
from .dataset.io import open_measurement as open_measurement
from .dataset.io import save_measurement as save_measurement
from .first_estimate import starting_chip as starting_chip
from .metrics import decibel as decibel
from .metrics import signal_to_error_ratio as signal_to_error_ratio
from .simulation import current_shift as current_shift
from .simulation import ideal_charge as ideal_charge
from .simulation import simulate as simulate
from .simulation import slot_currents as slot_currents
from .simulation import slot_timeline as slot_timeline
from .synthetic import simulated_measurement as simulated_measurement
from .synthetic import synthetic_chip as synthetic_chip

__version__: str
