"""What the doctor says of the machine: versions, plugins, soak directory, lock, disk, clocks."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from pytest_soak.doctor import directory as directory_module
from pytest_soak.doctor.clocks import Clocks, clock_findings, file_time_finding, time_finding
from pytest_soak.doctor.directory import (
    directory_findings,
    disk_finding,
    lock_finding,
    size_per_iteration,
    size_text,
)
from pytest_soak.doctor.finding import Finding
from pytest_soak.doctor.versions import (
    NEWEST_TESTED,
    installed,
    package_finding,
    plugin_findings,
    version_findings,
)
from pytest_soak.store.lock import DirectoryLock

# -- versions and plugins --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("needed", "present", "status", "words"),
    [
        ("pytest>=9.0", "9.1.2", "OK", "9.1.2 (>=9.0)"),
        ("pytest>=9.0", "8.4.0", "FAIL", "8.4.0; >=9.0 is needed"),
        ("pytest>=9.0", "10.0.0", "WARN", "10.0.0 is newer than 9.x, the newest tested"),
        ("pytest>=9.0", None, "FAIL", "is not installed"),
        ("PyYAML>=6.0.2", "7.0", "WARN", "newer than 6.x"),
        ("pytest-xdist<4,>=3.8", "4.0", "FAIL", "is needed"),
        ("msgspec>=0.22", "0.23.0", "OK", "0.23.0"),
        ("msgspec>=0.22", "1.0", "WARN", "newer than 0.x"),
        ("numpy>=2.0", "2.5.0rc1", "OK", "2.5.0rc1"),
    ],
)
def test_a_package(needed: str, present: str | None, status: str, words: str) -> None:
    finding = package_finding(Requirement(needed), present)
    assert finding.status == status
    assert words in finding.text
    assert bool(finding.advice) == (status != "OK")


@pytest.mark.parametrize(
    ("python", "status"),
    [("3.10.9", "FAIL"), ("3.11.0", "OK"), ("3.13.9", "OK"), ("3.14.0", "WARN")],
)
def test_python(python: str, status: str) -> None:
    assert next(version_findings(python)).status == status


def test_every_declared_package_has_a_newest_tested_version() -> None:
    names = {item.name for item in version_findings(of=lambda _: "1.0")} - {"python", "pytest-soak"}
    assert {canonicalize_name(name) for name in names} <= NEWEST_TESTED.keys()


def test_what_the_tests_run_with_is_tested() -> None:
    for name, newest in NEWEST_TESTED.items():
        present = installed(name)
        assert present is None or Version(present).major <= newest, name


def has(*names: str) -> object:
    return lambda name: "1.0" if name in names else None


@pytest.mark.parametrize(
    ("files", "variable", "words"),
    [
        ({}, "-q --reruns=2", "--reruns is set in PYTEST_ADDOPTS"),
        ({}, "--reruns 2", "--reruns is set in PYTEST_ADDOPTS"),
        ({"pytest.ini": "[pytest]\naddopts = -q --count=3\n"}, "", "--count is set in pytest.ini"),
        ({"setup.cfg": "[tool:pytest]\naddopts = --flake-finder\n"}, "", "in setup.cfg"),
        (
            {"pyproject.toml": "[tool.pytest.ini_options]\naddopts = '--retries 2'\n"},
            "",
            "pyproject",
        ),
        ({"pyproject.toml": "[tool.pytest]\naddopts = ['-q', '--retries=2']\n"}, "", "pyproject"),
    ],
)
def test_an_option_that_a_session_refuses(
    tmp_path: Path, files: dict[str, str], variable: str, words: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (finding,) = plugin_findings(tmp_path, {"PYTEST_ADDOPTS": variable}, has())  # type: ignore[arg-type]
    assert finding.status == "FAIL"
    assert words in finding.text


def test_a_plugin_that_is_only_installed(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("no ini file")
    (tmp_path / "pyproject.toml").write_text("= no toml")
    of = has("pytest-repeat")
    (finding,) = plugin_findings(tmp_path, {}, of)  # type: ignore[arg-type]
    assert (finding.status, "--count" in finding.text) == ("OK", True)
    (finding,) = plugin_findings(tmp_path, {"PYTEST_ADDOPTS": "--countless"}, has())  # type: ignore[arg-type]
    assert finding.text == "none that would run an iteration again is installed"


# -- the soak directory ----------------------------------------------------------------------------


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def by_name(findings: Iterator[Finding]) -> dict[str, Finding]:
    return {item.name: item for item in findings}


@pytest.mark.parametrize("part", ["", "artifacts/soak"])
def test_a_good_directory_is_left_as_it_was(tmp_path: Path, part: str) -> None:
    before = tree(tmp_path)
    seen = by_name(directory_findings(tmp_path / part))
    assert {item.status for item in seen.values()} == {"OK"}
    assert [*seen] == ["soak directory", "locks", "session"]
    assert tree(tmp_path) == before


def test_a_directory_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(directory: Path) -> Path:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(directory_module, "own_folder", refused)
    seen = by_name(directory_findings(tmp_path))
    assert seen["soak directory"].status == "FAIL"
    assert "cannot be written: Permission denied" in seen["soak directory"].text
    assert "--soak-dir" in seen["soak directory"].advice


@pytest.mark.parametrize("below", ["", "runs", "runs/soak"])
def test_a_file_in_place_of_the_directory(below: str, tmp_path: Path) -> None:
    (tmp_path / "soak").write_text("")
    (finding,) = directory_findings(tmp_path / "soak" / below)
    assert (finding.status, finding.text) == ("FAIL", f"{tmp_path / 'soak'} is a file")
    (tmp_path / "dead").symlink_to(tmp_path / "nowhere")
    (finding,) = directory_findings(tmp_path / "dead" / below)
    assert finding.status == "FAIL"
    assert finding.text.endswith("dead is a link that leads nowhere")


def test_a_failing_fsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", failing)
    seen = by_name(directory_findings(tmp_path))
    assert seen["soak directory"].status == "FAIL"
    assert "Input/output error" in seen["soak directory"].text


def test_a_session_at_work_and_a_killed_one(tmp_path: Path) -> None:
    with DirectoryLock.acquire(tmp_path, "run-7"):
        finding = lock_finding(tmp_path)
        assert finding.status == "FAIL"
        assert f"in use by run run-7 (process {os.getpid()} on" in finding.text
        assert finding.advice == "wait until it ends, stop it, or give another directory"
    assert lock_finding(tmp_path).text == "none works in the directory"
    holder = {"pid": 1, "host": "elsewhere", "since": "x", "run_id": "run-7"}
    (tmp_path / ".lock-holder.json").write_text(json.dumps(holder))
    finding = lock_finding(tmp_path)
    assert (finding.status, "that was killed" in finding.text) == ("OK", True)


def test_the_size_per_iteration_is_that_of_the_newest_run(tmp_path: Path) -> None:
    assert size_per_iteration(tmp_path).basis == "a usual figure, since no run is stored there"
    for number in (1, 2):
        file = tmp_path / "latest" / "lane" / f"ITER_SUMMARY_{number}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * 300)
    (tmp_path / "latest" / "journal.jsonl").write_bytes(b"x" * 1400)
    size = size_per_iteration(tmp_path)
    assert size.bytes_ == 1000.0
    assert size.basis == "measured on the newest run, 2 iterations"


@pytest.mark.parametrize(
    ("free", "status"), [(199_999, "FAIL"), (399_999, "WARN"), (400_000, "OK")]
)
def test_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, status: str) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=free))
    finding = disk_finding(tmp_path, 10)
    assert finding.status == status
    assert "10 iterations need 200 kB (20 kB each, a usual figure" in finding.text


def test_sizes_are_short() -> None:
    assert [size_text(size) for size in (12, 1500, 2.5e9, 3e13)] == [
        "12 B",
        "1.5 kB",
        "2.5 GB",
        "30 TB",
    ]


# -- clocks ----------------------------------------------------------------------------------------


def clocks(jump: float) -> Clocks:
    now = [100.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    return Clocks(lambda: now[0], lambda: now[0] * (1.0 + jump), sleep)


@pytest.mark.parametrize(("jump", "status"), [(0.0, "OK"), (0.05, "OK"), (0.2, "WARN")])
def test_the_wall_clock_against_the_monotonic_one(jump: float, status: str) -> None:
    resolution, wall = clock_findings(clocks(jump))
    assert resolution.status == "OK"
    assert wall.status == status


@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        (1000.5, "OK", "0.000 s off"),
        (999.5, "OK", "0.500 s off"),
        (1060.0, "WARN", "59.0 s ahead of the wall clock"),
        (900.0, "WARN", "100.0 s behind the wall clock"),
    ],
)
def test_the_time_of_a_file(given: float, status: str, words: str) -> None:
    finding = time_finding("file times", given, 1000.0, 1001.0)
    assert finding.status == status
    assert words in finding.text


def test_the_time_of_a_file_of_this_machine(tmp_path: Path) -> None:
    assert file_time_finding(tmp_path).status == "OK"
