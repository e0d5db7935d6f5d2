"""Command `evaluate`: how well a trained network does, as trained or on other chips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from analog_model.cli import output, settings
from analog_model.cli import training_options as options
from analog_model.cli.option_names import layer_settings_as_options
from analog_model.cli.work import progress_bar
from analog_model.errors import ConfigurationError

if TYPE_CHECKING:
    import xarray as xr

    from analog_model.nn.training.chip_family import ChipFamily


def evaluate(
    run: options.FinishedRun,
    *,
    chip: options.JudgingChip = None,
    array_shape: options.RunArrayShape = None,
    window: options.Window = None,
    tolerance: options.RunTolerance = None,
    chips: options.FurtherChips = 0,
    variation: options.Variation = 0.2,
    mismatch: options.Mismatch = 0.0,
    seed: options.ChipSeed = 1000,
    images: options.RunImages = None,
    threads: options.Threads = None,
    data_dir: options.DataDir = None,
    download: options.Download = True,
    destination: options.Destination = None,
    force: options.Force = False,
    as_json: options.AsJson = False,
) -> None:
    """Judge a trained network by the whole test part.

    With --chip the network is put on that chip first; --chips adds others of its kind.
    """
    from analog_model.nn.training.chip_evaluation import evaluate_run
    from analog_model.nn.training.thread_count import thread_count
    from analog_model.nn.training.trained import TrainedRun

    if destination is not None:
        _require_destination(destination, force=force)
    family = None
    if chip is not None:
        family = _family(chip, chips=chips, variation=variation, mismatch=mismatch, seed=seed)
    elif chips:
        raise ConfigurationError(
            "option --chips", expected="--chip, whose kind they are", got="none"
        )
    with (
        layer_settings_as_options(),
        progress_bar("Evaluating", quiet=as_json) as tell,
        thread_count(threads),
    ):
        found = evaluate_run(
            run,
            family=family,
            settings=TrainedRun(run).settings(
                array_shape=None if array_shape is None else settings.shape(array_shape),
                window=window,
                tolerance=tolerance,
            ),
            images=images,
            data_dir=data_dir,
            download=download,
            progress=tell,
        )
    if destination is not None:
        _write(found, destination, force=force)
    _report(found, as_json=as_json)


def _family(path: Path, *, chips: int, variation: float, mismatch: float, seed: int) -> ChipFamily:
    from analog_model.nn.effects import Effects
    from analog_model.nn.training.chip_family import ChipFamily
    from analog_model.nn.training.chip_variation import ChipVariation

    varied = None
    if chips:
        varied = ChipVariation(n_chips=chips, coupling=variation, resistance=variation)
    effects = Effects(kappa_mismatch=mismatch) if mismatch else None
    return ChipFamily(settings.chip(path), effects, varied, seed)


def _require_destination(destination: Path, *, force: bool) -> None:
    if destination.suffix != ".nc":
        raise ConfigurationError(
            "option --output", expected="a name that ends in .nc", got=str(destination)
        )
    output.require_folder(destination)
    output.require_free(destination, force=force)


def _write(found: xr.Dataset, destination: Path, *, force: bool) -> None:
    from analog_model.dataset import netcdf
    from analog_model.dataset.io import write_bytes

    write_bytes(destination, netcdf.encode(found), overwrite=force)


def _report(found: xr.Dataset, *, as_json: bool) -> None:
    nominal = found.isel(chip=0) if "chip" in found.dims else found
    summary: dict[str, Any] = {
        **{name: value for name, value in found.attrs.items() if "fingerprint" not in name},
        "accuracy": float(nominal["accuracy"]),
        "standard_error": float(nominal["standard_error"]),
        "class_accuracy": dict(
            zip(found["label"].values.tolist(), nominal["class_accuracy"].values, strict=True)
        ),
    }
    if found.sizes.get("chip", 1) > 1:
        others = found["accuracy"][1:]
        summary["chips"] = {
            "count": others.size,
            "mean": float(others.mean()),
            # A single chip has none.
            "spread": float(found["spread"]) if "spread" in found else None,
            "lowest": float(others.min()),
        }
    if "layer" in found.dims:
        summary["layers"] = [
            {
                "layer": str(name),
                "own_ratio": float(nominal["own_ratio"].sel(layer=name)),
                "cumulative_ratio": float(nominal["cumulative_ratio"].sel(layer=name)),
            }
            for name in found["layer"].values
        ]
    if as_json:
        output.print_json(summary)
    else:
        _print(summary)


def _on_others(chips: dict[str, Any]) -> dict[str, str]:
    if chips["count"] == 1:
        return {"on 1 other chip": f"{chips['mean']:.2%}"}
    spread = f"{chips['mean']:.2%}, spread {chips['spread']:.2%}, lowest {chips['lowest']:.2%}"
    return {f"on {chips['count']} other chips": spread}


def _print(summary: dict[str, Any]) -> None:
    facts = {
        "images": summary["images"],
        "trained": summary["mode"].replace("_", "-"),
        "chip": summary.get("chip", "as trained"),
        "test accuracy": f"{summary['accuracy']:.2%} ± {summary['standard_error']:.2%}",
    }
    if "chips" in summary:
        facts.update(_on_others(summary["chips"]))
    classes = [f"{name} {value:.1%}" for name, value in summary["class_accuracy"].items()]
    facts["by class"] = ", ".join(classes)
    output.print_facts(f"Evaluation of {summary['network']}", facts)
    if "layers" in summary:
        output.print_table(
            "Signal-to-error ratio by layer",
            ("layer", "its own", "up to there"),
            [
                (one["layer"], f"{one['own_ratio']:.1f}", f"{one['cumulative_ratio']:.1f}")
                for one in summary["layers"]
            ],
        )
