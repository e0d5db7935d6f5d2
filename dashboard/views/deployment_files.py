"""Files of the deployment page: programming targets as one archive, figures, numbers."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import xarray as xr

from analog_model import vocabulary as v
from analog_model.deployment.files import save_deployment
from analog_model.deployment.result import Deployment
from analog_model.deployment.tables import SPECS
from dashboard.views.deployment_numbers import array_table, layer_of
from dashboard.views.export import ExportFile

# The earliest that an archive can hold: the same deployment gives the same bytes.
_TIMELESS = (1980, 1, 1, 0, 0, 0)


def deployment_archive(deployment: Deployment, *, what: str) -> ExportFile:
    """What `analog-model deploy` writes into a folder, as one zip file."""
    stem = re.sub(r"[^a-z0-9]+", "-", f"{what} on {deployment.chip.name}".lower()).strip("-")[:80]
    content = io.BytesIO()
    with TemporaryDirectory(prefix="analog-model-") as folder:
        written = save_deployment(deployment, Path(folder) / "targets")
        with zipfile.ZipFile(content, "w") as archive:
            for path in written:
                name = f"{stem}/{path.relative_to(Path(folder) / 'targets').as_posix()}"
                entry = zipfile.ZipInfo(name, _TIMELESS)
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, path.read_bytes())
    return ExportFile(f"{stem}_targets.zip", content.getvalue())


def figures_of(deployment: Deployment, array: int) -> dict[str, Callable[[], Any]]:
    """Figures of the page by name, each with what makes its element."""
    layer = str(deployment.layers[v.LAYER].values[layer_of(deployment, array)])
    return {
        f"Arrays of layer {layer}": lambda: _figures().array_map(deployment, layer=layer),
        "Energy by layer": lambda: _figures().energy_bars(deployment.cost),
        "Latency by layer": lambda: _figures().latency_bars(deployment.cost),
    }


def dataset_of(deployment: Deployment) -> xr.Dataset:
    """Every table in one Dataset; variables say which table they are of."""
    joined = xr.Dataset()
    for group in SPECS:
        table: xr.Dataset = getattr(deployment, group)
        renamed = table.rename({name: f"{group}_{name}" for name in table.data_vars})
        joined = joined.merge(renamed.drop_attrs(deep=False), compat="no_conflicts")
        joined = joined.assign_attrs(
            {f"{group}_{name}": text for name, text in table.attrs.items()} | joined.attrs
        )
    return joined.assign_attrs(chip=deployment.chip.name)


def table_of(deployment: Deployment, *, aspect: str, array: int) -> xr.Dataset:
    """The numbers of one aspect: targets of an array, cost, accuracy."""
    if aspect == "cost":
        return deployment.cost
    if aspect == "accuracy":
        return deployment.accuracy
    return array_table(deployment, array)


def _figures() -> Any:
    # HoloViews costs a second to import; only an export needs it.
    from analog_model.figures import deployment

    return deployment
