"""Copies of the source tree as a clone has it, built and installed for real."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
VENDOR = "pytest_soak/_vendor/"

SHOW = """
import json
from pytest_soak import vendored
uplot = vendored.uplot()
print(json.dumps({
    "version": uplot and uplot.version,
    "length": uplot and len(uplot.script),
    "why_absent": vendored.why_absent(),
    "folder": str(vendored.FOLDER),
}))
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.packaging)


def clone(folder: Path) -> Path:
    """The files that a clone would have, with the changes that are not committed yet."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    output = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True).stdout
    for name in output.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def environment(*, npm: bool, vendor: str = "") -> dict[str, str]:
    """The variables of this process; without npm nothing at all is on PATH."""
    variables = {**os.environ, "SOAK_VENDOR": vendor, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    variables.pop("PYTHONPATH", None)
    return variables if npm else {**variables, "PATH": "/nonexistent"}


def build_command(target: str, output: Path) -> list[str]:
    return [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(output)]


def built(tree: Path, target: str, output: Path, variables: dict[str, str]) -> Path:
    """The wheel or sdist of a tree."""
    command = build_command(target, output)
    result = subprocess.run(command, cwd=tree, env=variables, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    (package,) = output.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return package


def wheel_files(wheel: Path) -> dict[str, bytes]:
    """The vendored files of a wheel, by their path below the vendor folder."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            name.removeprefix(VENDOR): archive.read(name)
            for name in archive.namelist()
            if name.startswith(VENDOR)
        }


def sdist_files(sdist: Path) -> dict[str, bytes]:
    """The vendored files of an sdist, by their path below the vendor folder."""
    files = {}
    with tarfile.open(sdist) as archive:
        for member in archive.getmembers():
            name = member.name.partition("/")[2]
            stream = archive.extractfile(member) if name.startswith(VENDOR) else None
            if stream is not None:
                files[name.removeprefix(VENDOR)] = stream.read()
    return files


@dataclass(frozen=True)
class Environment:
    """A virtual environment with nothing but pytest-soak: no dependency is needed to read uPlot."""

    python: Path

    def install(self, *arguments: str, variables: dict[str, str]) -> str:
        """What ``pip install -v`` prints; an isolated build, as a user's is."""
        command = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "-v"]
        result = subprocess.run(
            [*command, "--no-deps", *arguments], env=variables, capture_output=True, text=True
        )
        output = result.stdout + result.stderr
        assert result.returncode == 0, output
        return output

    def uplot(self) -> dict[str, Any]:
        """``vendored`` as the installed package has it, read in an empty folder."""
        command = [str(self.python), "-c", SHOW]
        variables = environment(npm=False)
        folder = self.python.parent
        result = subprocess.run(
            command, env=variables, cwd=folder, capture_output=True, text=True, check=True
        )
        answer: dict[str, Any] = json.loads(result.stdout)
        return answer

    def report(self, folder: Path) -> str:
        """REPORT.html of a session of the installed package, in the empty ``folder``.

        Its dependencies are those of this process: they come behind its own packages.
        """
        folder.mkdir()
        (own,) = self.python.parents[1].glob("lib/python*/site-packages")
        (own / "zz_dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
        command = [str(self.python), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        variables = {**environment(npm=False), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        result = subprocess.run(
            [*command, "-p", "pytest_soak.plugin", "--soak-iterations=4", "--soak-mock"],
            cwd=folder, env=variables, capture_output=True, text=True,
        )  # fmt: skip
        assert result.returncode == 0, result.stdout + result.stderr
        path = folder / "artifacts" / "soak" / "latest" / "REPORT.html"
        return path.read_text("utf-8")


@pytest.fixture
def installed(tmp_path: Path) -> Environment:
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    return Environment(tmp_path / "env" / "bin" / "python")


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with uPlot, a file of no package beside it, and no .gitignore that excludes both."""
    tree = clone(tmp_path_factory.mktemp("tree"))
    output = tmp_path_factory.mktemp("first")
    built(tree, "wheel", output, environment(npm=True, vendor="require"))
    (tree / VENDOR / "uplot" / "other.js").write_text("alert(1)")
    (tree / ".gitignore").unlink()
    return tree


@pytest.fixture(scope="session")
def sdist(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tree, "sdist", tmp_path_factory.mktemp("sdist"), environment(npm=False))
