"""Chip: everything the simulator needs to know about one array."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
import yaml
from pydantic import Field, model_validator

from analog_model.chip.base import FloatArray, Frozen
from analog_model.chip.coupling import AnyCoupling
from analog_model.chip.layout import Layout
from analog_model.chip.parts import BitLine, CellLaw, Pulse, Readout, WeakInversion
from analog_model.errors import ConfigurationError, nearest_name
from analog_model.vocabulary import EFFECTS

# The C loader is several times faster on large arrays; the pure one reads the same.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class Chip(Frozen):
    """One programmed array: cells, layout, lines, in SI units.

    `cell_current` (word_line, bit_line) [A] is the weight: the current of each cell when
    only its own word line is high and the bit line sits at its nominal voltage. Effects
    that are None or zero are off, and their absence is the exact identity.
    """

    name: str
    cell_current: FloatArray
    layout: Layout
    cell_law: CellLaw = Field(default_factory=WeakInversion)
    coupling: AnyCoupling | None = None
    bit_line: BitLine = Field(default_factory=BitLine)
    pulse: Pulse = Field(default_factory=Pulse)
    readout: Readout = Field(default_factory=Readout)
    v_word_line: float | None = Field(default=None, gt=0)
    v_bit_line: float | None = Field(default=None, gt=0)
    temperature_celsius: float = Field(default=27.0, gt=-273.15)
    source: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        current = self.cell_current
        if current.shape != self.layout.layout_class.shape:
            raise ConfigurationError(
                "Chip.cell_current",
                expected=f"one current per cell of the layout {self.layout.layout_class.shape}",
                got=f"shape {current.shape}",
            )
        if (current < 0).any():
            j, i = (int(k) for k in np.argwhere(current < 0)[0])
            raise ConfigurationError(
                f"Chip.cell_current[word_line={j}, bit_line={i}]",
                expected="a current of 0 A or more",
                got=f"{current[j, i]:g} A",
                advice="Set an unprogrammed cell to 0.",
            )
        if self.coupling is not None:
            self.coupling.check(self.layout)
        for where, line in (
            ("BitLine.segments_to_sense", self.bit_line.segments_to_sense),
            ("Pulse.stagger", self.pulse.stagger),
        ):
            if line is not None and line.shape != (self.n_word_lines,):
                raise ConfigurationError(
                    where,
                    expected=f"one value per word line ({self.n_word_lines})",
                    got=f"shape {line.shape}",
                )
        return self

    @property
    def n_word_lines(self) -> int:
        return int(self.cell_current.shape[0])

    @property
    def n_bit_lines(self) -> int:
        return int(self.cell_current.shape[1])

    @property
    def segments_to_sense(self) -> np.ndarray:
        """Pitches from each word line to the sense end."""
        if self.bit_line.segments_to_sense is None:
            return np.arange(1.0, self.n_word_lines + 1.0)
        return np.asarray(self.bit_line.segments_to_sense)

    @property
    def effects(self) -> tuple[str, ...]:
        """Names of the effects that are on."""
        line = self.bit_line
        sensitive = line.drain_sensitivity > 0
        on = {
            "crosstalk": self.coupling is not None and bool(np.any(self.coupling.kappa)),
            "wire": sensitive and line.wire_resistance > 0,
            "lumped": sensitive and line.lumped_resistance > 0,
            "droop": sensitive and line.capacitance is not None,
            "dead_time": self.pulse.dead_time > 0,
            "input_bits": self.pulse.bits is not None,
            "readout": self.readout.full_scale is not None,
        }
        return tuple(name for name in EFFECTS if on[name])

    def with_effects(self, names: Iterable[str]) -> Self:
        """This chip with only the named effects left on; with none it is the ideal array."""
        keep = set(names)
        for name in keep:
            if name not in EFFECTS:
                raise ConfigurationError(
                    "effects",
                    expected="names of effects",
                    got=repr(name),
                    advice=nearest_name(name, EFFECTS),
                )
        line, off = self.bit_line, set(EFFECTS) - keep
        line = line.replace(
            wire_resistance=0.0 if "wire" in off else line.wire_resistance,
            lumped_resistance=0.0 if "lumped" in off else line.lumped_resistance,
            capacitance=None if "droop" in off else line.capacitance,
        )
        pulse = self.pulse.replace(
            dead_time=0.0 if "dead_time" in off else self.pulse.dead_time,
            bits=None if "input_bits" in off else self.pulse.bits,
        )
        return self.replace(
            coupling=None if "crosstalk" in off else self.coupling,
            bit_line=line,
            pulse=pulse,
            readout=Readout() if "readout" in off else self.readout,
        )

    def with_weights(self, cell_current: Any) -> Self:
        """This chip reprogrammed: same cells, layout, lines, other currents [A]."""
        return self.replace(cell_current=np.asarray(cell_current))

    def to_yaml(self) -> str:
        """The chip as YAML; `from_yaml` gives back an equal chip."""
        return yaml.dump(
            self.model_dump(mode="json"), Dumper=_Dumper, sort_keys=False, default_flow_style=None
        )

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """Chip from YAML text; only plain data is read, no tag is executed."""
        try:
            data = yaml.load(text, Loader=_Loader)  # noqa: S506, both loaders are the safe one
        except yaml.YAMLError as error:
            reason = " ".join(str(error).split())
            raise ConfigurationError("chip YAML", expected="valid YAML", got=reason) from None
        if not isinstance(data, dict):
            raise ConfigurationError(
                "chip YAML", expected="a mapping of chip fields", got=type(data).__name__
            )
        return cls.model_validate(data)
