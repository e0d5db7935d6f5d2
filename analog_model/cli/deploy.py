"""Command `deploy`: a trained network onto the arrays of a chip."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analog_model.cli import output, settings
from analog_model.cli.deployment_report import (
    deployment_summary,
    print_deployment,
    reading_rows,
)
from analog_model.cli.option_names import layer_settings_as_options
from analog_model.cli.work import progress_bar, undisturbed

if TYPE_CHECKING:
    from analog_model.deployment.cost import CostAssumptions
    from analog_model.deployment.result import Deployment
    from analog_model.deployment.write_verify import WriteVerify
    from analog_model.nn.effects import Effects


_Run = Annotated[Path, typer.Argument(help="Directory of a finished training run.")]
_To = Annotated[Path, typer.Option(help="Folder for the files: NetCDF, CSV, YAML.")]
_Chip = Annotated[
    Path | None, typer.Option(help="Chip (YAML, or a calibration). Default: that of the run.")
]
_ArrayShape = Annotated[
    str | None, typer.Option(help="Arrays as WORDLINESxBITLINES. Default: as trained.")
]
_NArrays = Annotated[
    int | None, typer.Option("--arrays", min=1, help="Arrays at hand. Default: enough.")
]
_Window = Annotated[
    float | None, typer.Option(help="Widest pulse [s], for a chip without pulse codes.")
]
_Tolerance = Annotated[
    float | None,
    typer.Option(help="Relative rms error allowed to a layer's closed form. Default: the run's."),
]
_Chips = Annotated[int, typer.Option(min=1, help="Chips to program, one seed each.")]
_Images = Annotated[int | None, typer.Option(min=1, help="Test images to judge by. Default: all.")]
_Reading = Annotated[
    str, typer.Option(help="single, in_context, patterns_only, regression, leave_one_out.")
]
_CellTolerance = Annotated[float, typer.Option(help="Accepted error of a cell, over full scale.")]
_Iterations = Annotated[int, typer.Option(min=1, help="Most rounds of write and read.")]
_ProgrammingError = Annotated[
    float | None, typer.Option(help="Of one write, over the change it makes.")
]
_ProgrammingOffset = Annotated[float | None, typer.Option(help="Of one write, over full scale.")]
_KappaMismatch = Annotated[
    float | None, typer.Option(help="Relative, of every coupling of every cell.")
]
_ReadNoise = Annotated[
    float | None, typer.Option(help="Of one read of a bit line, over full scale.")
]
_VBitLine = Annotated[float | None, typer.Option(help="[V]. Default: the chip's.")]
_VWordLine = Annotated[float | None, typer.Option(help="[V]. Default: the chip's.")]
_WordLineCapacitance = Annotated[float | None, typer.Option(help="Of one cell [F], an assumption.")]
_ReadoutTime = Annotated[float | None, typer.Option(help="Of an operation [s], an assumption.")]
_CompareReadings = Annotated[
    bool, typer.Option("--compare-readings", help="Program array 0 with every reading.")
]
_DataDir = Annotated[
    Path | None, typer.Option(help="Folder of the images. Default: ANALOG_MODEL_DATA.")
]
_Download = Annotated[bool, typer.Option(help="Fetch images that are not there.")]
_Force = Annotated[bool, typer.Option("--force", help="Replace an older deployment.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def deploy(
    run: _Run,
    *,
    to: _To,
    chip: _Chip = None,
    array_shape: _ArrayShape = None,
    n_arrays: _NArrays = None,
    window: _Window = None,
    tolerance: _Tolerance = None,
    chips: _Chips = 3,
    images: _Images = None,
    reading: _Reading = "single",
    cell_tolerance: _CellTolerance = 0.01,
    iterations: _Iterations = 10,
    programming_error: _ProgrammingError = None,
    programming_offset: _ProgrammingOffset = None,
    kappa_mismatch: _KappaMismatch = None,
    read_noise: _ReadNoise = None,
    v_bit_line: _VBitLine = None,
    v_word_line: _VWordLine = None,
    word_line_capacitance: _WordLineCapacitance = None,
    readout_time: _ReadoutTime = None,
    compare_readings: _CompareReadings = False,
    data_dir: _DataDir = None,
    download: _Download = True,
    force: _Force = False,
    as_json: _AsJson = False,
) -> None:
    """Place a trained network on arrays, simulate their programming, predict what it does.

    Writes the current of every cell, input and readout scales, predicted accuracy, energy
    and latency. What is assumed is printed with the result.
    """
    require_destination(to, force=force)
    with layer_settings_as_options(), progress_bar("Deploying", quiet=as_json) as tell:
        from analog_model.deployment import trained

        effects = _effects(
            run,
            of_cells={"kappa_mismatch": kappa_mismatch, "read_noise": read_noise},
            of_writes={"proportional": programming_error, "full_scale": programming_offset},
        )
        writing = _writing(reading, cell_tolerance, iterations)
        found = trained.deploy_run(
            run,
            chip=None if chip is None else settings.chip(chip),
            array_shape=None if array_shape is None else settings.shape(array_shape),
            window=window,
            tolerance=tolerance,
            effects=effects,
            writing=writing,
            assumptions=_assumptions(v_bit_line, v_word_line, word_line_capacitance, readout_time),
            seeds=tuple(range(chips)),
            n_arrays=n_arrays,
            n_images=images,
            data_dir=data_dir,
            download=download,
            progress=tell,
        )
        summary = deployment_summary(found)
        if compare_readings:
            summary["readings"] = _readings(found, effects, writing)
    _finish(found, summary, to, force=force, as_json=as_json)


def _readings(found: Deployment, effects: Effects, writing: WriteVerify) -> list[dict[str, Any]]:
    from analog_model.deployment.reading_comparison import compare_readings

    return reading_rows(compare_readings(found, effects=effects, writing=writing))


def _finish(
    found: Deployment, summary: dict[str, Any], to: Path, *, force: bool, as_json: bool
) -> None:
    """Write the files, then tell."""
    from analog_model.deployment.files import save_deployment

    with undisturbed():
        save_deployment(found, to, overwrite=force)
    summary["written"] = str(to)
    if as_json:
        output.print_json(summary)
    else:
        print_deployment(summary)


def require_destination(to: Path, *, force: bool) -> None:
    """Raise before any work is done if the folder `to` cannot be written."""
    output.require_folder(to)
    if to.is_dir() and not any(to.iterdir()):
        return
    output.require_free(to, force=force)


def _given(values: dict[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}


def _effects(
    run: Path, *, of_cells: dict[str, float | None], of_writes: dict[str, float | None]
) -> Effects:
    """Effects of the run, else the typical ones, with what the options change."""
    from analog_model.deployment.deploy import TYPICAL_EFFECTS
    from analog_model.nn.effects import ProgrammingError
    from analog_model.nn.training.run_directory import RunDirectory

    effects = RunDirectory(run).read_configuration().effects or TYPICAL_EFFECTS
    error = (effects.programming_error or ProgrammingError()).replace(**_given(of_writes))
    written = error if _given(of_writes) else effects.programming_error
    return effects.replace(**_given(of_cells), programming_error=written)


def _writing(reading: str, cell_tolerance: float, iterations: int) -> WriteVerify:
    from analog_model.deployment.write_verify import WriteVerify

    rules = {"reading": reading, "tolerance": cell_tolerance, "most_iterations": iterations}
    return WriteVerify.model_validate(rules)


def _assumptions(
    v_bit_line: float | None,
    v_word_line: float | None,
    word_line_capacitance: float | None,
    readout_time: float | None,
) -> CostAssumptions:
    from analog_model.deployment.cost import CostAssumptions

    given = {
        "v_bit_line": v_bit_line,
        "v_word_line": v_word_line,
        "word_line_capacitance": word_line_capacitance,
        "readout_time": readout_time,
    }
    return CostAssumptions.model_validate(_given(given))
