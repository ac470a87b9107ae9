"""The build hook with a small npm package and a program in the place of npm."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any

import pytest

import hatch_build
from pytest_soak.vendored import UPLOT
from tests.unit.npm_packages import CONTENTS, Tree, fake_npm, pins_of, tarball_of, tree_of

PACKAGE = f"{UPLOT.name}@{UPLOT.version}"
NAMES = {"uPlot.iife.min.js", "uPlot.min.css", "LICENSE"}
OTHER = {**CONTENTS, "dist/uPlot.min.css": b"body { display: none }"}


@pytest.fixture(autouse=True)
def _no_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOAK_VENDOR", raising=False)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return tree_of(tmp_path / "tree", pins_of(CONTENTS))


def hook_of(tree: Tree) -> hatch_build.UplotHook:
    config: Any = None  # of hatchling: not used
    return hatch_build.UplotHook(str(tree.root), {}, config, config, "", "wheel")


def built(tree: Tree, version: str = "standard") -> dict[str, bytes]:
    """The content of each file that the hook adds to the package, by its path there."""
    hook = hook_of(tree)
    build_data: dict[str, Any] = {"force_include": {}}
    hook.initialize(version, build_data)
    added = {name: Path(path).read_bytes() for path, name in build_data["force_include"].items()}
    hook.finalize(version, build_data, "")
    assert not [path for path in build_data["force_include"] if Path(path).exists()]
    return added


PACKAGED = {
    f"pytest_soak/_vendor/uplot/{Path(source).name}": content
    for source, content in CONTENTS.items()
}


def test_npm_brings_the_files_into_tree_and_package(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm = fake_npm(tmp_path / "bin", monkeypatch, tarball_of(CONTENTS))
    assert built(tree) == PACKAGED
    assert tree.files() == {Path(source).name: data for source, data in CONTENTS.items()}
    assert npm.calls == [f"pack {PACKAGE}"]


def test_npm_is_not_called_for_files_that_are_there(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm = fake_npm(tmp_path / "bin", monkeypatch, tarball_of(CONTENTS))
    built(tree)
    assert built(tree) == PACKAGED
    assert len(npm.calls) == 1


def test_a_damaged_file_of_the_tree_is_replaced(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm = fake_npm(tmp_path / "bin", monkeypatch, tarball_of(CONTENTS))
    built(tree)
    (tree.folder / "LICENSE").write_bytes(b"damaged")
    assert built(tree) == PACKAGED
    assert tree.files()["LICENSE"] == CONTENTS["LICENSE"]
    assert len(npm.calls) == 2


def test_an_editable_build_leaves_the_files_in_the_tree(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_npm(tmp_path / "bin", monkeypatch, tarball_of(CONTENTS))
    assert built(tree, "editable") == {}
    assert tree.files().keys() == NAMES


def test_a_tree_that_cannot_be_written_gives_a_package_with_the_files(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_npm(tmp_path / "bin", monkeypatch, tarball_of(CONTENTS))
    tree.folder.parent.write_text("a file where the folder would be")
    assert built(tree) == PACKAGED


def test_an_editable_build_of_such_a_tree_warns_and_goes_on(
    tree: Tree,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake_npm(tmp_path / "bin", monkeypatch, tarball_of(CONTENTS))
    tree.folder.parent.write_text("a file where the folder would be")
    assert built(tree, "editable") == {}
    assert f"{tree.folder.parent} cannot be written: " in capsys.readouterr().err


@pytest.mark.parametrize("version", ["standard", "editable"])
def test_without_npm_the_build_warns_and_goes_on(
    tree: Tree,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    version: str,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert built(tree, version) == {}
    assert capsys.readouterr().err == (
        f"pytest-soak: warning: uPlot {UPLOT.version} is left out: "
        "pytest_soak/_vendor/uplot/uPlot.iife.min.js is missing, and npm is not on PATH\n"
        "pytest-soak: reports of soak runs will have static pictures. For pictures to zoom in, "
        "install Node.js with npm and build again.\n"
    )


def test_npm_that_fails_gives_its_message(
    tree: Tree,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake_npm(tmp_path / "bin", monkeypatch, "npm error code ENOTFOUND\nnpm error \x1b[31mnetwork")
    assert built(tree) == {}
    assert (
        f"is missing, and npm pack {PACKAGE} ended with 1: "
        "'npm error code ENOTFOUND npm error \\x1b[31mnetwork'\n"
    ) in capsys.readouterr().err


def test_npm_that_does_not_end_is_ended(
    tree: Tree,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake_npm(tmp_path / "bin", monkeypatch, "")
    program = tmp_path / "bin" / "npm"
    program.write_text(program.read_text().split("\n")[0] + "\nimport time\ntime.sleep(600)\n")
    monkeypatch.setattr(hatch_build, "NPM_TIMEOUT", 0.2)
    assert built(tree) == {}
    assert f"npm pack {PACKAGE} took more than 0.2 s" in capsys.readouterr().err


def test_a_damaged_file_is_not_packaged_without_npm(
    tree: Tree,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake_npm(tmp_path / "bin", monkeypatch, tarball_of(CONTENTS))
    built(tree)
    (tree.folder / "uPlot.min.css").write_bytes(b"damaged")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert built(tree) == {}
    assert "pytest_soak/_vendor/uplot/uPlot.min.css: SHA-256 is " in capsys.readouterr().err


@pytest.mark.parametrize("policy", ["auto", "require"])
def test_a_tarball_that_is_not_the_pinned_one_ends_the_build(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    monkeypatch.setenv("SOAK_VENDOR", policy)
    fake_npm(tmp_path / "bin", monkeypatch, tarball_of(OTHER))
    actual, expected = pins_of(OTHER).integrity, pins_of(CONTENTS).integrity
    with pytest.raises(SystemExit) as error:
        built(tree)
    assert str(error.value) == (
        "pytest-soak: npm brought another package: "
        f"uplot-{UPLOT.version}.tgz: integrity is {actual}, expected {expected}"
    )
    assert not tree.folder.exists()


def test_a_file_that_is_not_the_pinned_one_ends_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The integrity fits: a pin of the file itself is wrong."""
    pins, other = pins_of(CONTENTS), pins_of(OTHER)
    wrong = type(pins)(pins.name, pins.version, pins.integrity, other.files)
    tree = tree_of(tmp_path / "tree", wrong)
    fake_npm(tmp_path / "bin", monkeypatch, tarball_of(CONTENTS))
    with pytest.raises(SystemExit) as error:
        built(tree)
    assert str(error.value) == (
        "pytest-soak: npm brought another package: dist/uPlot.min.css: "
        f"SHA-256 is {pins.files[1].sha256}, expected {other.files[1].sha256}"
    )
    assert not tree.folder.exists()


