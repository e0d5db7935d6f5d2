"""Workers of a sweep: this process, processes of this machine, or a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any

from analog_model.chip.chip import Chip
from analog_model.errors import ConfigurationError, SimulationError
from analog_model.sweeps.reading import Measure

Reading = Mapping[str, float]
# The number of a chip in the sequence given, with what tells the outcome or raises.
Found = tuple[int, Callable[[], Reading]]
_of_process: list[Measure] = []


def readings(
    measure: Measure, chips: Sequence[Chip], *, workers: int | None, scheduler: str | None
) -> Iterator[Found]:
    """The reading of every chip, in the order in which they are found.

    `workers` None takes one process for every core; 1 takes none but this. `scheduler`
    is the address of a Dask cluster. Closing the iterator drops what is not begun.
    """
    if scheduler is not None:
        return _on_cluster(measure, chips, scheduler)
    n_workers = min(len(chips), _cores() if workers is None else workers)
    if n_workers <= 1:
        return ((number, partial(measure.read, chip)) for number, chip in enumerate(chips))
    return _in_processes(measure, chips, n_workers)


def check_workers(workers: int | None, scheduler: str | None) -> None:
    """Raise ConfigurationError for a number that cannot be, for an absent library."""
    if workers is not None and (workers < 1 or scheduler is not None):
        raise ConfigurationError(
            "sweep.workers",
            expected="1 or more processes of this machine, without a scheduler",
            got=f"{workers}, scheduler {scheduler!r}",
        )
    if scheduler is not None:
        _distributed()


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _in_processes(measure: Measure, chips: Sequence[Chip], n_workers: int) -> Iterator[Found]:
    pool = ProcessPoolExecutor(
        n_workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(measure,),
    )
    try:
        futures = {pool.submit(_read, chip): number for number, chip in enumerate(chips)}
        for future in as_completed(futures):
            yield futures[future], partial(_outcome, future)
    finally:
        pool.shutdown(cancel_futures=True)


def _outcome(future: Future[Reading]) -> Reading:
    try:
        return future.result()
    except BrokenProcessPool:
        raise SimulationError(
            "processes of the sweep",
            expected="that they live until their points are done",
            got="one that ended",
            advice="Call sweep under `if __name__ == '__main__':` in a script, or pass workers=1.",
        ) from None


def _begin(measure: Measure) -> None:
    """What a process keeps: the measure, one thread, as the others have theirs."""
    import torch

    torch.set_num_threads(1)
    _of_process[:] = [measure]


def _read(chip: Chip) -> Reading:
    return _of_process[0].read(chip)


def _on_cluster(measure: Measure, chips: Sequence[Chip], address: str) -> Iterator[Found]:
    distributed = _distributed()
    try:
        client = distributed.Client(address, set_as_default=False, timeout=10)
    except (OSError, ValueError, TimeoutError) as error:
        raise ConfigurationError(
            "sweep.scheduler",
            expected="the address of a Dask scheduler, such as tcp://host:8786",
            got=f"{address!r} ({' '.join(str(error).split())})",
        ) from None
    with client:
        shared = client.scatter(measure, broadcast=True, hash=False)
        futures = {
            client.submit(_read_with, shared, chip, pure=False): number
            for number, chip in enumerate(chips)
        }
        for future in distributed.as_completed(futures, loop=client.loop):
            yield futures[future], future.result


def _read_with(measure: Measure, chip: Chip) -> Reading:
    return measure.read(chip)


def _distributed() -> Any:
    try:
        import distributed
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "sweep.scheduler",
            expected="dask.distributed to be installed",
            got=f"no module {error.name!r}",
            advice="Install it: pip install 'analog-model[cluster]'.",
        ) from None
    return distributed
