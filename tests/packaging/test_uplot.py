"""uPlot in wheel, sdist, clone and editable install, with and without npm."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

import hatch_build
from pytest_soak.vendored import UPLOT
from tests.packaging.conftest import (
    Environment,
    build_command,
    built,
    clone,
    environment,
    sdist_files,
    wheel_files,
)

HASHES = {f"uplot/{file.name}": file.sha256 for file in UPLOT.files}
IN_PAGE = f"uPlot (v{UPLOT.version})"
"""In the script of uPlot, which a page has whole."""
MISSING = "pytest_soak/_vendor/uplot/uPlot.iife.min.js is missing"


def hashes(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def test_the_wheel_has_the_pinned_files_and_no_other(tree: Path, tmp_path: Path) -> None:
    wheel = built(tree, "wheel", tmp_path, environment(npm=False, vendor="require"))
    assert hashes(wheel_files(wheel)) == HASHES


def test_the_sdist_has_the_pinned_files_and_no_other(sdist: Path) -> None:
    assert hashes(sdist_files(sdist)) == HASHES


def test_script_and_style_can_be_inlined(sdist: Path) -> None:
    """Nothing in them ends the element of HTML in which they are."""
    files = sdist_files(sdist)
    script, style = files["uplot/uPlot.iife.min.js"], files["uplot/uPlot.min.css"]
    head = f"/*! https://github.com/leeoniya/uPlot (v{UPLOT.version}) */\nvar uPlot="
    assert script.startswith(head.encode())
    assert b"</script" not in script.lower()
    assert b"<!--" not in script
    assert b"</style" not in style.lower()
    assert b"url(" not in style
    assert b"@import" not in style


def test_an_sdist_is_installed_without_npm(
    sdist: Path, tmp_path: Path, installed: Environment
) -> None:
    installed.install(str(sdist), variables=environment(npm=False, vendor="require"))
    uplot = installed.uplot()
    assert (uplot["version"], uplot["why_absent"]) == (UPLOT.version, "")
    assert uplot["length"] > 50_000
    assert "site-packages" in uplot["folder"]
    assert IN_PAGE in installed.report(tmp_path / "run")


def test_a_clone_without_npm_is_installed_without_uplot(
    tmp_path: Path, installed: Environment
) -> None:
    tree = clone(tmp_path / "clone")
    output = installed.install(str(tree), variables=environment(npm=False))
    assert f"left out: {MISSING}, and npm is not on PATH" in output
    uplot = installed.uplot()
    assert uplot["version"] is None
    assert uplot["why_absent"].startswith(f"{MISSING}; install a wheel")
    page = installed.report(tmp_path / "run")
    assert IN_PAGE not in page
    assert MISSING in page
    assert page.count("<svg") > 4


def test_a_clone_with_npm_is_installed_with_uplot(tmp_path: Path, installed: Environment) -> None:
    tree = clone(tmp_path / "clone")
    installed.install(str(tree), variables=environment(npm=True))
    uplot = installed.uplot()
    assert (uplot["version"], uplot["why_absent"]) == (UPLOT.version, "")
    assert "site-packages" in uplot["folder"]


def test_an_editable_install_reads_the_tree(tmp_path: Path, installed: Environment) -> None:
    tree = clone(tmp_path / "clone")
    installed.install("-e", str(tree), variables=environment(npm=True))
    uplot = installed.uplot()
    assert (uplot["version"], uplot["why_absent"]) == (UPLOT.version, "")
    assert uplot["folder"] == str(tree / "pytest_soak" / "_vendor")
    assert IN_PAGE in installed.report(tmp_path / "run")


def test_a_damaged_copy_of_an_installed_package_is_not_used(
    tmp_path: Path, tree: Path, installed: Environment
) -> None:
    wheel = built(tree, "wheel", tmp_path / "dist", environment(npm=False))
    installed.install(str(wheel), variables=environment(npm=False))
    assert IN_PAGE in installed.report(tmp_path / "run")
    script = Path(installed.uplot()["folder"]) / "uplot" / "uPlot.iife.min.js"
    script.write_bytes(script.read_bytes() + b"\n")
    uplot = installed.uplot()
    assert uplot["version"] is None
    assert "uPlot.iife.min.js: SHA-256 is " in uplot["why_absent"]
    page = installed.report(tmp_path / "second")
    assert IN_PAGE not in page
    assert "uPlot.iife.min.js: SHA-256 is " in page


def test_a_clone_without_npm_is_not_built_if_uplot_is_required(tmp_path: Path) -> None:
    result = subprocess.run(
        build_command("wheel", tmp_path / "dist"),
        cwd=clone(tmp_path / "clone"),
        env=environment(npm=False, vendor="require"),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert f"{MISSING}, and npm is not on PATH" in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.glob("dist/*.whl"))


@pytest.mark.parametrize("file", [*UPLOT.files, None], ids=lambda file: file and file.name)
def test_another_package_than_the_pinned_one_is_refused(tmp_path: Path, file: object) -> None:
    """npm brings the true files: one of the pins is changed instead."""
    tree = clone(tmp_path / "clone")
    pins = tree / "pytest_soak" / "vendored.py"
    text = pins.read_text("utf-8")
    pin = getattr(file, "sha256", UPLOT.integrity[:40])
    wrong = pin[:-4] + "0000"
    assert pin in text
    pins.write_text(text.replace(pin, wrong), "utf-8")
    result = subprocess.run(
        build_command("wheel", tmp_path / "dist"),
        cwd=tree,
        env=environment(npm=True),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    source = getattr(file, "source", f"uplot-{UPLOT.version}.tgz")
    kind = "SHA-256" if file else "integrity"
    assert f"npm brought another package: {source}: {kind} is {pin}" in result.stderr
    assert f", expected {wrong}" in result.stderr
    assert not list(tmp_path.glob("dist/*.whl"))
    assert not (tree / "pytest_soak" / "_vendor").exists()


def test_the_command_prints_the_block_of_the_module() -> None:
    root = Path(hatch_build.__file__).parent
    result = subprocess.run(
        [sys.executable, "hatch_build.py", UPLOT.version],
        cwd=root,
        env=environment(npm=True),
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"\n{result.stdout}" in (root / "pytest_soak" / "vendored.py").read_text("utf-8")


def test_two_builds_at_once_give_two_whole_wheels(tmp_path: Path) -> None:
    tree = clone(tmp_path / "clone")
    folders = [tmp_path / "a", tmp_path / "b"]
    variables = environment(npm=True, vendor="require")
    builds = [
        subprocess.Popen(
            build_command("wheel", folder), cwd=tree, env=variables, stdout=subprocess.DEVNULL
        )
        for folder in folders
    ]
    assert [build.wait() for build in builds] == [0, 0]
    for folder in folders:
        (wheel,) = folder.glob("*.whl")
        assert hashes(wheel_files(wheel)) == HASHES
    left = {path.name for path in (tree / "pytest_soak" / "_vendor" / "uplot").iterdir()}
    assert left == {file.name for file in UPLOT.files}
