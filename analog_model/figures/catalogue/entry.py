"""Entry of the catalogue: a figure's name, what it shows, what it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from analog_model.errors import ConfigurationError
from analog_model.figures.catalogue.source import Source


@dataclass(frozen=True)
class Choices:
    """What a user may choose about a figure; None leaves it to the figure."""

    weight_set: int | None = None
    pattern: int | None = None
    time_slot: int | None = None
    bit_line: int | None = None
    kind: str | None = None
    split: str | None = None
    model: str | None = None
    layer: str | None = None

    @property
    def made(self) -> tuple[str, ...]:
        """Names of the choices that are not left to the figure."""
        return tuple(one.name for one in fields(self) if getattr(self, one.name) is not None)


@dataclass(frozen=True)
class Entry:
    """One figure: `make` turns a source, or several where `many`, into a HoloViews element."""

    name: str
    shows: str
    need: str
    make: Callable[[Sequence[Source], Choices], Any]
    choices: tuple[str, ...] = ()
    many: bool = False

    def element(self, sources: Sequence[Source], choices: Choices) -> Any:
        """The figure; ConfigurationError for a source or a choice that it cannot use."""
        if len(sources) != 1 and not self.many:
            raise ConfigurationError(
                f"figure {self.name!r}", expected="one file", got=str(len(sources))
            )
        for source in sources:
            source.require(self.need, figure=self.name)
        for name in choices.made:
            if name not in self.choices:
                raise ConfigurationError(
                    f"figure {self.name!r}",
                    expected=f"none but its own options ({', '.join(self.choices) or 'none'})",
                    got=name,
                )
        return self.make(sources, choices)


def one_source(
    make: Callable[[Source, Choices], Any],
) -> Callable[[Sequence[Source], Choices], Any]:
    """`make`, which takes one source, as an entry calls it."""
    return lambda sources, choices: make(sources[0], choices)
