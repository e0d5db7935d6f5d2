"""Headers that the server sends with every answer, for browsers to obey."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tornado.httputil import HTTPHeaders
from tornado.web import OutputTransform

if TYPE_CHECKING:
    from bokeh.server.tornado import BokehTornado

# Bokeh compiles its callbacks from text, hence 'unsafe-eval'; everything else comes from
# this server, so that the browser itself refuses any request that would leave it.
HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'self'",
            "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "connect-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        )
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class SecurityHeaders(OutputTransform):
    """Adds `HEADERS` to every HTTP answer of a server."""

    def transform_first_chunk(
        self,
        status_code: int,
        headers: HTTPHeaders,
        chunk: bytes,
        finishing: bool,  # noqa: ARG002, FBT001 - Tornado's signature
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Set what is not set already, then pass the chunk on."""
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        return status_code, headers, chunk

    @classmethod
    def install(cls, application: BokehTornado) -> None:
        """Send the headers with everything that the application answers."""
        application.add_transform(cls)
