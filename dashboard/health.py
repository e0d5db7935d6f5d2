"""Health of the server, for whatever watches over it."""

from __future__ import annotations

from tornado.web import RequestHandler

from dashboard import sessions


class HealthHandler(RequestHandler):
    """GET: JSON that says that the server answers, how many pages are open; opens none."""

    def get(self) -> None:
        """Answer at once, to anybody."""
        self.set_header("Cache-Control", "no-store")
        self.write({"status": "ok", "open_pages": sessions.count()})
