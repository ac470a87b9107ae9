"""The two dry iterations: their command, their environment, and what is read of their output."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_soak.loop.model import Reading
from pytest_soak.starter.draft import Draft, Figure
from pytest_soak.starter.trial import about_errors, run_trial
from pytest_soak.starter.trial_text import ended_early_text, kpis_text

SECTION = """\
collected 2 items

============ ERRORS ============
______ ERROR at setup of test ______
iteration 1: the target raised

    the address answers with 422
=========== FAILURES ===========
another text
"""


def test_the_section_about_errors_is_shown() -> None:
    lines = ("iteration 1: the target raised", "    the address answers with 422")
    assert about_errors(SECTION) == lines


def test_what_ended_the_session_is_shown_once() -> None:
    why = "the target raised: LiveHalt: not_delivered: it answers with the status 400"
    output = (
        f"iteration 1: {why}",
        "pytest_soak.live.faults.LiveHalt: not_delivered: it answers with the status 400",
        "    http://127.0.0.1:1/settings answers with the status 400; it needs 2xx",
        "    its answer: \x1b[2J" + " unknown" * 20,
    )
    lines = ended_early_text(f"iteration 1: {why}", output)
    assert lines[0] == f"the session ended early: iteration 1: {why}"[: len(lines[0])]
    text = " ".join(" ".join(lines).split())
    assert text.count("the status 400") == 2
    assert text.count("the target raised") == 1
    assert "its answer: \\x1b[2J unknown unknown" in text
    assert max(map(len, lines)) <= 100


def test_without_that_section_the_end_is_shown() -> None:
    assert about_errors("") == ()
    lines = [f"line {place}" for place in range(40)]
    assert about_errors("\n\n".join(lines)) == tuple(lines[-15:])


def test_the_tuner_is_off_and_variables_start_no_other_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    class Session(subprocess.Popen[bytes]):
        def __init__(self, command: list[str], **options: object) -> None:
            calls.append((command, options))
            super().__init__([sys.executable, "-c", "print('nothing ran')"], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", Session)
    monkeypatch.setenv("USE_MOCK", "1")
    monkeypatch.setenv("SOAK_OF_THE_SERVICE", "x")
    trial = run_trial(tmp_path, "soak.yaml", "test_soak.py")
    assert trial.readings == {}
    assert trial.problem == "the session was refused with exit 0"
    assert trial.output == ("nothing ran",)
    ((command, options),) = calls
    assert "--soak-no-tune" in command
    directory = Path(next(item for item in command if item.startswith("--soak-dir=")).split("=")[1])
    assert not directory.is_relative_to(tmp_path)
    assert not directory.parent.exists()
    environment = options["env"]
    assert isinstance(environment, dict)
    assert "USE_MOCK" not in environment
    assert environment["SOAK_OF_THE_SERVICE"] == "x"
    assert options["cwd"] == tmp_path


def test_the_table_of_kpis() -> None:
    draft = Draft(
        figures=(
            Figure("fast_ms", ("fast_ms",), 1.0, "down", "<= 2"),
            Figure("slow_ms", ("slow_ms",), 1.0, "down", "<= 2"),
            Figure("load", ("load",), 1.0),
            Figure("gone", ("gone",), 1.0),
            Figure("x" * 64, ("x",), 1.0),
        )
    )
    readings = {
        "fast_ms": Reading(1.5, "fast_ms"),
        "slow_ms": Reading(2.5, "slow_ms"),
        "load": Reading(3.0, "load"),
        "gone": Reading(None, "gone", why="no field gone; the report has \x1b[31m" + "y" * 200),
    }
    lines = kpis_text(draft, readings)
    assert lines[0] == "3 of 5 KPIs have a value:"
    assert "no data  no field gone; the report has \\x1b[31m" in lines[2]
    assert lines[3].split()[-3:] == ["nothing", "was", "measured"]
    assert lines[4].split() == ["fast_ms", "1.5", "<=", "2"]
    assert lines[5].endswith("2.5  <= 2  the value is beyond it: edit it")
    assert lines[6].split() == ["load", "3", "-"]
    assert all(len(line) <= 100 and line.isprintable() for line in lines)


def test_a_long_table_is_cut() -> None:
    figures = tuple(Figure(f"a{place}", (f"a{place}",), 1.0) for place in range(100))
    lines = kpis_text(Draft(figures), {})
    assert lines[0] == "0 of 100 KPIs have a value:"
    assert len(lines) == 42
    assert lines[-1] == "  and 61 more KPIs"
