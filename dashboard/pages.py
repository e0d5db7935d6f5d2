"""Pages of the dashboard: one row each, in the order of the navigation."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from panel.viewable import Viewable

    from dashboard.state import State


@dataclass(frozen=True)
class PageSpec:
    """One page: its name in links, its label, where the view of it is defined.

    The view is a class that takes the state; `module` is imported when the page is first
    shown, so that no page waits for the libraries of another.
    """

    name: str
    label: str
    module: str
    view: str

    def build(self, state: State) -> Viewable:
        """The view of a state."""
        view: Viewable = getattr(import_module(self.module), self.view)(state)
        return view


PAGES: dict[str, PageSpec] = {
    page.name: page
    for page in (
        PageSpec("crosstalk", "Crosstalk", "dashboard.views.crosstalk", "CrosstalkView"),
        PageSpec("error", "Error against ideal", "dashboard.views.error", "ErrorView"),
        PageSpec("calibration", "Calibration", "dashboard.views.calibration", "CalibrationView"),
        PageSpec("retraining", "Retraining", "dashboard.views.retraining", "RetrainingView"),
        PageSpec("runs", "Runs", "dashboard.views.runs", "RunsView"),
        PageSpec("deployment", "Deployment", "dashboard.views.deployment", "DeploymentView"),
        PageSpec("design", "Design", "dashboard.views.design", "DesignView"),
    )
}
