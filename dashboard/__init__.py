"""Browser application of analog-model."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dashboard.app import create_app, serve
    from dashboard.sidebar import ParameterControls
    from dashboard.state import State
    from dashboard.views.calibration import CalibrationView
    from dashboard.views.crosstalk import CrosstalkView
    from dashboard.views.deployment import DeploymentView
    from dashboard.views.design import DesignView
    from dashboard.views.error import ErrorView
    from dashboard.views.retraining import RetrainingView
    from dashboard.views.runs import RunsView

__all__ = [
    "CalibrationView",
    "CrosstalkView",
    "DeploymentView",
    "DesignView",
    "ErrorView",
    "ParameterControls",
    "RetrainingView",
    "RunsView",
    "State",
    "create_app",
    "serve",
]

_HOME = {
    "CalibrationView": "dashboard.views.calibration",
    "CrosstalkView": "dashboard.views.crosstalk",
    "DeploymentView": "dashboard.views.deployment",
    "DesignView": "dashboard.views.design",
    "ErrorView": "dashboard.views.error",
    "ParameterControls": "dashboard.sidebar",
    "RetrainingView": "dashboard.views.retraining",
    "RunsView": "dashboard.views.runs",
    "State": "dashboard.state",
    "create_app": "dashboard.app",
    "serve": "dashboard.app",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
