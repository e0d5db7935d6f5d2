"""Memory that a step needs at its peak, in tensors."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile


def peak_of(step: Callable[[], Any]) -> int:
    """Bytes of tensors that a step holds at its peak beyond what there was before it.

    From the profiler's record of each tensor made and released. Gradients of an earlier step
    that it drops do not show in the record, those that it makes do. Nor does scratch space
    that a library takes for itself.
    """
    step()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        step()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        record.export_chrome_trace(str(path))
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    changes = sorted(
        (event["ts"], event["args"]["Bytes"]) for event in events if event["name"] == "[memory]"
    )
    held = peak = 0
    for _, change in changes:
        held += change
        peak = max(peak, held)
    return peak


def resident(model: nn.Module, x: Tensor) -> int:
    """Bytes of a model's parameters, of its buffers, of its inputs."""
    return sum(own.nbytes for own in (*model.parameters(), *model.buffers(), x))
