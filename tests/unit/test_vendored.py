"""The files of uPlot as the report page reads them: all right, or none with a reason."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from pytest_soak import vendored
from tests.unit.npm_packages import CONTENTS, pins_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A vendor folder with the files of CONTENTS, which are the pinned ones."""
    package = pins_of(CONTENTS)
    monkeypatch.setattr(vendored, "UPLOT", package)
    folder = tmp_path / "_vendor"
    (folder / "uplot").mkdir(parents=True)
    for file in package.files:
        (folder / "uplot" / file.name).write_bytes(CONTENTS[file.source])
    return folder


def test_the_files_with_the_pinned_hashes_are_read(folder: Path) -> None:
    uplot = vendored.uplot(folder)
    assert uplot == vendored.Uplot(
        script="var uPlot=function(){};",
        style=".uplot {}",
        licence="The MIT License © uPlot",
        version=vendored.UPLOT.version,
    )
    assert vendored.why_absent(folder) == ""


@pytest.mark.parametrize("name", ["uPlot.iife.min.js", "uPlot.min.css", "LICENSE"])
def test_one_changed_byte_in_any_file_leaves_uplot_out(folder: Path, name: str) -> None:
    path = folder / "uplot" / name
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    expected = {file.name: file.sha256 for file in vendored.UPLOT.files}[name]
    assert vendored.uplot(folder) is None
    reason = vendored.why_absent(folder)
    assert reason.startswith(f"pytest_soak/_vendor/uplot/{name}: SHA-256 is ")
    assert f"expected {expected}; install a wheel of pytest-soak" in reason


@pytest.mark.parametrize("name", ["uPlot.iife.min.js", "uPlot.min.css", "LICENSE"])
def test_a_missing_file_leaves_uplot_out(folder: Path, name: str) -> None:
    (folder / "uplot" / name).unlink()
    assert vendored.uplot(folder) is None
    assert vendored.why_absent(folder) == (
        f"pytest_soak/_vendor/uplot/{name} is missing; "
        "install a wheel of pytest-soak, or install from source again with npm on PATH"
    )


def test_a_file_that_cannot_be_read_leaves_uplot_out(folder: Path) -> None:
    path = folder / "uplot" / "LICENSE"
    path.unlink()
    path.mkdir()
    assert vendored.uplot(folder) is None
    assert "pytest_soak/_vendor/uplot/LICENSE cannot be read: Is a directory" in (
        vendored.why_absent(folder)
    )


def test_the_reason_has_no_path_of_the_machine(folder: Path) -> None:
    assert str(folder.parent) not in vendored.why_absent(folder.parent / "nowhere" / "_vendor")


def test_the_folder_is_beside_the_module() -> None:
    assert Path(vendored.__file__).parent / "_vendor" == vendored.FOLDER


def test_the_module_needs_the_standard_library_only() -> None:
    """The build hook loads it before any dependency is installed."""
    tree = ast.parse(Path(vendored.__file__).read_text("utf-8"))
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules += [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    ]
    assert {str(module).split(".")[0] for module in modules} <= sys.stdlib_module_names
