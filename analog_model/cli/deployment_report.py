"""Report of a deployment on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analog_model import vocabulary as v
from analog_model.cli import output

if TYPE_CHECKING:
    import xarray as xr

    from analog_model.deployment.result import Deployment


def deployment_summary(found: Deployment) -> dict[str, Any]:
    """Facts about a deployment, in SI units, for programs."""
    accuracy, programming = found.accuracy, found.programming
    unit = float(found.layers["full_scale_current"].max())
    return {
        "chip": found.chip.name,
        "arrays": found.arrays.sizes[v.ARRAY],
        "array_shape": [found.chip.n_word_lines, found.chip.n_bit_lines],
        "placement": list(found.sentences()),
        "digital_layers": dict(found.digital),
        "accuracy": {
            "chips": accuracy["accuracy"].values.tolist(),
            "mean": float(accuracy["mean"]),
            "standard_deviation": float(accuracy["standard_deviation"]),
            "flawless": float(accuracy["flawless"]),
            "digital": float(accuracy["digital"]) if "digital" in accuracy else None,
            "images": int(accuracy["n_images"]),
        },
        "programming": {
            "iterations": int(programming["n_iterations"].max()),
            "writes": float(programming["n_writes"].sum(v.ARRAY).mean()),
            "reads": float(programming["n_reads"].sum(v.ARRAY).mean()),
            "first_residual": _rms(programming["first_residual"]) / unit,
            "residual": _rms(programming["residual"]) / unit,
            "unreached": int(programming["n_unreached"].sum()),
        },
        "energy": float(found.cost["energy"].sum()),
        "latency": float(found.cost["latency"].sum()),
        "layers": _layers(found),
        "assumptions": [
            sentence
            for table in (found.programming, found.cost)
            for sentence in str(table.attrs["assumptions"]).splitlines()
        ],
    }


def _rms(values: xr.DataArray) -> float:
    return float((values**2).mean() ** 0.5)


def _layers(found: Deployment) -> list[dict[str, Any]]:
    cost, layers = found.cost, found.layers
    return [
        {
            "layer": str(name),
            "arrays": int(layers[v.N_ARRAYS][k]),
            "fill": float(layers[v.FILL][k]),
            "operations": int(cost["n_operations"][k]),
            "products": int(cost["n_products"][k]),
            "energy": float(cost["energy"][k]),
            "latency": float(cost["latency"][k]),
        }
        for k, name in enumerate(layers[v.LAYER].values)
    ]


def print_deployment(summary: dict[str, Any]) -> None:
    """The facts for people."""
    accuracy, programming = summary["accuracy"], summary["programming"]
    spread = f" ± {accuracy['standard_deviation']:.2%}" if len(accuracy["chips"]) > 1 else ""
    digital = accuracy["digital"]
    facts = {
        "placement": "\n".join(summary["placement"]),
        "digital": ", ".join(summary["digital_layers"]) or "no layer",
        "accuracy": f"{accuracy['mean']:.2%}{spread} on {len(accuracy['chips'])} chips, "
        f"{accuracy['flawless']:.2%} with flawless cells"
        + ("" if digital is None else f", {digital:.2%} before conversion")
        + f" ({accuracy['images']} images)",
        "programming": f"{programming['first_residual']:.2%} of full scale after the first "
        f"write, {programming['residual']:.2%} after at most {programming['iterations']} rounds; "
        f"{programming['unreached']} cells given up",
        "effort": f"{programming['writes']:.0f} writes, {programming['reads']:.0f} reads a chip",
        "energy": f"{output.in_unit(summary['energy'], 'J')} an inference",
        "latency": f"{output.in_unit(summary['latency'], 's')} an inference",
        "assumed": "\n".join(summary["assumptions"]),
        "written": summary["written"],
    }
    output.print_facts(f"Deployment on {summary['chip']}", facts)
    output.print_table(
        "Inference by layer",
        ("layer", "arrays", "fill", "operations", "products", "energy", "latency"),
        [
            (
                row["layer"],
                row["arrays"],
                f"{row['fill']:.0%}",
                row["operations"],
                row["products"],
                output.in_unit(row["energy"], "J"),
                output.in_unit(row["latency"], "s"),
            )
            for row in summary["layers"]
        ],
    )
    if "readings" in summary:
        output.print_table(
            "Array 0 by reading: errors over full scale",
            ("reading", "read noise", "error of a reading", "error of the current", "reads"),
            [
                (
                    row["reading"],
                    f"{row['read_noise']:.2%}",
                    f"{row['reading_error']:.3%}",
                    f"{row['residual']:.3%}",
                    f"{row['n_reads']:.0f}",
                )
                for row in summary["readings"]
            ],
        )


def reading_rows(table: xr.Dataset) -> list[dict[str, Any]]:
    """A comparison of readings, a row for each with each strength of noise."""
    return [
        {
            "reading": str(reading),
            "read_noise": float(noise),
            **{
                str(name): float(table[name].sel(reading=reading, read_noise=noise))
                for name in table
            },
        }
        for reading in table["reading"].values
        for noise in table["read_noise"].values
    ]
