"""Command `train`: a network, trained for digital hardware or for a chip."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analog_model.cli import output, settings
from analog_model.cli.work import progress_bar
from analog_model.errors import ConfigurationError, nearest_name

if TYPE_CHECKING:
    import xarray as xr

    from analog_model.nn.training.configuration import TrainingConfiguration
    from analog_model.nn.training.train import TrainingResult


def train(
    network: Annotated[
        str | None, typer.Argument(help="mlp_4x4, mlp_14x14, lenet5 or vgg_small.")
    ] = None,
    *,
    mode: Annotated[
        str, typer.Option(help="float, noise, hardware-aware or straight-through.")
    ] = "float",
    run: Annotated[
        Path | None, typer.Option(help="Directory to make. Default: runs/NETWORK-MODE.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Directory of a run to go on with, instead of NETWORK.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option("--from", help="Finished run whose weights to start from.")
    ] = None,
    chip: Annotated[
        Path | None, typer.Option(help="Chip (YAML, or a calibration) to train for.")
    ] = None,
    array_shape: Annotated[
        str | None, typer.Option(help="Arrays as WORDLINESxBITLINES. Default: the chip's own.")
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(
            help="mnist_5k, mnist or cifar10. Default: mnist_5k, which needs no download, "
            "for digits; cifar10 for vgg_small."
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    batch_size: Annotated[int | None, typer.Option(min=1)] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Its peak.")] = None,
    weight_noise: Annotated[
        float | None, typer.Option(help="Of mode noise, in shares of a layer's largest weight.")
    ] = None,
    validation_per_class: Annotated[
        int | None, typer.Option(min=0, help="Training images held out to judge each epoch.")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, help="Epochs without progress after which to stop.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    precision: Annotated[
        str | None, typer.Option(help="32-true, or bf16-mixed for training in bfloat16.")
    ] = None,
    compiled: Annotated[bool, typer.Option("--compile", help="With torch.compile.")] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of torch.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="Processes that share each batch.")] = 1,
    window: Annotated[
        float | None, typer.Option(help="Widest pulse in s, where the chip has no pulse codes.")
    ] = None,
    chips: Annotated[
        int | None, typer.Option(min=1, help="Train on so many chips, which vary by 20 %.")
    ] = None,
    options_file: Annotated[
        Path | None,
        typer.Option("--options", help="YAML with further values of the configuration."),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the images. Default: ANALOG_MODEL_DATA.")
    ] = None,
    download: Annotated[bool, typer.Option(help="Fetch images that are not there.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Train a network, or go on with a run.

    Options that are not given come from a recipe of the network and mode. Ctrl-C stops with
    a checkpoint: --resume goes on from there, as it does after any other end.
    """
    options: dict[str, Any] = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "weight_noise": weight_noise,
        "validation_per_class": validation_per_class,
        "patience": patience,
        "precision": precision,
        "threads": threads,
        "array_shape": None if array_shape is None else settings.shape(array_shape),
        "variation": None if chips is None else {"n_chips": chips},
    }
    given: dict[str, Any] = {"seed": seed, "compiled": compiled, "processes": processes}
    given |= {} if options_file is None else settings.mapping(options_file)
    given |= {name: value for name, value in options.items() if value is not None}
    if window is not None:
        given["layer"] = {**given.get("layer", {}), "window": window}
    begun = resume or run or Path("runs") / f"{network}-{mode}"
    with progress_bar("Training", quiet=as_json) as tell:
        if resume is not None:
            _require_nothing_else(network, run, start, chip)
            from analog_model.nn.training import train as training

            result = training.resume(resume, data_dir=data_dir, download=download, progress=tell)
        else:
            configuration = _configuration(
                network, mode=mode, images=images, retrained=start is not None, given=given
            )
            from analog_model.nn.training import train as training

            result = training.train(
                configuration,
                run_directory=begun,
                start=start,
                chip=None if chip is None else settings.chip(chip),
                data_dir=data_dir,
                download=download,
                progress=tell,
            )
    _report(result, as_json=as_json)


def _configuration(
    network: str | None,
    *,
    mode: str,
    images: str | None,
    retrained: bool,
    given: dict[str, Any],
) -> TrainingConfiguration:
    from analog_model.nn.training.configuration import MODES
    from analog_model.nn.training.recipes import recipe

    if network is None:
        raise ConfigurationError(
            "argument NETWORK", expected="a network, or --resume with a run", got="neither"
        )
    named = mode.replace("-", "_")
    if named not in MODES:
        valid = [name.replace("_", "-") for name in MODES]
        raise ConfigurationError(
            "option --mode",
            expected=f"one of {', '.join(valid)}",
            got=repr(mode),
            advice=nearest_name(mode, valid),
        )
    return recipe(network, mode=named, images=images, retrained=retrained, changes=given)


def _require_nothing_else(
    network: str | None, run: Path | None, start: Path | None, chip: Path | None
) -> None:
    """A run that goes on is what it was."""
    for name, given in (
        ("argument NETWORK", network),
        ("option --run", run),
        ("option --from", start),
        ("option --chip", chip),
    ):
        if given is not None:
            raise ConfigurationError(
                name, expected="none with --resume, whose run has its own", got=str(given)
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
