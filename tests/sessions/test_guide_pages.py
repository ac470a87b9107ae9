"""docs/first_run.md and docs/own_service.md, followed word for word in an empty folder."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.page_runs import follow, missing, steps
from tests.sessions.conftest import Sessions

_FIGURE = re.compile(r"(?<!\w)-?\d[\d,.]*(?:e-?\d+)?|(?<= )-(?= \.\.)")


@pytest.fixture(autouse=True)
def _a_terminal_of_80_columns(soak: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_first_run(soak: Sessions) -> None:
    printed = follow("first_run.md", soak.pytester)
    sessions = {item.command: item.code for item in printed if item.command.startswith("pytest ")}
    assert list(sessions.values()) == [0, 1, 0, 0, 0]
    runs = soak.folder / "artifacts/soak/runs"
    assert len(list(runs.iterdir())) == len(sessions) - 1  # the newest is in latest


def shape(line: str) -> str:
    """A line of a service that really works: each run has other figures and other noise."""
    line = re.sub(r"\(\d+\.\d\)", "", line)  # independent values
    line = _FIGURE.sub("0", line)
    line = re.sub(r"^(gate: )(?:PASS|WARN by \S+)$", r"\1ok", line)
    line = line.replace("not freeze ready", "freeze ready")
    return " ".join(line.replace("PASS", "ok").replace("WARN", "ok").split())


@contextmanager
def started(folder: Path, port: int) -> Iterator[None]:
    """The service and the load of the page, as its block ``sh`` starts them."""
    files = {step.name: step.text for step in steps("own_service.md") if step.language == "python"}
    for name in ("service.py", "load.py"):
        (folder / name).write_text(files[name], "utf-8")
    commands = (["service.py", str(port)], ["load.py", f"http://127.0.0.1:{port}/"])
    processes = [subprocess.Popen([sys.executable, *command], cwd=folder) for command in commands]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_own_service(soak: Sessions) -> None:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
    with started(soak.folder, port):
        printed = follow(
            "own_service.md", soak.pytester, shape, lambda text: text.replace("8080", str(port))
        )
    (begun,) = [item for item in printed if item.command.startswith("pytest-soak init")]
    assert begun.code == 0
    sessions = [item for item in printed if item.command.startswith("pytest ")]
    assert [item.code for item in sessions] == [1, 0], sessions[-1].text
    assert re.search(r"^gate: (PASS|WARN by tuned-1/p95_ms)$", sessions[1].text, re.MULTILINE)
    latest = soak.folder / "artifacts/soak/latest"
    snapshot = json.loads((latest / "POST_SOAK_SNAPSHOT.json").read_text())
    assert snapshot["iterations"] == {"planned": 24, "measured": 24}
    assert snapshot["parameters"]["connections"] > 2


def test_a_line_that_is_not_printed_is_seen() -> None:
    output = "one\ntwo\nthree 3 s\nfour\n"
    assert not missing("one\ntwo", output, str.strip)
    assert not missing("one\n…\nfour", output, str.strip)
    assert not missing("…\nthree … s\n…", output, str.strip)
    assert missing("one\nfour", output, str.strip)
    assert missing("two", output, str.strip)
    assert missing("…\nfour\n…\none", output, str.strip)
    assert missing("…\nthree … m", output, str.strip)
    assert shape("p95_ms 88.745 - .. 124.9 <= 150 24 PASS") == "p95_ms 0 0 .. 0 <= 0 0 ok"
    assert shape("p95_ms 283.1 157.3 .. 397.9 <= 150 8 (4.0) FAIL") == "p95_ms 0 0 .. 0 <= 0 0 FAIL"
