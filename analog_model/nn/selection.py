"""Selection of the layers that become analog, with the configuration of each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from torch import Tensor, nn

from analog_model.errors import ConfigurationError, nearest_name
from analog_model.nn.configuration import LayerConfiguration

CONVERTIBLE = (nn.Linear, nn.Conv1d, nn.Conv2d)
ASKED_FOR = "left digital as asked"

Overrides = Mapping[str, LayerConfiguration | Mapping[str, Any]]


@dataclass(frozen=True)
class Selection:
    """Layers by first name: configuration of each analog one, reason for each digital one.

    `names` lists all names of a module that several parents share.
    """

    analog: Mapping[str, LayerConfiguration]
    digital: Mapping[str, str]
    names: Mapping[str, tuple[str, ...]]


def select_layers(
    model: nn.Module,
    *,
    configuration: LayerConfiguration,
    overrides: Overrides,
    digital: Collection[str],
) -> Selection:
    """Decide for every module with parameters or buffers of its own.

    A name in `overrides` or `digital` is that of a layer, or of a module for all layers in
    it; the closest name wins. Raises ConfigurationError for names that no module has, that
    hold no layer to be converted, or that contradict each other on a shared layer.
    """
    if isinstance(digital, str):
        raise ConfigurationError(
            "convert.digital", expected="a sequence of names", got=repr(digital)
        )
    names = _names_of_layers(model)
    reasons = {first: _obstacle(model.get_submodule(first)) for first in names}
    convertible = {name for first in names if not reasons[first] for name in names[first]}
    for option, given in (("overrides", overrides), ("digital", digital)):
        for name in given:
            _check_name(model, option, name, convertible)
    configurations = {
        name: _overridden(configuration, name, choice) for name, choice in overrides.items()
    }
    analog, kept = {}, {}
    for first, aliases in names.items():
        reason = reasons[first]
        if not reason and any(_closest(name, digital) is not None for name in aliases):
            reason = ASKED_FOR
        if reason:
            kept[first] = reason
        else:
            analog[first] = _agreed(aliases, configurations, configuration)
    return Selection(analog=analog, digital=kept, names=names)


def _names_of_layers(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """All names of every module that holds parameters or buffers itself, by its first."""
    found: dict[nn.Module, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        own = chain(module.parameters(recurse=False), module.buffers(recurse=False))
        if module in found or next(own, None) is not None:
            found.setdefault(module, []).append(name)
    return {names[0]: tuple(names) for names in found.values()}


def _obstacle(module: nn.Module) -> str:
    """Why a module cannot be converted; empty if it can."""
    kind = type(module).__name__
    if type(module) not in CONVERTIBLE:
        base = next((one.__name__ for one in CONVERTIBLE if isinstance(module, one)), None)
        if base is not None:
            return f"{kind} derives from {base} and may compute something else"
        return f"no analog layer for {kind}"
    if module._forward_hooks or module._forward_pre_hooks:  # noqa: SLF001, torch has no public way
        return "its forward hooks would be lost"
    assert isinstance(module.weight, Tensor)
    if not module.weight.is_floating_point():
        return f"weights of {module.weight.dtype} are no real numbers"
    return ""


def _check_name(model: nn.Module, option: str, name: str, convertible: set[str]) -> None:
    modules = dict(model.named_modules(remove_duplicate=False))
    if name not in modules:
        raise ConfigurationError(
            f"convert.{option}",
            expected="names of modules",
            got=repr(name),
            advice=nearest_name(name, [one for one in modules if one]),
        )
    if not any(_contains(name, layer) for layer in convertible):
        raise ConfigurationError(
            f"convert.{option}[{name!r}]",
            expected="a layer to be converted, or a module with some",
            got=type(modules[name]).__name__,
            advice="Leave it out: it stays digital in any case.",
        )


def _contains(name: str, layer: str) -> bool:
    return name in ("", layer) or layer.startswith(f"{name}.")


def _closest(layer: str, names: Collection[str]) -> str | None:
    """The longest of the names that is the layer's or of a module around it."""
    around = [name for name in names if _contains(name, layer)]
    return max(around, key=len) if around else None


def _overridden(
    configuration: LayerConfiguration, name: str, choice: LayerConfiguration | Mapping[str, Any]
) -> LayerConfiguration:
    if isinstance(choice, LayerConfiguration):
        return choice
    if not isinstance(choice, Mapping):
        raise ConfigurationError(
            f"convert.overrides[{name!r}]",
            expected="a LayerConfiguration, or a dict of some of its values",
            got=type(choice).__name__,
        )
    return configuration.replace(**choice)


def _agreed(
    aliases: tuple[str, ...],
    overrides: Mapping[str, LayerConfiguration],
    configuration: LayerConfiguration,
) -> LayerConfiguration:
    """The one configuration that all names of a layer give it."""
    closest = {name: _closest(name, overrides) for name in aliases}
    chosen = {overrides[by] for by in closest.values() if by is not None}
    if len(chosen) > 1:
        raise ConfigurationError(
            "convert.overrides",
            expected=f"one configuration for the shared layer {aliases[0]!r}",
            got=f"different ones for its names {', '.join(map(repr, aliases))}",
        )
    return chosen.pop() if chosen else configuration
