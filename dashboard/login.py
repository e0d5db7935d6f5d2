"""Login with a password: Panel's own, with a page that asks no other server for anything."""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
from typing import TYPE_CHECKING, Any

import panel as pn
from panel.auth import BasicAuthProvider, BasicLoginHandler, OAuthProvider

from analog_model.errors import ConfigurationError
from dashboard.access import Access
from dashboard.theme import ASSETS

if TYPE_CHECKING:
    from bokeh.server.auth_provider import AuthProvider

# A wrong password costs a guesser this long [s]; the server does other things meanwhile.
DELAY = 1.0


class PasswordProvider(BasicAuthProvider):
    """Users of a file that was read once: what happens to it later opens no door."""

    def __init__(self, access: Access) -> None:
        self._access = access
        super().__init__(
            login_template=str(ASSETS / "login.html"), logout_template=str(ASSETS / "logout.html")
        )

    @property
    def get_user(self) -> Any:
        """The user of a signed cookie, None for one that is not known any more."""
        signed = super().get_user

        def get_user(handler: Any) -> str | None:
            user: str | None = signed(handler)
            return user if self._access.admits(user) else None

        return get_user

    @property
    def login_handler(self) -> type[BasicLoginHandler]:
        """A handler that compares with these passwords."""
        passwords = dict(self._access.passwords or {})
        base: type[BasicLoginHandler] = super().login_handler

        class Login(base):
            """POST of name and password."""

            def _validate(self, username: str, password: str) -> bool:
                known = passwords.get(username, "")
                same = hmac.compare_digest(known.encode(), password.encode())
                return same and username in passwords

            async def post(self) -> None:
                name, password = (
                    self.get_argument(field, "") for field in ("username", "password")
                )
                if self._validate(name, password):
                    super().post()
                    return
                await asyncio.sleep(DELAY)
                self.set_status(401)
                self.write(
                    self._login_template.render(
                        login_endpoint=self._login_endpoint, errormessage="wrong"
                    )
                )

        return Login


def provider_of(access: Access) -> AuthProvider | None:
    """What asks users who they are; None where nobody is asked.

    Secrets of an OAuth service come from the environment, under Panel's names.
    """
    if access.is_open:
        return None
    if not pn.config.cookie_secret:
        # Logins end with the server, unless PANEL_COOKIE_SECRET is set.
        pn.config.cookie_secret = secrets.token_hex(32)
    if access.oauth_provider is None:
        return PasswordProvider(access)
    for name in ("PANEL_OAUTH_KEY", "PANEL_OAUTH_SECRET"):
        if not os.environ.get(name):
            raise ConfigurationError(
                name,
                expected=f"what the service {access.oauth_provider} gave for this dashboard, "
                "in the environment",
                got="nothing",
            )
    pn.config.oauth_provider = access.oauth_provider
    return OAuthProvider(
        login_template=str(ASSETS / "login.html"), logout_template=str(ASSETS / "logout.html")
    )
