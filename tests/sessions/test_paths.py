"""Relative paths: of an ini file to its folder, all others to where pytest was called."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.sessions.conftest import BOT, Result, Sessions

SHORT = "--soak-iterations=2"


@pytest.fixture
def project(soak: Sessions, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a folder ``sub`` below it, in which pytest is called.

    Both have a profile ``mine.yaml`` and a module ``bot.py``, which differ.
    """
    sub = soak.folder / "sub"
    sub.mkdir()
    for folder, value in ((soak.folder, 610), (sub, 650)):
        (folder / "mine.yaml").write_text(f"extends: steady\ntail_age_ms: {value}\n")
    (soak.folder / "bot.py").write_text(BOT)
    monkeypatch.chdir(sub)
    return soak.folder


def ini(project: Path, *lines: str) -> None:
    (project / "pytest.ini").write_text("\n".join(["[pytest]", *lines, ""]))


def tail_age(directory: Path) -> float:
    applied: Any = json.loads((directory / "latest" / "applied_profile.json").read_text())
    return float(applied["values"]["tail_age_ms"])


@pytest.mark.parametrize(
    "line",
    ["soak_profile = ./mine.yaml", "addopts = --soak-profile=mine.yaml"],
    ids=["ini", "addopts"],
)
def test_a_profile_of_the_ini_lies_beside_it(project: Path, soak: Sessions, line: str) -> None:
    ini(project, line)
    result = soak(SHORT, "--soak-mock")
    assert result.code == 0, result.out + result.err
    assert tail_age(project / "sub/artifacts/soak") == 610


