"""Options of the commands that train networks or judge them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Network = Annotated[str | None, typer.Argument(help="mlp_4x4, mlp_14x14, lenet5 or vgg_small.")]
Mode = Annotated[
    str | None, typer.Option(help="float (default), noise, hardware-aware or straight-through.")
]
Run = Annotated[Path | None, typer.Option(help="Directory to make. Default: runs/NETWORK-MODE.")]
Resume = Annotated[
    Path | None, typer.Option(help="Directory of a run to go on with, instead of NETWORK.")
]
Start = Annotated[
    Path | None, typer.Option("--from", help="Finished run whose weights to start from.")
]
Chip = Annotated[Path | None, typer.Option(help="Chip (YAML, or a calibration) to train for.")]
ArrayShape = Annotated[
    str | None, typer.Option(help="Arrays as WORDLINESxBITLINES. Default: the chip's own.")
]
Images = Annotated[
    str | None,
    typer.Option(
        help="mnist_5k, mnist or cifar10. Default: mnist_5k, which needs no download, "
        "for digits; cifar10 for vgg_small."
    ),
]
Epochs = Annotated[int | None, typer.Option(min=1)]
BatchSize = Annotated[int | None, typer.Option(min=1)]
LearningRate = Annotated[float | None, typer.Option(help="Its peak.")]
WeightNoise = Annotated[
    float | None, typer.Option(help="Of mode noise, in shares of a layer's largest weight.")
]
Distillation = Annotated[
    float | None,
    typer.Option(help="Share of the loss, 0 to 1, that is distance to the --from run's scores."),
]
ValidationPerClass = Annotated[
    int | None, typer.Option(min=0, help="Training images held out to judge each epoch.")
]
Patience = Annotated[
    int | None, typer.Option(min=1, help="Epochs without progress after which to stop.")
]
Seed = Annotated[int | None, typer.Option(min=0, help="Of everything random. Default: 0.")]
Compiled = Annotated[bool | None, typer.Option("--compile", help="With torch.compile.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of torch.")]
Processes = Annotated[int | None, typer.Option(min=1, help="Processes that share each batch.")]
Window = Annotated[
    float | None, typer.Option(help="Widest pulse in s, where the chip has no pulse codes.")
]
Tolerance = Annotated[
    float | None,
    typer.Option(help="Relative rms error allowed to a layer's closed form. Default: 0.001."),
]
Chips = Annotated[
    int | None, typer.Option(min=1, help="Train on so many chips, which vary by 20 %.")
]
OptionsFile = Annotated[
    Path | None, typer.Option("--options", help="YAML with further values of the configuration.")
]
DataDir = Annotated[
    Path | None, typer.Option(help="Folder of the images. Default: ANALOG_MODEL_DATA.")
]
Download = Annotated[bool, typer.Option(help="Fetch images that are not there.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

# Of `evaluate`.
FinishedRun = Annotated[Path, typer.Argument(help="Directory of a finished training run.")]
JudgingChip = Annotated[
    Path | None, typer.Option(help="Chip (YAML, or a calibration) to put the network on.")
]
RunArrayShape = Annotated[
    str | None, typer.Option(help="Arrays as WORDLINESxBITLINES. Default: the run's.")
]
RunTolerance = Annotated[
    float | None,
    typer.Option(help="Relative rms error allowed to a layer's closed form. Default: the run's."),
]
FurtherChips = Annotated[
    int, typer.Option(min=0, help="So many further chips that vary by --variation.")
]
Variation = Annotated[
    float, typer.Option(min=0, max=0.99, help="Of all kappas, of all resistances; a share.")
]
Mismatch = Annotated[
    float, typer.Option(min=0, help="Of every kappa of every cell, relative deviation.")
]
ChipSeed = Annotated[int, typer.Option(min=0, help="Of the chips; other than that of training.")]
RunImages = Annotated[str | None, typer.Option(help="Default: those of the run.")]
Destination = Annotated[
    Path | None, typer.Option("--output", "-o", help="NetCDF file to write, .nc.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing file.")]
