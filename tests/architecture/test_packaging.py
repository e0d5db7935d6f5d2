"""The distribution: what it holds, what it declares, that it works away from the checkout."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import time
import tomllib
import urllib.request
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@dataclass(frozen=True)
class Distribution:
    """A freshly built wheel and sdist."""

    wheel: Path
    sdist: Path


@pytest.fixture(scope="module")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    """Built as a user would: the sdist from the checkout, the wheel from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    return Distribution(wheel, sdist)


@pytest.fixture(scope="module")
def installed(distribution: Distribution, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment that holds the wheel and borrows its dependencies.

    The dependencies come from the running environment through a path file: Python does not
    read the path files of a folder added this way, so an editable install of the checkout
    in the running environment stays out of sight.
    """
    home = tmp_path_factory.mktemp("env")
    venv.create(home, with_pip=False, symlinks=True)
    bin_folder = home / ("Scripts" if os.name == "nt" else "bin")
    python = bin_folder / Path(sys.executable).name
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", str(python)),
            *("install", "--quiet", "--no-deps", "--no-index", str(distribution.wheel)),
        ],
        check=True,
        timeout=300,
    )
    own = sysconfig.get_path("purelib", vars={"base": str(home)})
    borrowed = sysconfig.get_path("purelib")
    (Path(own) / "borrowed.pth").write_text(borrowed + "\n", encoding="utf-8")
    return bin_folder


def run_away_from_the_checkout(command: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=True, timeout=300
    )


@pytest.mark.packaging
def test_the_wheel_holds_code_data_and_licence(distribution: Distribution) -> None:
    with zipfile.ZipFile(distribution.wheel) as archive:
        names = set(archive.namelist())
        bundled = archive.read("analog_model/data/measured/reference.nc")
    original = (ROOT / "data/measured/reference.nc").read_bytes()
    assert hashlib.sha256(bundled).digest() == hashlib.sha256(original).digest()
    code = {
        path.relative_to(ROOT).as_posix()
        for package in ("analog_model", "dashboard")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert code <= names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {
        "analog_model",
        "dashboard",
    }


@pytest.mark.packaging
def test_the_sdist_holds_what_a_build_and_a_test_run_need(distribution: Distribution) -> None:
    with tarfile.open(distribution.sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers()}
    assert {
        "pyproject.toml",
        "constraints.txt",
        "Makefile",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "data/README.md",
        "data/measured/reference.nc",
        "tests/conftest.py",
    } <= names
    assert not {name for name in names if name.startswith((".venv", "dist", ".git/"))}


@pytest.mark.packaging
def test_the_wheel_works_away_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    script = (
        "import json, analog_model as am, dashboard\n"
        "chip = am.example_chip('reference')\n"
        "print(json.dumps([am.__file__, dashboard.__file__, dict(chip.sizes), am.__version__]))"
    )
    python = str(installed / Path(sys.executable).name)
    done = run_away_from_the_checkout([python, "-c", script], tmp_path)
    library, dashboard, sizes, version = json.loads(done.stdout)
    environment = str(installed.parent)
    assert library.startswith(environment)
    assert dashboard.startswith(environment)
    assert (sizes["word_line"], sizes["bit_line"]) == (16, 16)
    assert version == importlib.metadata.version("analog-model")


@pytest.mark.packaging
def test_the_command_works_away_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    command = str(installed / "analog-model")
    done = run_away_from_the_checkout([command, "info", "reference", "--json"], tmp_path)
    assert json.loads(done.stdout)["sizes"]["bit_line"] == 16


@pytest.mark.packaging
def test_the_dashboard_starts_away_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    command = [str(installed / "analog-model"), "dashboard", "--port", "0", "--no-open"]
    log = tmp_path / "log"
    with log.open("w") as out:
        server = subprocess.Popen(command, cwd=tmp_path, stdout=out, stderr=out)
    try:
        address = announced_address(log, server)
        assert re.fullmatch(r"http://(localhost|127\.0\.0\.1):[0-9]+/", address)
        with urllib.request.urlopen(address, timeout=60) as answer:
            page = answer.read().decode()
        assert "could not start" not in page
        with urllib.request.urlopen(f"{address}assets/style.css", timeout=60) as answer:
            assert answer.status == 200
        server.terminate()
        server.wait(timeout=30)
    finally:
        server.kill()


def announced_address(log: Path, server: subprocess.Popen[bytes]) -> str:
    """The address that the server prints once it listens."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        if found := re.search(r"http://[^ ]+", log.read_text()):
            return found[0]
        time.sleep(0.2)
    pytest.fail(f"no address was printed: {log.read_text()}")


def normalised(requirement: str) -> str:
    name = re.split(r"[\s<>=!~;\[(]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def imported_distributions(package: str) -> set[str]:
    """Third-party distributions that the sources of `package` import anywhere."""
    modules = set()
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules.add((node.module or "").partition(".")[0])
    third_party = modules - set(sys.stdlib_module_names) - {"analog_model", "dashboard"}
    owners = importlib.metadata.packages_distributions()
    return {normalised(owners[module][0]) for module in third_party}


def test_every_imported_library_is_declared() -> None:
    library = {normalised(requirement) for requirement in PROJECT["dependencies"]}
    extras = PROJECT["optional-dependencies"]
    extra = {normalised(item) for item in extras["dashboard"]}
    cluster = {normalised(item) for item in extras["cluster"]}
    assert imported_distributions("analog_model") <= library | extra | cluster
    assert imported_distributions("dashboard") <= library | extra


def test_the_constraints_pin_every_declared_library_without_a_source() -> None:
    pins = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), line
            name, _, version = line.partition("==")
            pins[normalised(name)] = version
    declared = [*PROJECT["dependencies"]]
    for items in PROJECT["optional-dependencies"].values():
        declared += items
    assert {normalised(item) for item in declared} - {"analog-model"} <= set(pins)
    assert pins["torch"] == "2.13.0"
