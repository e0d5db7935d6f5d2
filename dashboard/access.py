"""Access to a served dashboard: from where, to whom it is open."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from analog_model.dataset.io import PathLike, read_bytes
from analog_model.errors import ConfigurationError, DataError, nearest_name

# Names that Panel gives the services it can ask.
OAUTH_PROVIDERS = (
    "auth0",
    "azure",
    "azurev2",
    "bitbucket",
    "generic",
    "github",
    "gitlab",
    "google",
    "okta",
)
SHORTEST_PASSWORD = 10
_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Access:
    """Who may open a page: everybody, users with a password, users of an OAuth service.

    `allowed` names the users of the service that may; it knows many others. Passwords are
    kept out of `repr`.
    """

    passwords: dict[str, str] | None = field(default=None, repr=False)
    oauth_provider: str | None = None
    allowed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.passwords is not None and self.oauth_provider is not None:
            raise ConfigurationError("access", expected="passwords or an OAuth service", got="both")
        if self.oauth_provider not in (None, *OAUTH_PROVIDERS):
            raise ConfigurationError(
                "oauth_provider",
                expected="a service",
                got=repr(self.oauth_provider),
                advice=nearest_name(str(self.oauth_provider), OAUTH_PROVIDERS),
            )
        if bool(self.allowed) != (self.oauth_provider is not None):
            raise ConfigurationError(
                "allow_user",
                expected="with an OAuth service the names of its users that may enter, "
                "none otherwise",
                got=", ".join(self.allowed) or "none",
            )

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked who he is."""
        return self.passwords is None and self.oauth_provider is None

    def admits(self, user: str | None) -> bool:
        """Whether a user, known by a signed cookie, may enter."""
        if self.passwords is not None:
            return user in self.passwords
        return self.is_open or user in self.allowed


def read_passwords(path: PathLike) -> dict[str, str]:
    """Passwords by user from a JSON file. Raises DataError for one that protects nothing."""
    try:
        found = json.loads(read_bytes(path, max_bytes=_MAX_BYTES))
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise DataError(
            str(path),
            expected='JSON of passwords by user, such as {"ada": "..."}',
            got="something else",
        )
    # A form's fields arrive without blanks around them.
    short = [name for name, one in found.items() if len(one.strip()) < SHORTEST_PASSWORD]
    blank = [name for pair in found.items() for name in pair if name != name.strip()]
    if blank:
        raise DataError(str(path), expected="no blanks around names, passwords", got="some")
    if not found or short or "" in found:
        raise DataError(
            str(path),
            expected=f"at least one user, passwords of {SHORTEST_PASSWORD} characters or more",
            got=f"a shorter one for {short[0]!r}" if short else "no user",
        )
    return found


def check_exposure(host: str, access: Access, origins: Sequence[str]) -> None:
    """Refuse to serve beyond this machine unless users are known and origins are named."""
    for origin in origins:
        if "*" in origin or "/" in origin:
            raise ConfigurationError(
                "allow_websocket_origin",
                expected="host or host:port of the address in the browser",
                got=repr(origin),
            )
    if is_local(host):
        return
    if access.is_open:
        raise ConfigurationError(
            "host",
            expected="an address of this machine only, such as 127.0.0.1, where anybody may enter",
            got=repr(host),
            advice="To serve others, name a file of passwords (--basic-auth) or an OAuth "
            "service (--oauth-provider), or put a server that knows its users in front.",
        )
    if not origins:
        raise ConfigurationError(
            "allow_websocket_origin",
            expected=f"the address that browsers will show, as {host!r} is not only this machine",
            got="none",
            advice="Name it, such as --allow-websocket-origin lab.example:5006.",
        )


def is_local(host: str) -> bool:
    """Whether an address is reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
