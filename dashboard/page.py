"""Page of one session: header, sidebar, the view of the page chosen.

The header is plain HTML, painted before Bokeh has loaded. It talks to the session through
two hidden text models: `commands` from the browser, `page_state` to it.
"""

from __future__ import annotations

import json
import logging
from functools import lru_cache, partial
from html import escape
from typing import Any
from urllib.parse import parse_qsl

import panel as pn
import param
from bokeh.document import Document
from bokeh.events import DocumentReady
from bokeh.models import CustomJS
from panel.viewable import Viewable

from dashboard import links
from dashboard.hints import hints
from dashboard.notices import Notice
from dashboard.pages import PAGES
from dashboard.sessions import is_drawing
from dashboard.sidebar import EFFECT_LABELS, Sidebar
from dashboard.sources import CALIBRATED, UPLOAD
from dashboard.state import State
from dashboard.store import MAX_CSV_BYTES, megabytes, upload_store
from dashboard.theme import ASSETS, Instrument

TITLE = "analog-model"
_KEPT_NOTICES = 4
# Long enough for page and scripts to be sent first, much shorter than Bokeh's start.
VIEW_DELAY_MS = 80
log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def _source() -> str:
    return (ASSETS / "page.html").read_text(encoding="utf-8")


def chip_title(state: State) -> str:
    """The chip in view as the header names it."""
    name = str(state.chip.name)
    return f"{name} · calibrated" if state.source == CALIBRATED else name


class Template(pn.Template):
    """Panel's template, without the description of all its parts that nobody reads.

    Panel renders that description anew for every root: a fifth of a session's start.
    """

    def __repr__(self) -> str:
        return f"<Template {len(self._render_items)} roots>"

    def _init_doc(self, doc: Document | None = None, *args: Any, **kwargs: Any) -> Document:
        """Build the document with its index of models brought up to date once, not per root."""
        document = doc or pn.state.curdoc
        if document is None:
            return super()._init_doc(doc, *args, **kwargs)
        with document.models.freeze():
            return super()._init_doc(doc, *args, **kwargs)