def test_a_package_without_one_of_the_files_ends_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fewer = {source: data for source, data in CONTENTS.items() if source != "LICENSE"}
    pins = pins_of(CONTENTS)
    integrity = hatch_build.integrity(tarball_of(fewer))
    tree = tree_of(tmp_path / "tree", type(pins)(pins.name, pins.version, integrity, pins.files))
    fake_npm(tmp_path / "bin", monkeypatch, tarball_of(fewer))
    with pytest.raises(SystemExit, match=f"{re.escape(PACKAGE)} has no file LICENSE"):
        built(tree)


@pytest.mark.parametrize("version", ["standard", "editable"])
def test_require_ends_a_build_without_npm(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setenv("SOAK_VENDOR", "require")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=r"npm is not on PATH\npytest-soak: SOAK_VENDOR=require: "):
        built(tree, version)


def test_offline_calls_no_npm_but_packages_what_is_there(
    tree: Tree,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    npm = fake_npm(tmp_path / "bin", monkeypatch, tarball_of(CONTENTS))
    monkeypatch.setenv("SOAK_VENDOR", "offline")
    assert built(tree) == {}
    assert "SOAK_VENDOR=offline forbids to call npm" in capsys.readouterr().err
    assert npm.calls == []
    monkeypatch.setenv("SOAK_VENDOR", "")
    built(tree)
    monkeypatch.setenv("SOAK_VENDOR", "offline")
    assert built(tree) == PACKAGED


def test_an_unknown_policy_ends_the_build(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOAK_VENDOR", "yes")
    with pytest.raises(SystemExit, match="SOAK_VENDOR='yes': use auto, require, offline"):
        built(tree)


def test_a_write_that_fails_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hatch_build.store(tmp_path, {"a": b"old"})

    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        hatch_build.store(tmp_path, {"a": b"new"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old"}


def test_a_file_is_whole_whenever_its_name_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written under the name that others read: the name changes by one rename."""
    names: list[str] = []
    write = Path.write_bytes

    def watched(self: Path, data: bytes) -> int:
        names.append(self.name)
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", watched)
    hatch_build.store(tmp_path, {"a": b"1"})
    hatch_build.store(tmp_path, {"a": b"2"})
    assert "a" not in names
    assert len(set(names)) == 2, "two builds at once must not share a temporary file"


def test_the_command_prints_pins_that_are_the_package(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm = fake_npm(tmp_path / "bin", monkeypatch, tarball_of(OTHER))
    pins = hatch_build.load_pins(tree.root)
    printed = hatch_build.pins_of(pins, "9.0.0")
    assert npm.calls == ["pack uplot@9.0.0"]
    names: dict[str, Any] = dict(vars(pins))
    exec(printed, names)
    expected = pins_of(OTHER)
    assert names["UPLOT"].version == "9.0.0"
    assert names["UPLOT"].integrity == expected.integrity
    assert [vars(file) for file in names["UPLOT"].files] == [vars(file) for file in expected.files]


def test_the_command_needs_a_version() -> None:
    with pytest.raises(SystemExit, match=r"usage: python hatch_build\.py VERSION"):
        hatch_build.main([])
