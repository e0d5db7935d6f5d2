"""Base of every configuration object: frozen, validated at construction.

Arrays inside a configuration are read-only, so that a chip handed to a simulation cannot
change under it. Unknown keys raise with the nearest valid one.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Self

import numpy as np
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from analog_model.errors import ConfigurationError, nearest_name


def _read_only(values: Any, dtype: type) -> np.ndarray:
    try:
        array: np.ndarray = np.array(values, dtype=dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(f"a rectangular array of numbers is needed ({error})") from None
    if dtype is np.int64 and not np.array_equal(array, np.asarray(values, dtype=np.float64)):
        raise ValueError("an array of whole numbers is needed")
    if not np.isfinite(array).all():
        index = tuple(int(k) for k in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"finite numbers are needed, index {index} holds {array[index]}")
    array.flags.writeable = False
    return array


def _as_lists(array: np.ndarray) -> Any:
    return array.tolist()


FloatArray = Annotated[
    np.ndarray,
    BeforeValidator(lambda values: _read_only(values, np.float64)),
    PlainSerializer(_as_lists, when_used="json"),
]
IntArray = Annotated[
    np.ndarray,
    BeforeValidator(lambda values: _read_only(values, np.int64)),
    PlainSerializer(_as_lists, when_used="json"),
]


def _explained(error: ValidationError, model: type[BaseModel]) -> ConfigurationError:
    """Our one-line message for the first of pydantic's complaints."""
    first = error.errors(include_url=False)[0]
    where = ".".join([model.__name__, *map(str, first["loc"])])
    if first["type"] == "missing":
        return ConfigurationError(where, expected="a value", got="nothing")
    expected = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    got = " ".join(repr(first["input"]).split())
    return ConfigurationError(where, expected=expected, got=got if len(got) < 120 else "an array")


class Frozen(BaseModel):
    """Immutable validated record.

    Two records are equal when their types and all their values are. Construction raises
    `ConfigurationError` and never a partly valid object.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False
    )

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, data: Any, handler: Any) -> Self:
        if isinstance(data, dict):
            for key in data:
                if key not in cls.model_fields:
                    raise ConfigurationError(
                        f"{cls.__name__}.{key}",
                        expected="a known key",
                        got=repr(key),
                        advice=nearest_name(str(key), cls.model_fields),
                    )
        try:
            return handler(data)
        except ValidationError as error:
            raise _explained(error, cls) from None

    def replace(self, **changes: Any) -> Self:
        """This record with some fields changed, validated anew."""
        return type(self)(**{**dict(self), **changes})

    def fingerprint(self) -> str:
        """SHA-256 over all values; equal records have equal fingerprints."""

        def digest(array: np.ndarray) -> list[Any]:
            return [array.shape, array.dtype.str, hashlib.sha256(array.tobytes()).hexdigest()]

        text = json.dumps(self.model_dump(mode="python"), sort_keys=True, default=digest)
        return hashlib.sha256(f"{type(self).__name__}{text}".encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frozen) or type(self) is not type(other):
            return False
        return self.fingerprint() == other.fingerprint()

    def __hash__(self) -> int:
        return hash(self.fingerprint())
