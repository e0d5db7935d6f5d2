"""Words of the deployment page: what would be deployed, what came out, what it rests on."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from analog_model import vocabulary as v
from analog_model.deployment.result import Deployment
from analog_model.figures.units import unit_for
from analog_model.figures.wording import MODE_LABELS
from dashboard.deployment_run import Deployed, DeploymentPlan
from dashboard.views.deployment_numbers import SMALL, chip_of

_MUTED = "color: var(--muted, #5a6577)"
_CELL = "padding: 3px 14px 3px 0; text-align: left; font-weight: 400; white-space: nowrap"
_TILES = "display: flex; flex-wrap: wrap; gap: 4px 20px; line-height: 1.35; font-size: 12px"


def beforehand(plan: DeploymentPlan, run: str) -> str:
    """What a deployment would do; one line on an otherwise empty page."""
    chip = chip_of(plan)
    arrays = (
        f"{plan.array_side}×{plan.array_side}"
        if plan.array_side is not None
        else "its training's size"
        if plan.run is not None and chip is not plan.chip
        else f"{chip.n_word_lines}×{chip.n_bit_lines}"
    )
    what = (
        "No finished training run is chosen: <b>Deploy</b> first trains a 16-16-10 perceptron on "
        "the bundled digits, which takes some ten seconds,"
        if run == SMALL
        else f"<b>Deploy</b> takes the network of {escape(run)},"
    )
    return (
        '<p style="max-width: 640px; margin: 7vh auto 0; font-size: 15px; line-height: 1.5">'
        f"{what} places it on arrays of {arrays} like {escape(chip.name)}, programs them "
        "by write and verify, and predicts accuracy, energy and latency.</p>"
    )


def summary(deployed: Deployed) -> str:
    """What was deployed, what came out, in figures."""
    found = deployed.deployment
    accuracy, cost = found.accuracy, found.cost
    mean, flawless = 100 * float(accuracy["mean"]), 100 * float(accuracy["flawless"])
    several = accuracy["accuracy"].size > 1
    spread = f" ± {100 * float(accuracy['standard_deviation']):.2f}" if several else ""
    digital = f", digital {100 * float(accuracy['digital']):.2f} %" if "digital" in accuracy else ""
    n_chips = accuracy["accuracy"].size
    tiles = (
        (
            "Share of the test images classified rightly, mean and standard deviation over the "
            "programmed chips",
            f"predicted accuracy on {n_chips} chip{'s' if several else ''}",
            f"{mean:.2f}{spread} %",
            f"flawless {flawless:.2f} %{digital}",
        ),
        (
            "Physical arrays that the network takes",
            "arrays",
            str(found.arrays.sizes[v.ARRAY]),
            f"of {found.chip.n_word_lines}×{found.chip.n_bit_lines}",
        ),
        (
            "Energy of one inference in bit-line charge and word-line pulses",
            "energy an inference",
            _in_unit(float(cost["energy"].sum()), "J"),
            f"{int(cost['n_products'].sum()):,} products".replace(",", " "),
        ),
        (
            "Time of one inference, layers one after the other",
            "latency an inference",
            _in_unit(float(cost["latency"].sum()), "s"),
            f"{int(cost['n_operations'].sum())} operations",
        ),
    )
    return (
        f'<div style="font-size: 12px; {_MUTED}; margin-bottom: 3px">{_heading(deployed)}</div>'
        f'<div style="{_TILES}">{"".join(_tile(*tile) for tile in tiles)}</div>'
    )


def _heading(deployed: Deployed) -> str:
    """What was deployed on what."""
    mode = MODE_LABELS.get(deployed.mode, deployed.mode)
    chip = deployed.deployment.chip.name
    return escape(f"{deployed.network} ({mode}), {deployed.images}, on arrays like {chip}")


def cost_words(deployment: Deployment) -> str:
    """Layers as a table, with what their cost rests on."""
    rests = _listed("The cost assumes", str(deployment.cost.attrs["assumptions"]).splitlines())
    return _layer_rows(deployment) + '<div style="height: 8px"></div>' + rests


def accuracy_words(deployment: Deployment) -> str:
    """How programming went, what the prediction rests on, why it takes those arrays."""
    rests = str(deployment.programming.attrs["assumptions"]).splitlines()
    drawn = (
        "Whiskers: standard error of a share of so many images. All chips judge the same ones, "
        "so they may differ by less. Dashed: mean of the chips."
    )
    return (
        f'<p style="font-size: 12px; {_MUTED}; margin: 0 0 8px">{drawn}</p>'
        + _programming(deployment)
        + _listed("The prediction assumes", rests)
        + _placement(deployment)
    )


def _layer_rows(deployment: Deployment) -> str:
    """Table of the layers: arrays, fill, operations, energy, latency."""
    layers, cost = deployment.layers, deployment.cost
    energy, latency = unit_for(cost["energy"].values, "J"), unit_for(cost["latency"].values, "s")
    header = (
        ("layer", "Name in the network"),
        ("arrays", "Arrays of the layer"),
        ("fill", "Share of their cells that take part"),
        ("operations", "Array operations one after the other"),
        (f"energy [{energy.symbol}]", "Of one inference"),
        (f"latency [{latency.symbol}]", "Of one inference"),
    )
    rows = [
        (
            f"{name} · {layers['kind'].values[k]}",
            str(int(layers[v.N_ARRAYS][k])),
            f"{100 * float(layers[v.FILL][k]):.0f} %",
            str(int(cost["n_operations"][k])),
            f"{float(cost['energy'][k]) / energy.factor:.3g}",
            f"{float(cost['latency'][k]) / latency.factor:.3g}",
        )
        for k, name in enumerate(layers[v.LAYER].values)
    ]
    return _table(header, rows)


def _placement(deployment: Deployment) -> str:
    """Why each layer takes its arrays, which layers stay digital."""
    named = deployment.digital.items()
    digital = [f"{name}: digital, {reason}" for name, reason in named]
    return _listed("Why so many arrays", [*deployment.sentences(), *digital])


def _programming(deployment: Deployment) -> str:
    """What write-verify left, with its effort."""
    table = deployment.programming
    unit = float(deployment.layers["full_scale_current"].max())

    def rms(name: str) -> float:
        return 100 * float((table[name] ** 2).mean() ** 0.5) / unit

    n_chips = table.sizes["chip"]
    return _listed(
        "Programming",
        [
            f"current off by {rms('first_residual'):.2f} % of full scale after the first write, "
            f"by {rms('residual'):.2f} % at the end (rms)",
            f"{float(table['n_writes'].sum()) / n_chips:.0f} writes, "
            f"{float(table['n_reads'].sum()) / n_chips:.0f} reads a chip, at most "
            f"{int(table['n_iterations'].max())} rounds",
            f"{int(table['n_unreached'].sum())} cells given up on all chips together",
        ],
    )


def _tile(tip: str, label: str, number: str, more: str) -> str:
    return (
        f'<div title="{tip}"><div style="{_MUTED}">{label}</div>'
        f'<b style="font-size: 17px; font-weight: 600">{number}</b>'
        f'<span style="{_MUTED}; margin-left: 7px">{more}</span></div>'
    )


def _table(header: Iterable[tuple[str, str]], rows: Iterable[tuple[str, ...]]) -> str:
    head = "".join(
        f'<th scope="col" title="{tip}" style="{_CELL}; {_MUTED}">{escape(name)}</th>'
        for name, tip in header
    )
    body = "".join(
        "<tr>" + "".join(f'<td style="{_CELL}">{escape(one)}</td>' for one in row) + "</tr>"
        for row in rows
    )
    return (
        '<table style="border-collapse: collapse; font-size: 12px; '
        f'font-variant-numeric: tabular-nums"><thead><tr>{head}</tr></thead>{body}</table>'
    )


def _listed(title: str, lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return (
        f'<div style="font-size: 12px; line-height: 1.45; margin-bottom: 8px"><b>{title}</b>'
        f'<ul style="margin: 2px 0 0; padding-left: 18px">{items}</ul></div>'
    )


def _in_unit(number: float, si: str) -> str:
    unit = unit_for(number, si)
    return f"{number / unit.factor:.3g} {unit.symbol}"
