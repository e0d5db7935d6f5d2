"""State of one session.

`State` holds what a user chose, and derives the chip in view from it. It knows parameters
only: no widgets, no drawing. Several parameters set at once (`state.param.update`) count as
one change; what follows from it is derived once, so that a view repaints once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, Self

import numpy as np
import param
import xarray as xr

from analog_model import vocabulary as v
from analog_model.chip import Chip
from analog_model.chip.changes import modified_chip
from analog_model.chip.layout import LAYOUT_RULES
from analog_model.errors import AnalogModelError, DataError
from dashboard import compute
from dashboard.deployment_choices import DeploymentChoices
from dashboard.design_choices import DesignChoices
from dashboard.notices import Notice
from dashboard.pages import PAGES
from dashboard.parameters import PARAMETERS, ParameterSpec, values_of
from dashboard.patterns import PATTERN_SOURCES, nearest_codes, pulse_width_vector
from dashboard.sources import (
    BUNDLED,
    CALIBRATED,
    GIVEN,
    SOURCES,
    UPLOAD,
    Source,
    keep_calibrated,
    read_source,
)
from dashboard.store import upload_store
from dashboard.training_choices import TrainingChoices

MAX_LINES = 1024
SOURCE_INPUTS = (
    "source",
    "upload_id",
    "chip_id",
    "weight_set",
    "n_word_lines",
    "n_bit_lines",
    "layout_rule",
    "seed",
)
CHIP_INPUTS = (*PARAMETERS, "effects")
PATTERN_INPUTS = ("pattern_source", "pattern_seed", "pattern_index", "drawn_codes")
SELECTION = ("word_line", "bit_line", "time_slot")
INPUTS = (*SOURCE_INPUTS, *CHIP_INPUTS, *PATTERN_INPUTS, *SELECTION)
DERIVED = ("source_chip", "chip", "measurement", "pulse_width", "notice")
# What a user chose for one chip and would not mean for the next.
OF_ONE_CHIP = frozenset((*PARAMETERS, "drawn_codes", "pattern_index", "time_slot"))
_UNSET = object()


def _open_number(spec: ParameterSpec, default: float | None = None) -> param.Parameter:
    """A bounded number; None stands for "as the source has it"."""
    kind = param.Integer if spec.integer else param.Number
    return kind(
        default=default,
        bounds=(spec.lower, spec.upper),
        allow_None=default is None,
        doc=f"{spec.explain} SI units; None takes what the source has.",
    )


class State(TrainingChoices, DeploymentChoices, DesignChoices):
    """Everything a link reproduces, with the chip that follows from it.

    `State()` shows the bundled chip. Views watch the derived parameters `source_chip`,
    `chip`, `measurement`, `pulse_width` and what is looked at (`page` to `split`).
    """

    source = param.Selector(default=BUNDLED, objects=[*SOURCES, GIVEN])
    upload_id = param.String(default="", doc="Content hash of the uploaded file.")
    chip_id = param.String(default="", doc="Content hash of the calibrated chip.")
    weight_set = param.Integer(default=0, bounds=(0, None))
    n_word_lines = param.Integer(default=16, bounds=(1, MAX_LINES))
    n_bit_lines = param.Integer(default=16, bounds=(1, MAX_LINES))
    layout_rule = param.Selector(
        default="mirrored_columns_and_row_pairs", objects=list(LAYOUT_RULES)
    )
    seed = param.Integer(default=0, bounds=(0, 2**31 - 1))

    coupling_scale = _open_number(PARAMETERS["coupling_scale"], default=1.0)
    specific_current = _open_number(PARAMETERS["specific_current"])
    wire_resistance = _open_number(PARAMETERS["wire_resistance"])
    lumped_resistance = _open_number(PARAMETERS["lumped_resistance"])
    drain_sensitivity = _open_number(PARAMETERS["drain_sensitivity"])
    capacitance = _open_number(PARAMETERS["capacitance"])
    dead_time = _open_number(PARAMETERS["dead_time"])
    alignment = param.Selector(default=None, objects=[None, *v.ALIGNMENTS])
    stagger_step = _open_number(PARAMETERS["stagger_step"])
    bits = _open_number(PARAMETERS["bits"])
    lsb = _open_number(PARAMETERS["lsb"])
    readout_bits = _open_number(PARAMETERS["readout_bits"])
    full_scale = _open_number(PARAMETERS["full_scale"])
    solution = param.Selector(default=None, objects=[None, "self_consistent", "first_order"])
    effects = param.ListSelector(default=list(v.EFFECTS), objects=list(v.EFFECTS))

    page = param.Selector(default="crosstalk", objects=list(PAGES))
    theme = param.Selector(default="light", objects=["light", "dark"])
    word_line = param.Integer(default=0, bounds=(0, None), doc="Word line of the cell looked at.")
    bit_line = param.Integer(default=0, bounds=(0, None), doc="Bit line of the cell looked at.")
    pattern_source = param.Selector(default="random", objects=list(PATTERN_SOURCES))
    pattern_seed = param.Integer(default=0, bounds=(0, 2**31 - 1))
    pattern_index = param.Integer(default=0, bounds=(0, None), doc="Pattern of the measurement.")
    drawn_codes = param.ClassSelector(default=(), class_=tuple, doc="Code of each word line.")
    time_slot = param.Integer(default=0, bounds=(0, None))
    quantity = param.Selector(default="shift", objects=["shift", "weight", "layout_class", "drop"])
    comparison_kind = param.Selector(default="pair", objects=["pair", "leave_one_out"])
    split = param.Selector(default=v.TEST, objects=[v.TEST, v.CALIBRATION])
    compared = param.Selector(
        default="measured_ideal",
        objects=["measured_ideal", "measured_simulated", "simulated_ideal"],
        doc="Charges that the error page holds against each other.",
    )

    pattern_kind = param.Selector(
        default="all", objects=["all", *v.KINDS], doc="Patterns that the calibration page judges."
    )
    model = param.String(default="full", doc="Model of the ladder that the page shows.")
    aspect = param.Selector(
        default="models", objects=["models", "residuals", "parameters", "extraction"]
    )

    training_aspect = param.Selector(default="curves", objects=["curves", "classes", "layers"])
    compared_runs = param.String(default="", doc="Names of training runs, commas between them.")

    measurement = param.ClassSelector(class_=xr.Dataset, doc="Derived: None without a file.")
    source_chip = param.ClassSelector(class_=Chip, doc="Derived: the chip as its source has it.")
    chip = param.ClassSelector(class_=Chip, doc="Derived: the chip in view.")
    pulse_width = param.Array(doc="Derived: (word_line,) [s].")
    notice = param.ClassSelector(class_=Notice, doc="Last message to the user.")

    def __init__(self, **params: Any) -> None:
        self._given: Source | None = params.pop("given", None)
        self._busy = True
        self._good: dict[str, Any] = {}
        super().__init__(**params)
        self._busy = False
        self._derive()

    @classmethod
    def from_chip(cls, chip: Chip, measurement: xr.Dataset | None = None, **params: Any) -> Self:
        """A state that shows a chip of your own, beside its measurement if there is one."""
        return cls(source=GIVEN, given=Source(chip, measurement), **params)

    @property
    def slots(self) -> xr.Dataset:
        """Time slots of the operation in view."""
        return compute.time_slots(self.chip, self.pulse_width)

    @property
    def activation_pattern(self) -> np.ndarray:
        """Word lines that are high in the time slot looked at, (word_line,) bool."""
        slots = self.slots
        if not slots.sizes[v.TIME_SLOT]:
            return np.zeros(self.chip.n_word_lines, dtype=bool)
        return np.asarray(slots[v.ACTIVATION_PATTERN].values[self.time_slot], dtype=bool)

    @property
    def parameter_values(self) -> dict[str, Any]:
        """Value in force of every chip parameter, the source's where nothing was chosen."""
        own = values_of(self.source_chip)
        chosen = {name: getattr(self, name) for name in PARAMETERS}
        return {name: own[name] if chosen[name] is None else chosen[name] for name in PARAMETERS}

    @property
    def shared_source_chip(self) -> Chip:
        """The chip as its source has it, without what single cells add.

        A calibrated chip keeps what was measured of its single cells; that has no meaning for
        other weights, for arrays of another size.
        """
        shared = self._read_source(self.param.values()).shared_chip
        return self.source_chip if shared is None else shared

    @property
    def network_chip(self) -> Chip:
        """The chip in view as networks are put on it: without what single cells add."""
        shared = self.shared_source_chip
        if shared is self.source_chip:
            return self.chip
        chosen = {name: getattr(self, name) for name in PARAMETERS}
        return modified_chip(shared, chosen, self.effects)

    def changed(self) -> dict[str, Any]:
        """Parameters a user chose that differ from their defaults."""
        hidden = {"name", *DERIVED}
        return {
            name: value
            for name, value in self.param.values().items()
            if name not in hidden and value != self.param[name].default
        }

    def reset_parameters(self) -> None:
        """The chip as its source has it, every effect on."""
        self.param.update({name: self.param[name].default for name in CHIP_INPUTS})

    def reset(self) -> None:
        """Everything as in a fresh session, the theme excepted."""
        kept = {"name", "theme", *DERIVED}
        self.param.update(
            {name: self.param[name].default for name in self.param if name not in kept}
        )

    def set_pattern(self, codes: Iterable[int]) -> None:
        """Drive the word lines with these input codes."""
        drawn = tuple(int(code) for code in codes)
        self.param.update(pattern_source="drawn", drawn_codes=drawn)

    def codes(self) -> tuple[int, ...]:
        """Input codes nearest to the pulse widths in view."""
        return nearest_codes(self.chip, self.measurement, self.pulse_width)

    def load_upload(
        self,
        content: bytes,
        *,
        name: str = "upload",
        pulse_width_unit: str | None = None,
        charge_unit: str | None = None,
    ) -> str:
        """Show an uploaded measurement; `DataError` leaves the chip in view as it is."""
        upload_id = upload_store().put(
            content, name=name, pulse_width_unit=pulse_width_unit, charge_unit=charge_unit
        )
        read_source(UPLOAD, upload_id=upload_id)
        self.param.update(source=UPLOAD, upload_id=upload_id, weight_set=0)
        return upload_id

    def show(
        self,
        chip: Chip,
        measurement: xr.Dataset | None = None,
        *,
        shared_chip: Chip | None = None,
    ) -> None:
        """Show a chip of your own from now on, beside its measurement if there is one.

        `shared_chip` as `use_calibrated` takes it.
        """
        self._given = Source(chip, measurement, shared_chip)
        self._good.pop("source", None)
        if self.source == GIVEN:
            self.param.trigger("source")
        else:
            self.source = GIVEN

    def use_calibrated(self, chip: Chip, *, shared_chip: Chip | None = None) -> None:
        """Show a chip calibrated from the measurement in view, beside that measurement.

        `shared_chip`: the same without what single cells add, for networks.
        """
        if self.source == GIVEN:
            self.show(chip, self.measurement, shared_chip=shared_chip)
            return
        chip_id = keep_calibrated(
            chip,
            kind=self.source,
            upload_id=self.upload_id,
            chip_id=self.chip_id,
            weight_set=self.weight_set,
            shared_chip=shared_chip,
        )
        self.param.update(source=CALIBRATED, chip_id=chip_id)

    def tell(self, text: str, kind: Literal["info", "error"] = "info") -> None:
        """Show the user a message."""
        self.notice = Notice(text, kind=kind)

    @param.depends(*INPUTS, watch=True)
    def _derive(self) -> None:
        """Bring chip and pulses up to date with whatever inputs changed, as one change."""
        if self._busy:
            return
        values = self.param.values()
        inputs = {name: values[name] for name in INPUTS}
        changed = {name for name in INPUTS if self._good.get(name, _UNSET) != inputs[name]}
        self._busy = True
        try:
            derived, messages = self._derived_values(values, changed)
            self._good = inputs | {name: derived[name] for name in INPUTS if name in derived}
            self.param.update(**derived)
            for message in messages:
                self.tell(message)
        except AnalogModelError as error:
            self._go_back(error)
        finally:
            self._busy = False

    def _derived_values(
        self, values: dict[str, Any], changed: set[str]
    ) -> tuple[dict[str, Any], list[str]]:
        """What has to be set so that everything fits the inputs, with what to tell the user."""
        now, before = dict(values), values
        if changed & set(SOURCE_INPUTS) or now["source_chip"] is None:
            source = self._read_source(now)
            if source.chip is not now["source_chip"]:
                # A new chip comes with its own parameters; a link may set them in one go.
                now |= {name: self.param[name].default for name in OF_ONE_CHIP - changed}
                now |= {"source_chip": source.chip, "measurement": source.measurement}
        if now["source_chip"] is not before["source_chip"] or changed & set(CHIP_INPUTS):
            chosen = {name: now[name] for name in PARAMETERS}
            now["chip"] = modified_chip(now["source_chip"], chosen, now["effects"])
        messages = _fitted_selection(now)
        now["pulse_width"] = _fitted_pulses(now)
        n_slots = compute.time_slots(now["chip"], now["pulse_width"]).sizes[v.TIME_SLOT]
        now["time_slot"] = min(now["time_slot"], max(n_slots - 1, 0))
        return {name: now[name] for name in now if now[name] is not before[name]}, messages

    def _read_source(self, values: dict[str, Any]) -> Source:
        if values["source"] != GIVEN:
            return read_source(values["source"], **{n: values[n] for n in SOURCE_INPUTS[1:]})
        if self._given is None:
            raise DataError("source", expected="a chip handed over in Python", got="none")
        return self._given

    def _go_back(self, error: AnalogModelError) -> None:
        """After a change that cannot be: the last good inputs, the bundled chip at first."""
        self.tell(str(error), "error")
        if self._good:
            self.param.update(**self._good)
            return
        self.param.update({name: self.param[name].default for name in INPUTS})
        self._busy = False
        self._derive()


def _fitted_selection(now: dict[str, Any]) -> list[str]:
    """Move what is looked at inside the chip; says what was moved."""
    chip, measurement, messages = now["chip"], now["measurement"], []
    if now["pattern_source"] == "measured" and measurement is None:
        now["pattern_source"] = "random"
        messages.append("This chip has no measured patterns; a random one is shown.")
    n_patterns = 1 if measurement is None else measurement.sizes[v.PATTERN]
    for name, label, size in (
        ("word_line", "word line", chip.n_word_lines),
        ("bit_line", "bit line", chip.n_bit_lines),
        ("pattern_index", "pattern", n_patterns),
    ):
        if now[name] >= size:
            messages.append(f"There is no {label} {now[name]}; {label} {size - 1} is shown.")
            now[name] = size - 1
    return messages


def _fitted_pulses(now: dict[str, Any]) -> np.ndarray:
    """Pulses of the operation; the array in view itself where nothing changed."""
    width = pulse_width_vector(
        now["chip"],
        now["measurement"],
        source=now["pattern_source"],
        seed=now["pattern_seed"],
        index=now["pattern_index"],
        codes=now["drawn_codes"],
    )
    shown = now["pulse_width"]
    return shown if shown is not None and np.array_equal(shown, width) else width
