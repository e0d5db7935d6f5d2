"""Command `figure`: paper figures of what a file holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analog_model.cli import output
from analog_model.errors import ConfigurationError

if TYPE_CHECKING:
    from analog_model.figures.catalogue.entry import Entry
    from analog_model.figures.catalogue.source import Source
    from analog_model.figures.preset import Preset


Names = Annotated[
    list[str] | None, typer.Argument(help="Figures by name, or `story` for the paper's six.")
]
Listed = Annotated[bool, typer.Option("--list", help="List the figures, the presets.")]
From = Annotated[
    list[str] | None, typer.Option("--from", help="File to draw, or a bundled chip; repeatable.")
]
To = Annotated[
    Path | None, typer.Option("--to", help="PDF, SVG or PNG to write; a folder for several.")
]
PresetName = Annotated[str, typer.Option(help="Page of a journal, see --list.")]
Format = Annotated[str, typer.Option("--format", help="pdf, svg or png, in a folder.")]
Font = Annotated[
    str | None, typer.Option(help="An installed font, such as Arial, in place of the preset's.")
]
Height = Annotated[float | None, typer.Option(help="In metres. Default: what the panels need.")]
Force = Annotated[bool, typer.Option("--force", help="Replace existing files.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
# What is drawn; a figure says in the list which of these it takes.
WeightSet = Annotated[int | None, typer.Option(min=0, help="Programmed weights.")]
Pattern = Annotated[int | None, typer.Option(min=0, help="Pattern of the weight set.")]
TimeSlot = Annotated[int | None, typer.Option(min=0, help="Time slot of the pattern.")]
BitLine = Annotated[int | None, typer.Option(min=0, help="Bit line of the array.")]
Kind = Annotated[str | None, typer.Option(help="Kind of pattern.")]
Split = Annotated[str | None, typer.Option(help="calibration or test.")]
Model = Annotated[str | None, typer.Option(help="ideal or full.")]
Layer = Annotated[str | None, typer.Option(help="Layer of a network.")]


def figure(
    names: Names = None,
    *,
    show_list: Listed = False,
    source: From = None,
    destination: To = None,
    preset: PresetName = "ieee_one_column",
    file_format: Format = "pdf",
    font: Font = None,
    height: Height = None,
    weight_set: WeightSet = None,
    pattern: Pattern = None,
    time_slot: TimeSlot = None,
    bit_line: BitLine = None,
    kind: Kind = None,
    split: Split = None,
    model: Model = None,
    layer: Layer = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Draw figures at the size of a printed column, as the dashboard exports them."""
    from analog_model.cli.figure_source import read_source
    from analog_model.figures.catalogue.entry import Choices
    from analog_model.figures.paper import save_figure

    if show_list:
        _print_list(as_json=as_json)
        return
    _require_all(names, source, destination)
    assert names is not None
    assert source is not None
    assert destination is not None
    entries = _entries(names)
    targets = _targets(entries, destination, file_format, force=force)
    page = _page(preset, font)
    choices = Choices(weight_set, pattern, time_slot, bit_line, kind, split, model, layer)
    chosen = _assign(entries, [read_source(name) for name in source])
    for entry, target, sources in zip(entries, targets, chosen, strict=True):
        element = entry.element(sources, choices)
        save_figure(element, target, preset=page, height=height)
        if not as_json:
            typer.echo(target)
    if as_json:
        output.print_json({"written": [str(target) for target in targets]})


def _require_all(
    names: list[str] | None, source: list[str] | None, destination: Path | None
) -> None:
    for what, given in (
        ("argument NAMES", names),
        ("option --from", source),
        ("option --to", destination),
    ):
        if not given:
            raise ConfigurationError(
                what,
                expected="a value",
                got="none",
                advice="analog-model figure ser-ladder --from calibrated.nc --to ladder.pdf; "
                "--list shows the names.",
            )


def _entries(names: Sequence[str]) -> list[Entry]:
    from analog_model.figures.catalogue.entries import STORY, find_entry

    wanted = [one for name in names for one in (STORY if name == "story" else (name,))]
    return [find_entry(name) for name in dict.fromkeys(wanted)]


def _targets(
    entries: list[Entry], destination: Path, file_format: str, *, force: bool
) -> list[Path]:
    """A file for every figure: the destination itself, or one in it by the figure's name."""
    from analog_model.figures.paper import check_format

    folder = len(entries) > 1 or destination.is_dir()
    targets = [destination]
    if folder:
        if not destination.is_dir():
            raise ConfigurationError(
                "option --to",
                expected="a folder for several figures",
                got=f"{destination}, which is none",
            )
        targets = [destination / f"{entry.name}.{file_format}" for entry in entries]
    for target in targets:
        check_format(target, None)
        output.require_free(target, force=force)
        output.require_folder(target)
    return targets


def _page(preset: str, font: str | None) -> Preset:
    from analog_model.figures.preset import find_preset

    page = find_preset(preset)
    return page if font is None else page.replace(font=font)


def _assign(entries: list[Entry], found: list[Source]) -> list[list[Source]]:
    """The sources that each figure is made from; every source has to be of use."""
    chosen = []
    for entry in entries:
        fitting = [source for source in found if source.offers(entry.need)]
        if not fitting:
            found[0].require(entry.need, figure=entry.name)
        chosen.append(fitting)
    for source in found:
        if not any(source in fitting for fitting in chosen):
            source.require(entries[0].need, figure=entries[0].name)
    return chosen


def _print_list(*, as_json: bool) -> None:
    from analog_model.figures.catalogue.entries import CATALOGUE
    from analog_model.figures.catalogue.source import NEEDS
    from analog_model.figures.preset import PRESETS

    figures = [
        {
            "name": entry.name,
            "shows": entry.shows,
            "from": NEEDS[entry.need].words,
            "options": [f"--{name.replace('_', '-')}" for name in entry.choices],
        }
        for entry in CATALOGUE.values()
    ]
    if as_json:
        presets = [
            {"name": one.name, "width": one.width, "max_height": one.max_height}
            for one in PRESETS.values()
        ]
        output.print_json({"figures": figures, "presets": presets})
        return
    for shown in figures:
        options = f"; {', '.join(shown['options'])}" if shown["options"] else ""
        typer.echo(f"{shown['name']}: {shown['shows']}; from {shown['from']}{options}")
    for page in PRESETS.values():
        typer.echo(f"preset {page.name}: {page.label}, {1e3 * page.width:.1f} mm wide")
