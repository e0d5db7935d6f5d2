"""Figures of training runs, from their records: curves, final accuracy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import holoviews as hv
import holoviews.plotting.mpl
import numpy as np
import xarray as xr

from analog_model.errors import DataError
from analog_model.figures.accuracy_dots import Dots, accuracy_dots
from analog_model.figures.calibration import legend_above
from analog_model.figures.colours import INK, MODE_COLOURS
from analog_model.figures.wording import MODE_LABELS

MATPLOTLIB = "matplotlib"


def accuracy_figure(records: Sequence[xr.Dataset]) -> hv.Layout:
    """Accuracy over epochs, a panel for each network, before the final accuracies.

    Records as `open_record` gives them; those of one network, mode, image set are seeds of
    one experiment.
    """
    networks = _distinct(record.attrs["network"] for record in records)
    curves = [
        # The panel below names the colours.
        accuracy_curves([one for one in records if one.attrs["network"] == network], legend=False)
        for network in networks
    ]
    return hv.Layout([*curves, final_accuracy(records)])


def accuracy_curves(records: Sequence[xr.Dataset], *, legend: bool = True) -> hv.Overlay:
    """Accuracy of the images that judge every epoch, a line for each run of one network."""
    _require(records)
    names = _distinct(record.attrs["network"] for record in records)
    parts = _distinct(record.attrs["evaluated_on"] for record in records)
    for what, found in (("network", names), ("evaluated_on", parts)):
        if len(found) != 1:
            raise DataError("training curves", expected=f"one {what}", got=", ".join(found))
    axes = (
        hv.Dimension("epoch"),
        hv.Dimension("accuracy", label=f"{parts[0]} accuracy [%]"),
    )
    pieces, labelled = [], set()
    for record in records:
        mode = str(record.attrs["mode"])
        label = "" if mode in labelled else MODE_LABELS.get(mode, mode)
        labelled.add(mode)
        x = record["epoch"].values.astype(float) + 1.0
        y = 100.0 * record["evaluated_accuracy"].values
        curve = hv.Curve((x, y), *axes, label=label)
        pieces.append(
            curve.opts(backend=MATPLOTLIB, color=MODE_COLOURS.get(mode, INK), linewidth=0.9)
        )
        if x.size == 1:
            mark = hv.Scatter((x, y), *axes)
            pieces.append(mark.opts(backend=MATPLOTLIB, color=MODE_COLOURS.get(mode, INK), s=8))
    return hv.Overlay(pieces).opts(
        backend=MATPLOTLIB,
        title=f"{names[0].replace('_', ' ')}",
        xlabel=axes[0].label,
        ylabel=axes[1].label,
        legend_position="bottom_right",
        show_legend=legend,
    )


def final_accuracy(records: Sequence[xr.Dataset]) -> hv.Overlay:
    """Test accuracy by network, mode: a point for each run, a line at their mean.

    The number beside them is the mean, with the standard deviation over seeds where there
    are several runs.
    """
    _require(records)
    groups = _groups(records)
    several = len({name for name, _ in groups}) > 1
    return accuracy_dots(
        [
            Dots(_label(name, mode, several=several), MODE_COLOURS.get(mode, INK), values)
            for (name, mode), values in groups.items()
        ]
    )


def loss_curves(records: Sequence[xr.Dataset]) -> hv.Overlay:
    """Loss of every batch over the steps of the optimizer, a line for each run."""
    _require(records)
    axes = (hv.Dimension("step"), hv.Dimension("loss", label="cross entropy"))
    several = len(_distinct(record.attrs["network"] for record in records)) > 1
    pieces, labelled = [], set()
    for record in records:
        network, mode = str(record.attrs["network"]), str(record.attrs["mode"])
        label = _label(network, mode, several=several)
        data = (record["training_step"].values.astype(float), record["step_loss"].values)
        curve = hv.Curve(data, *axes, label="" if label in labelled else label)
        labelled.add(label)
        colour = MODE_COLOURS.get(mode, INK)
        pieces.append(curve.opts(backend=MATPLOTLIB, color=colour, linewidth=0.5))
    return hv.Overlay(pieces).opts(
        backend=MATPLOTLIB,
        logy=True,
        xlabel=axes[0].label,
        ylabel=axes[1].label,
        **legend_above(2),
    )


def _require(records: Sequence[xr.Dataset]) -> None:
    if not records:
        raise DataError("training figure", expected="at least one record", got="none")


def _groups(records: Sequence[xr.Dataset]) -> dict[tuple[str, str], np.ndarray]:
    """Test accuracies [%] by network, mode, in the order of the records."""
    found: dict[tuple[str, str], list[float]] = {}
    images: dict[tuple[str, str], str] = {}
    for record in records:
        key = str(record.attrs["network"]), str(record.attrs["mode"])
        if images.setdefault(key, record.attrs["images"]) != record.attrs["images"]:
            raise DataError(
                f"records of {key[0]}, {key[1]}",
                expected=f"one image set, {images[key]}",
                got=str(record.attrs["images"]),
            )
        found.setdefault(key, []).append(100.0 * float(record["accuracy"]))
    return {key: np.array(values) for key, values in found.items()}


def _label(network: str, mode: str, *, several: bool) -> str:
    words = MODE_LABELS.get(mode, mode.replace("_", " "))
    return f"{network.replace('_', ' ')}: {words.split(',')[0]}" if several else words


def _distinct(values: Iterable[object]) -> list[str]:
    return list(dict.fromkeys(map(str, values)))
