"""Command `train`: a network, trained for digital hardware or for a chip."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from analog_model.cli import output, settings
from analog_model.cli import training_options as options
from analog_model.cli.freed_memory import keep_freed_memory
from analog_model.cli.option_names import layer_settings_as_options
from analog_model.cli.work import progress_bar
from analog_model.errors import ConfigurationError, nearest_name

if TYPE_CHECKING:
    import xarray as xr

    from analog_model.chip import Chip
    from analog_model.nn.training.configuration import TrainingConfiguration
    from analog_model.nn.training.train import TrainingResult


def train(
    network: options.Network = None,
    *,
    mode: options.Mode = None,
    run: options.Run = None,
    resume: options.Resume = None,
    start: options.Start = None,
    chip: options.Chip = None,
    array_shape: options.ArrayShape = None,
    images: options.Images = None,
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    learning_rate: options.LearningRate = None,
    weight_noise: options.WeightNoise = None,
    distillation: options.Distillation = None,
    validation_per_class: options.ValidationPerClass = None,
    patience: options.Patience = None,
    seed: options.Seed = None,
    compiled: options.Compiled = None,
    threads: options.Threads = None,
    processes: options.Processes = None,
    window: options.Window = None,
    tolerance: options.Tolerance = None,
    chips: options.Chips = None,
    options_file: options.OptionsFile = None,
    data_dir: options.DataDir = None,
    download: options.Download = True,
    as_json: options.AsJson = False,
) -> None:
    """Train a network, or go on with a run.

    Options that are not given come from a recipe of the network and mode. Ctrl-C stops with
    a checkpoint: --resume goes on from there, as it does after any other end.
    """
    keep_freed_memory()
    effort = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    loss = {"weight_noise": weight_noise, "distillation": distillation}
    judging = {"validation_per_class": validation_per_class, "patience": patience}
    machine = {"compiled": compiled, "threads": threads, "processes": processes}
    layer = {"window": window, "tolerance": tolerance}
    arrays = {"array_shape": array_shape, **layer, "chips": chips}
    values = {"seed": seed, **effort, **loss, **judging, **machine, **arrays}
    given = {name: value for name, value in values.items() if value is not None}
    if resume is not None:
        own = {"run": run, "from": start, "chip": chip, "images": images, "options": options_file}
        _require_nothing_else({"network": network, "mode": mode, **own, **given})
        result = _resumed(resume, data_dir=data_dir, download=download, quiet=as_json)
    else:
        given |= {"mode": mode or "float"}
        result = _trained(
            _configuration(network, images, given, file=options_file, retrained=start is not None),
            run=run or Path("runs") / f"{network}-{given['mode']}",
            start=start,
            chip=None if chip is None else settings.chip(chip),
            data_dir=data_dir,
            download=download,
            quiet=as_json,
        )
    _report(result, as_json=as_json)


def _resumed(run: Path, *, data_dir: Path | None, download: bool, quiet: bool) -> TrainingResult:
    from analog_model.nn.training.train import resume

    with progress_bar("Training", quiet=quiet) as tell:
        return resume(run, data_dir=data_dir, download=download, progress=tell)


def _trained(
    configuration: TrainingConfiguration,
    *,
    run: Path,
    start: Path | None,
    chip: Chip | None,
    data_dir: Path | None,
    download: bool,
    quiet: bool,
) -> TrainingResult:
    from analog_model.nn.training import train as training

    with layer_settings_as_options(), progress_bar("Training", quiet=quiet) as tell:
        return training.train(
            configuration,
            run_directory=run,
            start=start,
            chip=chip,
            data_dir=data_dir,
            download=download,
            progress=tell,
        )


def _configuration(
    network: str | None,
    images: str | None,
    given: dict[str, Any],
    *,
    file: Path | None,
    retrained: bool,
) -> TrainingConfiguration:
    """The recipe with what the file changes, then what options change."""
    from analog_model.nn.training.configuration import MODES
    from analog_model.nn.training.recipes import recipe

    if network is None:
        raise ConfigurationError(
            "argument NETWORK", expected="a network, or --resume with a run", got="neither"
        )
    changes = {**({} if file is None else settings.mapping(file)), **given}
    mode = changes.pop("mode")
    named = mode.replace("-", "_")
    if named not in MODES:
        valid = [name.replace("_", "-") for name in MODES]
        raise ConfigurationError(
            "option --mode",
            expected=f"one of {', '.join(valid)}",
            got=repr(mode),
            advice=nearest_name(mode, valid),
        )
    if "array_shape" in given:
        changes["array_shape"] = settings.shape(given["array_shape"])
    of_layers = {name: changes.pop(name) for name in ("window", "tolerance") if name in given}
    if of_layers:
        changes["layer"] = {**changes.get("layer", {}), **of_layers}
    if "chips" in given:
        changes["variation"] = {**changes.get("variation", {}), "n_chips": changes.pop("chips")}
    # A file's setting is called as the file calls it.
    with layer_settings_as_options() if of_layers else contextlib.nullcontext():
        return recipe(network, mode=named, images=images, retrained=retrained, changes=changes)


def _require_nothing_else(given: dict[str, Any]) -> None:
    """A run that goes on is what it was."""
    for name, value in given.items():
        if value is not None:
            raise ConfigurationError(
                f"option --{name.replace('_', '-')}" if name != "network" else "argument NETWORK",
                expected="none with --resume, whose run has its own",
                got=str(value),
            )


def _report(result: TrainingResult, *, as_json: bool) -> None:
    from analog_model.nn.training.process_rank import is_first_process

    if not is_first_process():
        return
    record = result.record
    if record is None:
        typer.echo(
            f"stopped after {result.step} steps; go on with: "
            f"analog-model train --resume {result.directory}",
            err=True,
        )
        raise typer.Exit(1)
    summary = _summary(result, record)
    if as_json:
        output.print_json(summary)
        return
    minutes = (
        f"{summary['wall_time'] / 60:.1f} min, {summary['cpu_time'] / 60:.1f} of processor time"
    )
    output.print_facts(
        f"{summary['mode'].replace('_', '-')} training of {summary['network']}",
        {
            "images": f"{summary['images']}, {summary['n_test_images']} of them the test part",
            "epochs": summary["epochs"],
            "time": minutes,
            "loss at the end": f"{summary['train_loss']:.4f}",
            "test accuracy": f"{summary['accuracy']:.2%} ± {summary['standard_error']:.2%}",
            "written": summary["written"],
        },
    )


def _summary(result: TrainingResult, record: xr.Dataset) -> dict[str, Any]:
    n_images, accuracy = int(record["confusion"].sum()), float(record["accuracy"])
    return {
        **{name: record.attrs[name] for name in ("network", "mode", "images")},
        "chip": record.attrs.get("chip"),
        "epochs": record.sizes["epoch"],
        "steps": result.step,
        "train_loss": float(record["train_loss"][-1]),
        "accuracy": accuracy,
        "standard_error": math.sqrt(accuracy * (1 - accuracy) / n_images),
        "n_test_images": n_images,
        "wall_time": float(record["wall_time"].sum()),
        "cpu_time": float(record["cpu_time"].sum()),
        "written": str(result.directory),
    }