@pytest.mark.parametrize("way", ["option", "PYTEST_ADDOPTS", "MM_PROFILE", "-o"])
def test_a_profile_given_where_pytest_is_called_lies_there(
    project: Path, soak: Sessions, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    ini(project, "soak_profile = ./nowhere.yaml", "addopts = --soak-seed=2")
    arguments = {"option": ["--soak-profile=mine.yaml"], "-o": ["-o", "soak_profile=mine.yaml"]}
    if way == "PYTEST_ADDOPTS":
        monkeypatch.setenv(way, "--soak-profile=mine.yaml")
    elif way == "MM_PROFILE":
        monkeypatch.setenv(way, "mine.yaml")
    result = soak(SHORT, "--soak-mock", *arguments.get(way, []))
    assert result.code == 0, result.out + result.err
    assert tail_age(project / "sub/artifacts/soak") == 650


def test_directory_and_reference_of_the_ini(project: Path, soak: Sessions) -> None:
    ini(project, "soak_dir = runs", "soak_target = bot:make")
    assert soak("--soak-iterations=24", "--soak-no-tune").code == 0
    (project / "runs").rename(project / "reference")
    assert not (project / "sub/artifacts").exists()
    ini(project, "soak_dir = runs", "soak_target = bot:make", "soak_reference = reference")
    assert soak(SHORT).code == 0
    about: Any = json.loads((project / "runs/latest/run.json").read_text())
    assert about["reference"].endswith("reference")
    line = soak(SHORT, "--soak-reference=reference").err
    assert "sub/reference" in line
    assert "does not exist" in line


def test_data_of_the_ini(project: Path, soak: Sessions) -> None:
    ini(project, "soak_data = day.npz", "soak_target = replay")
    beside = soak(SHORT).err
    assert f"{project}/day.npz" in beside
    assert f"{project}/sub/day.npz" in soak(SHORT, "--soak-data=day.npz").err


def test_exports_in_addopts_lie_beside_the_ini(project: Path, soak: Sessions) -> None:
    ini(project, "addopts = --soak-export-md=audit.md --soak-export-json m.jsonl")
    assert soak(SHORT, "--soak-mock", "--soak-export-json=here.jsonl").code == 0
    assert (project / "audit.md").is_file()
    assert (project / "sub/here.jsonl").is_file()
    assert not (project / "m.jsonl").exists()


def test_the_module_of_a_target_in_the_ini_lies_beside_it(project: Path, soak: Sessions) -> None:
    (project / "bot.py").rename(project / "beside_the_ini.py")
    ini(project, "soak_target = beside_the_ini:make")
    result = soak(SHORT)
    assert result.code == 0, result.out + result.err


def test_a_target_in_the_folder_of_testpaths(
    project: Path, soak: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pytest takes ``testpaths`` for arguments: a conftest there is loaded before the session."""
    monkeypatch.chdir(project)
    checks = project / "checks"
    checks.mkdir()
    (checks / "conftest.py").write_text(f"{BOT}\ndef pytest_soak_target(lane): return Bot(lane)\n")
    ini(project, "testpaths = checks")
    result = soak(SHORT)
    assert result.code == 0, result.out + result.err


def test_a_run_is_stored_without_the_folders_above_the_project(
    project: Path, soak: Sessions
) -> None:
    ini(project, "soak_profile = ./mine.yaml")
    assert soak(SHORT, "--soak-mock").code == 0
    latest = project / "sub/artifacts/soak/latest"
    assert json.loads((latest / "run.json").read_text())["profiles"] == ["../mine.yaml"]
    assert str(project).encode() not in (latest / "journal.jsonl").read_bytes()


def test_an_unknown_profile_of_the_ini_is_named_as_a_file(project: Path, soak: Sessions) -> None:
    ini(project, "soak_profile = ./nowhere.yaml")
    assert "../nowhere.yaml" in soak(SHORT, "--soak-mock").err


# -- what lies in the working directory -----------------------------------------------------------

SHADOWS = (
    *("yaml", "numpy", "msgspec", "filelock", "prometheus_client"),
    *("statistics", "secrets", "html"),
)
"""Modules that the plugin, or a library of it, imports after the command line is read."""


def outside(folder: Path, *args: str) -> Result:
    """A session of the command ``pytest``: Python itself puts no folder in front of the path."""
    command = [sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider", *args]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return Result(done.returncode, {}, done.stdout, done.stderr, folder)


def test_nothing_in_the_working_directory_is_imported_instead_of_a_library(soak: Sessions) -> None:
    soak.bot()
    for name in SHADOWS:
        (soak.folder / f"{name}.py").write_text(f"raise RuntimeError('a shadow: {name}')\n")
    result = outside(soak.folder, SHORT, "--soak-target=bot:make", "--soak-export-json=m.jsonl")
    assert "shadow" not in result.out + result.err
    assert result.code == 0, result.out + result.err
    assert result.json("run.json")["target"] == "bot:make"


LIVE_SHADOWS = (
    *(*SHADOWS, "psutil", "graphlib", "ipaddress", "selectors", "ssl", "shlex"),
    *("ctypes", "tempfile", "random", "fcntl", "select"),
)
BOT_PROCESS = """
import json, os, time
while True:
    with open(os.environ["SOAK_RUNTIME"]) as file:
        soak = json.load(file)["soak"]
    with open(os.environ["SOAK_REPORT"] + ".new", "w") as file:
        json.dump({"totals": {"net_bps": 3.0}, "applied_seq": soak["seq"]}, file)
    os.replace(os.environ["SOAK_REPORT"] + ".new", os.environ["SOAK_REPORT"])
    time.sleep(0.02)
"""


def test_nothing_in_the_working_directory_is_imported_by_a_live_target(soak: Sessions) -> None:
    """Neither by the session nor by the supervisor of its processes."""
    (soak.folder / "process.py").write_text(BOT_PROCESS)
    for name in LIVE_SHADOWS:
        (soak.folder / f"{name}.py").write_text(f"raise RuntimeError('a shadow: {name}')\n")
    command = "--soak-command={python} -P process.py"
    result = outside(soak.folder, "--soak-iterations=1", "--soak-interval=0.5", command)
    assert "shadow" not in result.out + result.err
    assert result.json("run.json")["target"] == "live"
    assert [e["type"] for e in result.entries()][:2] == ["start", "observation"]


def test_a_module_of_the_target_that_is_called_like_a_library_does_not_replace_it(
    soak: Sessions,
) -> None:
    """``yaml:make`` names PyYAML, which has no such factory, and not the file beside the tests."""
    (soak.folder / "yaml.py").write_text(BOT)
    result = outside(soak.folder, SHORT, "--soak-target=yaml:make")
    assert result.code == 4
    assert "no attribute 'make'" in result.err
