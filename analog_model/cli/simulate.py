"""Command `simulate`: the charges that a chip model gives for patterns of pulses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analog_model import vocabulary as v
from analog_model.cli import output, sources
from analog_model.errors import ConfigurationError

if TYPE_CHECKING:
    import xarray as xr

    from analog_model.chip import Chip

# Patterns between two ticks of the progress bar; large enough that the batch still pays.
PATTERNS_AT_ONCE = 64


def simulate(
    chip: Annotated[
        str, typer.Argument(help="A chip.yaml, or a measurement or bundled chip to start from.")
    ],
    patterns: Annotated[
        Path | None,
        typer.Argument(help="Pulses: a measurement, or CSV of t0..tN-1. Default: CHIP's own."),
    ] = None,
    *,
    destination: Annotated[
        Path | None, typer.Option("--output", "-o", help="Measurement to write, .nc or .csv.")
    ] = None,
    method: Annotated[
        str, typer.Option(help="slots (exact), closed_form (fast), reference (the oracle).")
    ] = "slots",
    tolerance: Annotated[
        float | None, typer.Option(help="Relative rms error allowed to closed_form.")
    ] = None,
    effects: Annotated[
        str | None, typer.Option(help="Keep only these, such as crosstalk,wire; 'none' is ideal.")
    ] = None,
    weight_set: Annotated[
        int, typer.Option(min=0, help="Programmed weights, where a file has several sets.")
    ] = 0,
    merge_tolerance: Annotated[
        float, typer.Option(min=0.0, help="Pool time slots up to this length in s.")
    ] = 0.0,
    pulse_width_unit: Annotated[
        str | None, typer.Option(help="Such as ns, where the CSV does not say.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Simulate the charge of every pattern.

    Where the patterns come with measured charges, the signal-to-error ratio of the
    simulation is printed, calibration and test apart. A chip taken from a measurement is a
    first estimate (one-hot reads, coupling per layout class), not a calibration.
    """
    from analog_model.cli import outcome

    if destination is not None:
        _require_known_suffix(destination)
        output.require_free(destination, force=force)
    model, pulses = _chip_and_pulses(chip, patterns, weight_set, pulse_width_unit)
    model = _with_effects(model, effects)
    options = {"method": method, "merge_tolerance": merge_tolerance, "tolerance": tolerance}
    charge = _charge(model, pulses[v.PULSE_WIDTH], options, quiet=as_json)
    simulated = outcome.simulated_dataset(model, pulses, charge, method=method)
    if destination is not None:
        _write(simulated, destination, force=force)
    summary = {
        "chip": model.name,
        "effects": list(model.effects),
        "method": method,
        "patterns": pulses.sizes[v.PATTERN],
        "weight_set": weight_set if v.WEIGHT_SET_OF_PATTERN in pulses.coords else None,
        "against_measured": outcome.agreement(pulses, charge),
        "written": None if destination is None else str(destination),
        **_own_account(charge),
    }
    if as_json:
        output.print_json(summary)
    else:
        _print(summary)


def _chip_and_pulses(
    chip: str, patterns: Path | None, weight_set: int, pulse_width_unit: str | None
) -> tuple[Chip, xr.Dataset]:
    """The chip model with the pulses to apply to it, both under one weight set."""
    from analog_model import starting_chip
    from analog_model.dataset.pulses import open_pulses

    pulses = None
    if patterns is not None:
        pulses = open_pulses(patterns, pulse_width_unit=pulse_width_unit)
    if sources.is_chip(chip):
        model = sources.read_chip(chip)
        if pulses is None:
            raise ConfigurationError(
                "patterns", expected="a file of pulses beside a chip.yaml", got="none"
            )
    else:
        measurement = sources.read_measurement(chip)
        sources.require_weight_set(measurement, weight_set)
        model = starting_chip(measurement, weight_set=weight_set)
        pulses = measurement if pulses is None else pulses
    sources.require_weight_set(pulses, weight_set)
    return model, sources.patterns_of(pulses, weight_set)


def _with_effects(chip: Chip, effects: str | None) -> Chip:
    """The chip with only the effects that the option names, all of them without it."""
    if effects is None:
        return chip
    return chip.with_effects(
        [] if effects == "none" else [name.strip() for name in effects.split(",")]
    )


def _charge(
    chip: Chip, pulse_width: xr.DataArray, options: dict[str, Any], *, quiet: bool
) -> xr.DataArray:
    """Simulated charge [C], some patterns at a time so that a long run shows its progress."""
    import xarray as xr
    from rich.console import Console
    from rich.progress import track

    from analog_model import simulate as simulate_patterns

    if options["method"] == "closed_form":  # its expansion is chosen for all patterns at once
        return simulate_patterns(chip, pulse_width, **options)
    console = Console(stderr=True)
    n_patterns = pulse_width.sizes[v.PATTERN]
    parts = [
        simulate_patterns(
            chip, pulse_width.isel({v.PATTERN: slice(first, first + PATTERNS_AT_ONCE)}), **options
        )
        for first in track(
            range(0, n_patterns, PATTERNS_AT_ONCE),
            description="Simulating",
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )
    ]
    charge = xr.concat(parts, dim=v.PATTERN, combine_attrs="drop")
    bounds = [part.attrs["merge_bound"] for part in parts if "merge_bound" in part.attrs]
    return charge.assign_attrs({"merge_bound": max(bounds)} if bounds else {})


def _own_account(charge: xr.DataArray) -> dict[str, Any]:
    """What the method says of its own error."""
    account: dict[str, Any] = {
        name: charge.attrs[name] for name in ("error_estimate", "expansion") if name in charge.attrs
    }
    if "merge_bound" in charge.attrs:
        account["merge_bound"] = {"value": charge.attrs["merge_bound"], "units": "C"}
    return account


def _require_known_suffix(destination: Path) -> None:
    if destination.suffix not in (".nc", ".csv"):
        raise ConfigurationError(
            "option --output", expected="a name that ends in .nc or .csv", got=str(destination)
        )


def _write(simulated: xr.Dataset, destination: Path, *, force: bool) -> None:
    from analog_model.dataset.csv_export import wide_csv
    from analog_model.dataset.io import save_measurement, write_bytes

    if destination.suffix == ".csv":
        write_bytes(destination, wide_csv(simulated).encode(), overwrite=force)
    else:
        save_measurement(simulated, destination, overwrite=force)


def _print(summary: dict[str, Any]) -> None:
    facts = {
        "effects": ", ".join(summary["effects"]) or "none: the ideal product",
        "method": summary["method"],
        "patterns": summary["patterns"],
    }
    if summary["weight_set"] is not None:
        facts["patterns"] = f"{facts['patterns']} of weight set {summary['weight_set']}"
    if "merge_bound" in summary:
        facts["error of merging"] = (
            f"at most {output.in_unit(summary['merge_bound']['value'], 'C')}"
        )
    if "error_estimate" in summary:
        facts["error estimate"] = f"{summary['error_estimate']:.1e} of the charge, rms"
        facts["expansion"] = summary["expansion"]
    if summary["written"]:
        facts["written"] = summary["written"]
    output.print_facts(f"Simulation of {summary['chip']}", facts)
    if summary["against_measured"]:
        output.print_table(
            "Measured against simulated",
            (v.SPLIT, "patterns", "SER", "in dB"),
            [
                (
                    group[v.SPLIT] or "not said",
                    group["count"],
                    f"{group['signal_to_error_ratio']:.2f}",
                    f"{group['decibel']:.1f}",
                )
                for group in summary["against_measured"]
            ],
        )
