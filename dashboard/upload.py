"""Way of a file from the browser to the store.

Uploads come over plain HTTP beside the websocket: in pieces, so that a large file neither
fills the memory nor holds up other sessions; they are read in a thread of their own. The
answer is JSON, `{"id": ...}` or `{"error": ...}`, and stands next to the upload box.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from urllib.parse import unquote, urlparse

from bokeh.server.util import check_allowlist
from bokeh.server.views.auth_request_handler import AuthRequestHandler
from tornado.ioloop import IOLoop
from tornado.web import stream_request_body

from analog_model.errors import AnalogModelError
from dashboard.access import Access
from dashboard.sources import UPLOAD, read_source
from dashboard.store import megabytes, upload_store

# Of the sessions' uploads two are read at a time; more would only slow each other down.
_readers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="upload")
_MAX_NAME = 120
log = logging.getLogger(__name__)


class Upload(NamedTuple):
    """One file as it came in."""

    content: bytes
    name: str
    pulse_width_unit: str | None
    charge_unit: str | None


def accept(upload: Upload) -> str:
    """Id of an upload that was read as a measurement and can start a chip."""
    upload_id = upload_store().put(
        upload.content,
        name=upload.name,
        pulse_width_unit=upload.pulse_width_unit,
        charge_unit=upload.charge_unit,
    )
    read_source(UPLOAD, upload_id=upload_id)
    return upload_id


@stream_request_body
class UploadHandler(AuthRequestHandler):
    """POST of one file as the request's body; name and units are in the query."""

    async def prepare(self) -> None:
        """Look at who sends how much, before the bytes arrive."""
        await super().prepare()
        self._content = bytearray()
        self._refusal: tuple[int, str] | None = None
        limit = upload_store().max_upload_bytes
        # Somewhat too much is read and dropped, so that the browser hears why; beyond that
        # the connection is cut.
        self.request.connection.set_max_body_size(4 * limit)
        announced = int(self.request.headers.get("Content-Length", 0))
        if not self._same_origin():
            self._refusal = (403, "Uploads are taken from this server's own page only.")
        elif not self._admitted():
            self._refusal = (403, "Log in, then upload again.")
        elif announced > limit:
            self._refuse_size(announced)

    def _refuse_size(self, size: int) -> None:
        self._content.clear()
        limit = megabytes(upload_store().max_upload_bytes)
        self._refusal = (413, f"The file has {megabytes(size)}; at most {limit} are taken.")

    def _admitted(self) -> bool:
        access: Access = self.application.settings["access"]
        return access.admits(self.current_user)

    def _same_origin(self) -> bool:
        """Whether a page of this server asks.

        Browsers set Origin; other sites cannot send our header without a preflight, which
        nobody answers.
        """
        origin = self.request.headers.get("Origin")
        if origin is None or "X-Analog-Model" not in self.request.headers:
            return False
        allowed: set[str] = getattr(self.application, "websocket_origins", set())
        return check_allowlist(urlparse(origin).netloc, list(allowed))

    def data_received(self, chunk: bytes) -> None:
        """Collect a piece; the limit holds for what arrives, not for what was announced."""
        if self._refusal is not None:
            return
        self._content += chunk
        if len(self._content) > upload_store().max_upload_bytes:
            self._refuse_size(len(self._content))

    async def post(self) -> None:
        """Read the file as a measurement and keep it."""
        if self._refusal is not None:
            self.set_status(self._refusal[0])
            self.write({"error": self._refusal[1]})
            return
        name = unquote(self.get_query_argument("name", "upload"))[:_MAX_NAME]
        upload = Upload(
            bytes(self._content),
            name or "upload",
            self.get_query_argument("pulse_width_unit", None) or None,
            self.get_query_argument("charge_unit", None) or None,
        )
        self._content.clear()
        answer: dict[str, Any]
        try:
            answer = {"id": await IOLoop.current().run_in_executor(_readers, accept, upload)}
        except AnalogModelError as error:
            answer = {"error": str(error)}
        except Exception:
            log.exception("An upload could not be read")
            self.set_status(500)
            answer = {"error": "The server failed to read the file; its log says why."}
        self.write(answer)