class Page:
    """Everything one session shows, for a state that follows the browser's link."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.sidebar = Sidebar(state)
        self.main = pn.Column(sizing_mode="stretch_both", css_classes=["main"])
        self.commands = pn.widgets.TextInput()
        self.page_state = pn.widgets.TextInput()
        self._views: dict[str, Viewable] = {}
        self._notices: list[Notice] = [] if state.notice is None else [state.notice]
        self._location: pn.io.location.Location | None = None
        self.page_state.value = self._described()
        state.param.watch(self._on_page, "page")
        state.param.watch(self._on_notice, "notice")
        state.param.watch(self._describe, ["page", "theme", "chip"])
        self.sidebar.source.param.watch(self._describe, "upload_open")
        self.commands.param.watch(self._on_command, "value")

    def template(self) -> Template:
        """The page as Panel serves it."""
        template = Template(_source(), design=Instrument, location=True)
        template.add_variable("pages", [(page.name, page.label) for page in PAGES.values()])
        template.add_variable("page", self.state.page)
        template.add_variable("theme", self.state.theme)
        template.add_variable("chip_name", chip_title(self.state))
        template.add_variable("upload_open", self.sidebar.source.upload_open)
        template.add_variable("upload_bytes", upload_store().max_upload_bytes)
        limits = f"NetCDF up to {megabytes(upload_store().max_upload_bytes)}"
        limits += f", CSV up to {megabytes(MAX_CSV_BYTES)}, or a chip as YAML"
        template.add_variable("upload_limits", limits)
        template.add_variable("hints", json.dumps(hints(EFFECT_LABELS)))
        template.add_panel("source", self.sidebar.source.layout)
        template.add_panel("sidebar", self.sidebar.layout)
        for name in ("main", "commands", "page_state"):
            template.add_panel(name, getattr(self, name))
        self.page_state.jscallback(value="window.analogModel.show(JSON.parse(cb_obj.value))")
        return template

    def attach(self, document: Document) -> None:
        """Tell the browser's page when its session is there and when it is lost.

        The view is built once the page is on its way: while the browser compiles Bokeh.
        """
        document.add_timeout_callback(partial(self._show_first_view, document), VIEW_DELAY_MS)
        document.on_event("document_ready", self._correct_link)
        code = "window.analogModel.connected()"
        document.js_on_event("document_ready", CustomJS(code=code))
        code = "window.analogModelConnection.lost()"
        document.js_on_event("connection_lost", CustomJS(code=code))

    def follow(self, location: pn.io.location.Location) -> None:
        """Keep the browser's address at the link of the state."""
        self._location = location
        self.state.param.watch(self._write_link, list(links.QUERY_NAMES))

    def apply_query(self, query: str) -> None:
        """Show what a link says, with a notice for each part that says nothing valid."""
        values, problems = links.read_query(query)
        self.state.param.update(**links.with_defaults(values))
        for problem in problems:
            self.state.tell(problem, "error")

    def _write_link(self, *_events: param.parameterized.Event) -> None:
        query = links.query_of(self.state)
        search = f"?{query}" if query else ""
        if self._location is not None and self._location.search != search:
            self._location.search = search

    def _correct_link(self, _event: DocumentReady) -> None:
        """Replace a link that did not say what is shown.

        Panel's model of the address starts from the browser's, so what was written before
        that, as the state was put right, is lost.
        """
        if self._location is None:
            return
        said = parse_qsl(self._location.search.lstrip("?"), keep_blank_values=True)
        if sorted(said) != sorted(parse_qsl(links.query_of(self.state))):
            self._write_link()

    def _on_page(self, _event: param.parameterized.Event) -> None:
        self._show_view()

    def _show_first_view(self, document: Document) -> None:
        """The view of the page asked for, unless the browser is drawing what it fetched.

        So it is where a slow browser's session had to be made anew over the websocket.
        """
        if is_drawing(document):
            document.add_timeout_callback(partial(self._show_first_view, document), VIEW_DELAY_MS)
            return
        self._show_view()

    def _show_view(self) -> None:
        """The view of the page chosen, built when it is first asked for."""
        page = self.state.page
        if page not in self._views:
            self._views[page] = self._built(page)
            self.main.append(self._views[page])
        for name, view in self._views.items():
            view.visible = name == page
        self._describe()

    def _built(self, page: str) -> Viewable:
        """The view in a layout of its own; an exception shows as a message in its place."""
        try:
            view: Any = PAGES[page].build(self.state)
        except Exception as error:
            log.exception("The view %s could not be built", page)
            view = pn.pane.HTML(failure(f"The page {PAGES[page].label} could not be drawn.", error))
        return pn.Column(view, sizing_mode="stretch_both", css_classes=["view"])

    def _on_notice(self, event: param.parameterized.Event) -> None:
        if event.new is not None:
            self._notices = [*self._notices, event.new][-_KEPT_NOTICES:]
            self._describe()

    def _describe(self, *_events: param.parameterized.Event) -> None:
        self.page_state.value = self._described()

    def _described(self) -> str:
        notices = [{"text": n.text, "kind": n.kind, "number": n.number} for n in self._notices]
        return json.dumps(
            {
                "page": self.state.page,
                "ready": self.state.page in self._views,
                "theme": self.state.theme,
                "chip": chip_title(self.state),
                "upload_open": self.sidebar.source.upload_open,
                "notices": notices,
            }
        )

    def _on_command(self, event: param.parameterized.Event) -> None:
        """Obey the browser; what it sends is checked like a link."""
        try:
            command = json.loads(event.new)
            query = command.get("query")
        except (ValueError, AttributeError):
            log.warning("Unreadable command of %d characters", len(event.new))
            return
        if isinstance(query, str):
            self.apply_query(query)
        if isinstance(command.get("upload"), str):
            self.state.param.update(source=UPLOAD, upload_id=command["upload"], weight_set=0)
        if command.get("history") in ("undo", "redo"):
            getattr(self.sidebar.history, command["history"])()
        for name in ("page", "theme"):
            if command.get(name) in self.state.param[name].objects:
                self.state.param.update({name: command[name]})


def failure(what: str, error: BaseException) -> str:
    """A message in place of something that could not be drawn."""
    reason = escape(f"{type(error).__name__}: {error}")
    return (
        f'<section class="failure" role="alert"><h2>{escape(what)}</h2><p>{reason}</p>'
        "<p>The server's log says more. Reloading the page with the address up to the "
        'question mark starts from the bundled chip.</p><p><a href="?">Start afresh</a></p>'
        "</section>"
    )
