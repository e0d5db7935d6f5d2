"""House rules that a parser can check: size, names, docstrings, what may never appear."""

from __future__ import annotations

import ast
import functools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path.relative_to(ROOT)
    for package in ("analog_model", "dashboard")
    for path in (ROOT / package).rglob("*.py")
)
NOTEBOOKS = sorted(path.relative_to(ROOT) for path in (ROOT / "notebooks").glob("*.ipynb"))
MOST_LINES_OF_A_MODULE = 400
MOST_LINES_OF_A_FUNCTION = 60
VAGUE = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc", "core"}
UNSAFE_CALLS = {
    "eval",
    "exec",
    "pickle.load",
    "pickle.loads",
    "torch.load",
    "yaml.unsafe_load",
    "yaml.full_load",
}


@functools.cache
def parsed(source: Path) -> ast.Module:
    return ast.parse((ROOT / source).read_text(encoding="utf-8"))


def first_sentence(docstring: str) -> str:
    paragraph = " ".join(docstring.strip().split("\n\n")[0].split())
    return paragraph.split(". ")[0]


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_without_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is not None:
        length -= (node.body[0].end_lineno or node.body[0].lineno) - node.body[0].lineno + 1
    return length


def test_sources_are_found() -> None:
    assert Path("analog_model/vocabulary.py") in SOURCES


# A test of each rule, not of each of the hundreds of modules: the list has all that break it.


def test_a_module_owns_one_noun() -> None:
    found = {}
    for source in SOURCES:
        docstring = ast.get_docstring(parsed(source))
        if not docstring:
            found[str(source)] = "no docstring"
        elif " and " in (sentence := first_sentence(docstring)):
            found[str(source)] = f"more than one noun: {sentence!r}"
        elif vague := VAGUE & {part.removesuffix(".py") for part in source.parts}:
            found[str(source)] = f"a vague name: {vague}"
    assert found == {}


def test_modules_and_functions_stay_short() -> None:
    found = {}
    for source in SOURCES:
        lines = len((ROOT / source).read_text(encoding="utf-8").splitlines())
        if lines > MOST_LINES_OF_A_MODULE:
            found[str(source)] = lines
        for node in functions(parsed(source)):
            length = lines_without_docstring(node)
            if length >= MOST_LINES_OF_A_FUNCTION:
                found[f"{source}: {node.name}"] = length
    assert found == {}


def test_nothing_from_a_file_is_executed() -> None:
    found = []
    for source in SOURCES:
        for node in ast.walk(parsed(source)):
            if not isinstance(node, ast.Call):
                continue
            pickling = any(
                keyword.arg == "allow_pickle" and ast.unparse(keyword.value) != "False"
                for keyword in node.keywords
            )
            if pickling or ast.unparse(node.func) in UNSAFE_CALLS:
                found.append(f"{source}:{node.lineno}: {ast.unparse(node)}")
    assert found == []


def test_options_are_named_in_full() -> None:
    """A public function takes no **options, so a misspelt one cannot pass unseen.

    The exceptions' options are the fields of the object that they make, each validated.
    """
    found = [
        f"{source}: {node.name}"
        for source in SOURCES
        for node in functions(parsed(source))
        if node.args.kwarg is not None
        and not node.name.startswith("_")
        and node.name not in {"replace", "from_chip"}
    ]
    assert found == []


def is_module(name: str) -> bool:
    """Whether the library has a module or package of this name."""
    inside = ROOT / "analog_model" / name
    return inside.is_dir() or inside.with_suffix(".py").is_file()


def test_the_library_does_not_import_through_its_own_root() -> None:
    """A name taken from the lazy root would hide from the contracts which module it is in."""
    found = []
    for source in SOURCES:
        if source.parts[:2] == ("analog_model", "cli") or source.parts[0] == "dashboard":
            continue
        for node in ast.walk(parsed(source)):
            if isinstance(node, ast.Import):
                hidden = "analog_model" in {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module == "analog_model":
                hidden = not all(is_module(alias.name) for alias in node.names)
            else:
                continue
            if hidden:
                found.append(f"{source}:{node.lineno}: {ast.unparse(node)}")
    assert found == []


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=str)
def test_notebooks_are_committed_without_output(notebook: Path) -> None:
    cells = json.loads((ROOT / notebook).read_text(encoding="utf-8"))["cells"]
    kept = [index for index, cell in enumerate(cells) if cell.get("outputs")]
    assert not kept, f"{notebook}: cells {kept} carry output; jupyter nbconvert --clear-output"


@pytest.mark.parametrize(
    ("docstring", "sentence"),
    [
        ("Charge of a bit line. And more.", "Charge of a bit line"),
        ("Charge\nand time.\n\nMore.", "Charge and time."),
    ],
)
def test_the_first_sentence_is_read_across_lines(docstring: str, sentence: str) -> None:
    assert first_sentence(docstring) == sentence
