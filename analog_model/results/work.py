"""Work on a plan: what is missing of it is trained, judged, one run after the other.

A run is a directory of its plan's name. It holds, beside what training left there, one file
for each chip on which its network was judged. Whatever is there is not made again.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from analog_model.chip import Chip
from analog_model.dataset import netcdf
from analog_model.dataset.io import PathLike, read_bytes, save_text, write_bytes
from analog_model.errors import AnalogModelError, ConfigurationError, DataError
from analog_model.nn.training.chip_evaluation import evaluate_run
from analog_model.nn.training.chip_family import ChipFamily
from analog_model.nn.training.record import open_record
from analog_model.nn.training.run_directory import RunDirectory
from analog_model.nn.training.shared_conversion import ChipSettings, settings_of
from analog_model.nn.training.thread_count import thread_count
from analog_model.nn.training.train import resume, train
from analog_model.results.chips import BUNDLED, DIGITAL, bundled_chip, chips_from
from analog_model.results.plan import OPERATIONS, PlannedRun, layer_configuration

STOPPED = "stopped"

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Workplace:
    """Folder of the runs, folder of the images."""

    runs: Path
    data_dir: Path | None = None

    def directory(self, run: str) -> RunDirectory:
        """Where the run of that name is."""
        return RunDirectory(self.runs / run)

    def judgement(self, run: PlannedRun, chip: str) -> Path:
        """File of the run's network judged on a chip."""
        return self.runs / run.name / f"judged-{chip}.nc"

    def chips(self) -> dict[str, Chip]:
        """The chips of the results; the calibration is kept, for it takes a while."""
        path = self.runs / f"{BUNDLED}.yaml"
        if not path.exists():
            self.runs.mkdir(parents=True, exist_ok=True)
            save_text(bundled_chip().to_yaml(), path)
        return chips_from(Chip.from_yaml(read_bytes(path).decode("utf-8")))


def settings_on_chip(network: str, chip: str) -> ChipSettings | None:
    """How networks are judged on a chip; None for no chip."""
    if chip == DIGITAL:
        return None
    operation = OPERATIONS[network, chip]
    layer = layer_configuration(network, tolerance=operation.judging_tolerance)
    return ChipSettings(operation.array_shape, layer)


def work_on(
    runs: Sequence[PlannedRun], place: Workplace, *, processes: int = 1, tell: Tell
) -> Mapping[str, str]:
    """Make what is missing; the reason of every run that could not be made, by its name.

    A run whose start is missing is not tried. Interrupted runs go on where they were. Where
    a run is asked to stop, by Ctrl-C or SIGTERM, nothing further is begun.
    """
    chips = place.chips()
    failed: dict[str, str] = {}
    for wave in _waves(runs):
        missing = [run for run in wave if not _is_complete(run, place)]
        jobs = [(run, place, chips) for run in missing]
        with _mapping(processes) as over:
            for run, reason in zip(missing, over(_attempt, jobs), strict=True):
                tell(f"{run.name}: {reason or 'done'}")
                if reason:
                    failed[run.name] = reason
                if reason == STOPPED:
                    return failed
    return failed


@contextmanager
def _mapping(processes: int) -> Iterator[Callable[..., Iterable[str]]]:
    """A lazy `map`, in this process or over several; leaving it ends them."""
    if processes == 1:
        yield map
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield pool.imap


def judged(run: PlannedRun, place: Workplace, chip: str) -> xr.Dataset | None:
    """What judging found, if it was done; DataError if that was on another chip."""
    path = place.judgement(run, chip)
    if not path.exists():
        return None
    content = read_bytes(path)
    found = netcdf.decode(content, {}, source=str(path), max_bytes=1 << 24)
    if chip != DIGITAL:
        planned = place.chips()[chip].fingerprint()
        if found.attrs["chip_fingerprint"] != planned:
            raise DataError(
                f"{path}, chip",
                expected=f"{chip} as planned, {planned[:12]}",
                got=str(found.attrs["chip_fingerprint"])[:12],
                advice="Remove the file: it was judged when the plan was another.",
            )
    return found


def _waves(runs: Sequence[PlannedRun]) -> list[list[PlannedRun]]:
    """Runs of one seed that start from nothing, then those that start from them."""
    seeds = sorted({run.seed for run in runs})
    return [
        [run for run in runs if run.seed == seed and (run.start is None) is begun]
        for seed in seeds
        for begun in (True, False)
    ]


def _is_complete(run: PlannedRun, place: Workplace) -> bool:
    return all(place.judgement(run, chip).exists() for chip in run.judged_on)


def _attempt(job: tuple[PlannedRun, Workplace, Mapping[str, Chip]]) -> str:
    """Train, judge; the reason if it cannot be done."""
    run, place, chips = job
    if run.start is not None and not place.directory(run.start).record.exists():
        return f"needs {run.start}, which is not finished"
    try:
        if not _train(run, place, chips):
            return STOPPED
        with thread_count(run.configuration.threads):
            for chip in run.judged_on:
                if not place.judgement(run, chip).exists():
                    _judge(run, place, chip, chips)
    except AnalogModelError as error:
        return " ".join(str(error).split())
    return ""


def check_planned(run: PlannedRun, directory: RunDirectory) -> None:
    """ConfigurationError if the directory holds a run other than the plan's."""
    begun, planned = directory.read_configuration(), run.configuration
    differing = [
        f"{name} {getattr(begun, name)}, planned {getattr(planned, name)}"
        for name in type(planned).model_fields
        if getattr(begun, name) != getattr(planned, name)
    ]
    if differing:
        raise ConfigurationError(
            f"run directory {directory.path}",
            expected="the run that is planned",
            got="; ".join(differing),
            advice="Move it away: it was begun when the plan was another.",
        )


def _train(run: PlannedRun, place: Workplace, chips: Mapping[str, Chip]) -> bool:
    """Whether the run is finished; if not, it was asked to stop."""
    directory = place.directory(run.name)
    if directory.configuration.exists():
        check_planned(run, directory)
    if directory.record.exists():
        return True
    if directory.configuration.exists():
        return resume(directory.path, data_dir=place.data_dir).record is not None
    start: PathLike | None = None if run.start is None else place.directory(run.start).path
    result = train(
        run.configuration,
        run_directory=directory.path,
        start=start,
        chip=chips.get(run.chip),
        data_dir=place.data_dir,
    )
    return result.record is not None


def _judge(run: PlannedRun, place: Workplace, chip: str, chips: Mapping[str, Chip]) -> None:
    directory, settings = place.directory(run.name), settings_on_chip(run.network, chip)
    if run.configuration.on_chip and settings == settings_of(run.configuration):
        # The end of training judged it so already, by the same images on the same chip.
        record = open_record(directory.record)
        found = record[["accuracy", "confusion"]].assign_attrs(record.attrs)
    else:
        found = evaluate_run(
            directory.path,
            family=None if chip == DIGITAL else ChipFamily(chips[chip], None, None, run.seed),
            settings=settings,
            data_dir=place.data_dir,
        )
    write_bytes(place.judgement(run, chip), netcdf.encode(found), overwrite=False)
