"""Command `info`: what a file or a bundled chip holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from analog_model import vocabulary as v
from analog_model.cli import output, sources

if TYPE_CHECKING:
    import xarray as xr

    from analog_model.chip import Chip


def info(
    source: Annotated[
        str, typer.Argument(help="A measurement, a calibration, a chip.yaml, or a bundled chip.")
    ] = "reference",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what a measurement, a calibration or a chip holds.

    For a measurement with cell currents: how far the ideal product t @ I is from the charge,
    by kind of pattern, calibration and test apart.
    """
    if sources.is_chip(source):
        chip = sources.read_chip(source)
        if as_json:
            output.print_json(chip_summary(chip))
        else:
            _print_chip(chip)
        return
    calibration = sources.read_calibration(source)
    if calibration is not None:
        from analog_model.cli.calibrate import calibration_summary, print_calibration

        summary = calibration_summary(calibration)
        if as_json:
            output.print_json(summary)
        else:
            print_calibration(summary)
        return
    measurement = sources.read_measurement(source)
    if as_json:
        output.print_json(measurement_summary(measurement))
    else:
        _print_measurement(measurement)


def chip_summary(chip: Chip) -> dict[str, Any]:
    """Facts about a chip: sizes, effects, parameters other than per cell."""
    return {
        "chip": chip.name,
        "sizes": {v.WORD_LINE: chip.n_word_lines, v.BIT_LINE: chip.n_bit_lines},
        "effects": list(chip.effects),
        "layout_classes": list(chip.layout.class_names),
        "cell_current": {
            "smallest": float(chip.cell_current.min()),
            "largest": float(chip.cell_current.max()),
            "units": "A",
        },
        "source": chip.source,
        "fingerprint": chip.fingerprint(),
    }


def measurement_summary(measurement: xr.Dataset) -> dict[str, Any]:
    """Facts about a measurement: sizes, variables, patterns, error of the ideal product."""
    from analog_model.dataset.provenance import fingerprint

    return {
        "chip": measurement.attrs.get("chip", ""),
        "sizes": {str(dim): size for dim, size in measurement.sizes.items()},
        "attributes": dict(measurement.attrs),
        "variables": {
            str(name): {
                "dims": list(variable.dims),
                "units": variable.attrs.get("units"),
            }
            for name, variable in measurement.variables.items()
            if name not in measurement.dims
        },
        "patterns": pattern_groups(measurement),
        "fingerprint": fingerprint(measurement),
    }


def pattern_groups(measurement: xr.Dataset) -> list[dict[str, Any]]:
    """Kind and split of the patterns: how many there are, and the ideal product's error.

    Each kind by itself, then the kind "all"; calibration and test are never pooled. The
    signal-to-error ratio stands only where the file has cell currents.
    """
    from analog_model import decibel, signal_to_error_ratio

    ideal = _ideal_charge(measurement)
    kind = _labels(measurement, v.KIND)
    split = _labels(measurement, v.SPLIT)
    kinds = [name for name in (*v.KINDS, "") if name in kind]
    groups = []
    for kind_name in [*kinds, "all"]:
        for split_name in [name for name in (*v.SPLITS, "") if name in split]:
            chosen = [
                i
                for i in range(len(kind))
                if kind_name in ("all", kind[i]) and split[i] == split_name
            ]
            if not chosen:
                continue
            group: dict[str, Any] = {
                v.KIND: kind_name or None,
                v.SPLIT: split_name or None,
                "count": len(chosen),
            }
            if ideal is not None:
                measured = measurement[v.CHARGE].isel({v.PATTERN: chosen})
                ratio = signal_to_error_ratio(measured, ideal.isel({v.PATTERN: chosen}))
                group["ideal_signal_to_error_ratio"] = ratio
                group["ideal_decibel"] = decibel(ratio)
            groups.append(group)
    return groups


def _labels(measurement: xr.Dataset, name: str) -> list[str]:
    if name not in measurement.coords:
        return [""] * measurement.sizes[v.PATTERN]
    return [str(label) for label in measurement[name].values]


def _ideal_charge(measurement: xr.Dataset) -> xr.DataArray | None:
    """Ideal charge [C] of every pattern under its own weight set; None without currents."""
    import xarray as xr

    from analog_model import Chip, Layout, ideal_charge

    if v.CELL_CURRENT not in measurement:
        return None
    parts = []
    for weight_set in range(measurement.sizes[v.WEIGHT_SET]):
        current = measurement[v.CELL_CURRENT].isel({v.WEIGHT_SET: weight_set}).values
        chip = Chip(name="ideal", cell_current=current, layout=Layout.uniform(*current.shape))
        chosen = sources.patterns_of(measurement, weight_set)
        parts.append(ideal_charge(chip, chosen[v.PULSE_WIDTH]))
    return xr.concat(parts, dim=v.PATTERN).sel({v.PATTERN: measurement[v.PATTERN]})


def _print_chip(chip: Chip) -> None:
    summary = chip_summary(chip)
    current = summary["cell_current"]
    output.print_facts(
        chip.name,
        {
            "array": f"{chip.n_word_lines} word lines x {chip.n_bit_lines} bit lines",
            "cell current": f"{output.in_unit(current['smallest'], 'A')} to "
            f"{output.in_unit(current['largest'], 'A')}",
            "effects": ", ".join(chip.effects) or "none: the ideal array",
            "layout classes": ", ".join(chip.layout.class_names),
            "source": chip.source or "not said",
            "fingerprint": chip.fingerprint(),
        },
    )


def _print_measurement(measurement: xr.Dataset) -> None:
    summary = measurement_summary(measurement)
    sizes = measurement.sizes
    facts: dict[str, object] = {
        "array": f"{sizes[v.WORD_LINE]} word lines x {sizes[v.BIT_LINE]} bit lines",
        "patterns": sizes[v.PATTERN],
        "weight sets": sizes.get(v.WEIGHT_SET, "not in the file"),
        "variables": ", ".join(summary["variables"]),
    }
    for name, value in measurement.attrs.items():
        if name in v.ATTRIBUTES and name not in ("schema", "chip", "history"):
            unit = v.ATTRIBUTES[name][0]
            readable = unit in ("V", "s")
            facts[name.replace("_", " ")] = (
                output.in_unit(float(value), str(unit)) if readable else value
            )
    facts["fingerprint"] = summary["fingerprint"]
    output.print_facts(str(summary["chip"] or "measurement"), facts)
    rows = [
        (
            group[v.KIND] or "not said",
            group[v.SPLIT] or "not said",
            group["count"],
            *(
                [f"{group['ideal_signal_to_error_ratio']:.2f}", f"{group['ideal_decibel']:.1f}"]
                if "ideal_decibel" in group
                else []
            ),
        )
        for group in summary["patterns"]
    ]
    columns = [v.KIND, v.SPLIT, "patterns"]
    if v.CELL_CURRENT in measurement:
        columns += ["SER of the ideal product", "in dB"]
    output.print_table("Patterns", columns, rows)
