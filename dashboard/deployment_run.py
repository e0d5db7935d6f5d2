"""One deployment: the job behind the deployment page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from analog_model.chip import Chip
from analog_model.chip.changes import nominal_full_width
from analog_model.deployment.result import Deployment
from analog_model.deployment.trained import deploy_run
from analog_model.deployment.write_verify import WriteVerify
from analog_model.nn.training.recipes import recipe
from analog_model.nn.training.run_directory import RunDirectory
from analog_model.nn.training.train import train
from dashboard.jobs import Send
from dashboard.stage import Stage
from dashboard.training_plan import TOLERANCE

IMAGES = 1000
SMALL_NETWORK, SMALL_EPOCHS = "mlp_4x4", 8
# Of the progress, where a small network is trained first.
_TRAINING = 0.6


@dataclass(frozen=True)
class DeploymentPlan:
    """What is deployed how.

    `run`: a finished training run; None trains a small network on the bundled digits first.
    `chip` is the one in view, taken where the run has none or `own_chip` is not set;
    `array_side` None keeps the arrays of the run, of a run without a chip those of `chip`.
    """

    run: Path | None
    chip: Chip
    own_chip: bool
    array_side: int | None
    reading: str
    n_chips: int


@dataclass(frozen=True, eq=False)
class Deployed:
    """A finished deployment with what was deployed, in words."""

    deployment: Deployment
    network: str
    mode: str
    images: str


def deploy_plan(send: Send, *, plan: DeploymentPlan) -> None:
    """Carry out a plan; sends `Stage`, then `Deployed`."""
    if plan.run is not None:
        send(_deployed(plan, plan.run, tell=_share(send, 0.0)))
        return
    with TemporaryDirectory(prefix="analog-model-") as folder:
        run = Path(folder) / "run"
        told = _share(send, 0.0, to=_TRAINING)
        small = recipe(SMALL_NETWORK, changes={"epochs": SMALL_EPOCHS, "threads": 1})
        trained = train(small, run_directory=run, download=False, progress=told)
        # Without a record it was told to stop.
        if trained.record is not None:
            send(_deployed(plan, run, tell=_share(send, _TRAINING)))


def _deployed(plan: DeploymentPlan, run: Path, *, tell: Callable[[str, float], None]) -> Deployed:
    tell("placing the network on arrays", 0.0)
    directory = RunDirectory(run)
    configuration, own = directory.read_configuration(), directory.read_chip()
    chip = own if plan.own_chip and own is not None else plan.chip
    coded = configuration.layer.window is not None or chip.pulse.full_scale is not None
    deployment = deploy_run(
        run,
        chip=chip,
        array_shape=None if plan.array_side is None else (plan.array_side, plan.array_side),
        window=None if coded else nominal_full_width(chip),
        # A run of the command line may ask for less, at which chips in view cannot be computed.
        tolerance=max(TOLERANCE, configuration.layer.tolerance),
        writing=WriteVerify.model_validate({"reading": plan.reading}),
        seeds=range(plan.n_chips),
        n_images=IMAGES,
        # Nothing that a browser asks for is fetched from elsewhere.
        download=False,
        progress=lambda stage, fraction: tell(f"programming {stage}", fraction),
    )
    return Deployed(deployment, configuration.network, configuration.mode, configuration.images)


def _share(send: Send, begin: float, *, to: float = 1.0) -> Callable[[str, float], None]:
    """A listener that tells a part of the whole."""
    return lambda text, fraction: send(Stage(text, begin + (to - begin) * fraction))
