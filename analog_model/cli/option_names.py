"""Names of settings as the command line spells them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from analog_model.errors import ConfigurationError

# By setting: its option, then advice in place of the library's, which speaks of arguments.
_LAYER_OPTIONS = {
    "LayerConfiguration.tolerance": ("--tolerance", "Give a larger --tolerance."),
    "LayerConfiguration.window": ("--window", "Give --window."),
}


@contextlib.contextmanager
def layer_settings_as_options() -> Iterator[None]:
    """Errors about a layer's setting name the option that sets it."""
    try:
        yield
    except ConfigurationError as error:
        before, name, setting = error.where.rpartition("LayerConfiguration.")
        if name + setting not in _LAYER_OPTIONS:
            raise
        option, advice = _LAYER_OPTIONS[name + setting]
        raise ConfigurationError(
            f"{before}option {option}",
            expected=error.expected,
            got=error.got,
            advice=advice if error.advice else "",
        ) from error
