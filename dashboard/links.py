"""Links that reproduce a view: the URL's query for a state, with its reading.

A query holds only what differs from the defaults, under short names that stay the same
from version to version. It is user input: whatever is unknown or out of bounds is reported
and its default used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import param

from dashboard.sources import GIVEN
from dashboard.state import State

# State parameter -> name in the query.
QUERY_NAMES = {
    "page": "page",
    "source": "src",
    "upload_id": "upload",
    "chip_id": "chip",
    "weight_set": "ws",
    "n_word_lines": "n",
    "n_bit_lines": "m",
    "layout_rule": "layout",
    "seed": "seed",
    "coupling_scale": "k",
    "specific_current": "is",
    "wire_resistance": "rw",
    "lumped_resistance": "rl",
    "drain_sensitivity": "g",
    "capacitance": "cbl",
    "dead_time": "td",
    "alignment": "align",
    "stagger_step": "stagger",
    "bits": "bits",
    "lsb": "lsb",
    "readout_bits": "qbits",
    "full_scale": "qmax",
    "solution": "sol",
    "effects": "effects",
    "word_line": "wl",
    "bit_line": "bl",
    "pattern_source": "pat",
    "pattern_seed": "pseed",
    "pattern_index": "p",
    "drawn_codes": "codes",
    "time_slot": "slot",
    "quantity": "show",
    "comparison_kind": "cmp",
    "split": "split",
    "compared": "vs",
    "pattern_kind": "kind",
    "model": "model",
    "aspect": "view",
    "network": "net",
    "images": "images",
    "array_side": "array",
    "defences": "train",
    "epochs": "epochs",
    "learning_rate": "lr",
    "distillation": "distil",
    "training_seed": "tseed",
    "n_chips": "chips",
    "chip_spread": "spread",
    "programming_error": "perr",
    "kappa_mismatch": "kerr",
    "read_noise": "noise",
    "training_aspect": "tview",
    "compared_runs": "runs",
    "deployed_run": "drun",
    "deployed_on": "don",
    "deployed_side": "dside",
    "reading": "dread",
    "n_programmed": "dchips",
    "deployment_aspect": "dview",
    "deployed_array": "darray",
    "sweep_x": "sx",
    "sweep_x_span": "sxr",
    "sweep_y": "sy",
    "sweep_y_span": "syr",
    "sweep_measure": "swm",
    "sweep_network": "swnet",
    "sweep_epochs": "swep",
    "theme": "theme",
}
STATE_NAMES = {short: name for name, short in QUERY_NAMES.items()}
_NONE = "none"
_MAX_CODES = 1024


def query_of(state: State) -> str:
    """Query of a state, without "?"; empty for the default view."""
    changed = {k: v for k, v in state.changed().items() if v != GIVEN}
    pairs = [
        (short, _text(changed[name])) for name, short in QUERY_NAMES.items() if name in changed
    ]
    return urlencode(pairs, safe=",*")


def read_query(query: str) -> tuple[dict[str, Any], list[str]]:
    """State parameters of a query, with one message for each part that was left out."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for short, text in parse_qsl(query.lstrip("?"), keep_blank_values=True):
        if short not in STATE_NAMES:
            problems.append(f"The link has an unknown part {short[:40]!r}; it is left out.")
            continue
        name = STATE_NAMES[short]
        try:
            values[name] = _value(name, text)
        except ValueError as error:
            problems.append(f"The link says {short}={text[:40]!r}, but {error}. {_instead(name)}")
    return values, problems


def with_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """Every linked parameter: those not in `values` at their defaults."""
    return {name: values.get(name, State.param[name].default) for name in QUERY_NAMES}


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return _encode_codes(value)
    if isinstance(value, list):
        return ",".join(value) or _NONE
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def _value(name: str, text: str) -> Any:
    """The value that `text` stands for; ValueError says what would have been valid."""
    parameter = State.param[name]
    value: Any = text
    if name == "drawn_codes":
        return _decode_codes(text)
    if isinstance(parameter, param.ListSelector):
        value = [] if text == _NONE else text.split(",")
        unknown = [item for item in value if item not in parameter.objects]
        if unknown:
            what = "effect" if name == "effects" else "way of training"
            raise ValueError(f"{unknown[0][:40]!r} is no {what}")
        return [item for item in parameter.objects if item in value]
    if isinstance(parameter, param.Selector):
        choices = [item for item in parameter.objects if item not in (None, GIVEN)]
        if text not in choices:
            raise ValueError(f"it can be {', '.join(choices)}")
        return text
    if isinstance(parameter, param.Integer):
        return _bounded(int, text, parameter, "a whole number")
    if isinstance(parameter, param.Number):
        return _bounded(float, text, parameter, "a number")
    return value


def _bounded(kind: type, text: str, parameter: param.Number, what: str) -> Any:
    lower, upper = parameter.bounds
    span = f"{what} from {lower:g}" + (f" to {upper:g}" if upper is not None else "")
    try:
        value = kind(text)
    except ValueError:
        raise ValueError(f"it must be {span}") from None
    if not (lower <= value and (upper is None or value <= upper)):
        raise ValueError(f"it must be {span}")
    return value


def _instead(name: str) -> str:
    default = State.param[name].default
    if default is None:
        return "The chip's own value is used."
    return f"{_text(default) or 'None'!s} is used."


def _encode_codes(codes: tuple[int, ...]) -> str:
    """Codes with runs folded: (3, 0, 0, 0) reads "3,0*3"."""
    runs: list[list[int]] = []
    for code in codes:
        if runs and runs[-1][0] == code:
            runs[-1][1] += 1
        else:
            runs.append([code, 1])
    return ",".join(str(code) if count == 1 else f"{code}*{count}" for code, count in runs)


def _decode_codes(text: str) -> tuple[int, ...]:
    codes: list[int] = []
    for run in text.split(",") if text else []:
        code, _, count = run.partition("*")
        if not (code.isdecimal() and (count.isdecimal() or not count)):
            raise ValueError("codes are whole numbers such as 3,0*5,31")
        n_lines = int(count or "1") if len(count) <= 4 else _MAX_CODES + 1
        if len(codes) + n_lines > _MAX_CODES or len(code) > 8:
            raise ValueError(f"there are at most {_MAX_CODES} codes below 100000000")
        codes += [int(code)] * n_lines
    return tuple(codes)
