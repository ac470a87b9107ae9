"""Every fault of a live bot has the outcome that docs/targets.md says, and leaves no process.

The table was fixed before the live target was written.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from tests.sessions.conftest import Result, Sessions

pytest.importorskip("websockets", reason="the example talks over WebSocket")

EXAMPLE = Path(__file__).parents[2] / "examples" / "live_bot"
PROFILE = """
extends: live_bot.yaml
target:
  timing: {deadline_s: 1}
"""
ITERATIONS = 6


@dataclass(frozen=True)
class Row:
    """What a fault makes of six iterations."""

    faults: dict[int, str]
    """Iteration to fault, of those without data."""
    halted: int = 0
    """The iteration whose item is an ERROR; 0: the lane goes on to its end."""
    text: str = ""
    """The halt begins with it."""
    delta: str = "PASS"
    """The verdict on the deltas, where the lane went on."""
    until_halt: str = ""
    """The fault of every iteration up to the halt, where its number depends on the machine: a bot
    that crashes uses up its restarts in two or three iterations."""


def lost(first: int, fault: str) -> Row:
    """Three iterations without data, and the halt after them."""
    numbers = range(first, first + 3)
    return Row(dict.fromkeys(numbers, fault), first + 3, "too_many_lost: 3 iterations in a row")


HEALTHY = Row({})
TABLE: dict[str, Row] = {
    "": HEALTHY,
    "no_seq": HEALTHY,
    "flood": HEALTHY,
    "deaf": HEALTHY,
    "grandchild": HEALTHY,
    "slow": HEALTHY,
    "ignore:base_spread_bps": Row({}, delta="FAIL"),
    "round:base_spread_bps": Row({}, delta="FAIL"),
    "hang@2": lost(2, "hung (bot)"),
    "stop@2": lost(2, "stopped (bot)"),
    "half": lost(1, "half_written"),
    "stale": lost(2, "stale"),
    "wrong_seq": lost(1, "wrong_iteration"),
    "other_run": lost(1, "wrong_iteration"),
    "crash@2": Row({2: "dead (bot)"}),
    "crash": Row({}, text="dead (bot)|too_many_lost", until_halt="dead (bot)"),
    "not_ready": Row({}, 1, "not_ready"),
    "fifo": lost(1, "not_a_file"),
    "link": lost(1, "not_a_file"),
    "huge": lost(1, "too_large"),
}


@pytest.fixture
def folder(soak: Sessions) -> Iterator[Path]:
    shutil.copytree(EXAMPLE, soak.folder, dirs_exist_ok=True)
    (soak.folder / "short.yaml").write_text(PROFILE)
    yield soak.folder
    assert living(soak.folder) == []


def living(folder: Path) -> list[str]:
    """The processes that still have this folder in their environment."""
    left = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except psutil.Error:
            continue
        if environment.get("SOAK_DIR", "").startswith(str(folder)):
            left.append(f"{process.pid} {process.name()}")
    return left


def session(soak: Sessions, fault: str, *args: str) -> Result:
    options = (f"--soak-iterations={ITERATIONS}", "--soak-interval=0.5", "--soak-target=live")
    os.environ["FAULT"] = fault
    try:
        return soak("--soak-profile=./short.yaml", *options, *args, "-v", subprocess=True)
    finally:
        del os.environ["FAULT"]


ALWAYS = ("", "stale", "half", "crash@2", "not_ready", "deaf")
"""One of each kind; the others wait for minutes, and CI runs them with the kills."""
FAULTS = [
    pytest.param(fault, marks=() if fault in ALWAYS else (pytest.mark.kills,)) for fault in TABLE
]


@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_the_outcome_of_the_table(soak: Sessions, folder: Path, fault: str) -> None:
    row = TABLE[fault]
    result = session(soak, fault)
    entries = result.entries()
    observed = {e["iteration"]: e["report"] for e in entries if e["type"] == "observation"}
    faults = {k: report["fault"] for k, report in observed.items() if "fault" in report}
    halts = [e for e in entries if e["type"] == "halt"]
    if row.until_halt:
        assert 2 <= len(faults) <= 3, result.out
        lost_ones = dict.fromkeys(range(1, len(faults) + 1), row.until_halt)
        row = replace(row, faults=lost_ones, halted=len(faults) + 1)
    assert faults == row.faults, result.out
    log = result.text("run.log")
    logged = re.findall(r"^\| target \| FAULT \| lane=\S+ iter=(\d+) fault=(.+) \|$", log, re.M)
    assert {int(number): fault for number, fault in logged} == row.faults
    assert len(re.findall(r"^\| lane \| HALT \| lane=\S+ iter=\d+ kind=", log, re.M)) == len(halts)
    assert [halt["iteration"] for halt in halts] == ([row.halted] if row.halted else []), result.out
    if row.halted:
        text = halts[0]["text"].partition(" raised: LiveHalt: ")[2]
        assert text.startswith(tuple(row.text.split("|")))
        assert result.code == 1
    else:
        assert sorted(observed) == list(range(1, ITERATIONS + 1))
        snapshot = result.json("POST_SOAK_SNAPSHOT.json")
        verdicts = {item["name"]: item["verdict"] for item in snapshot["criteria"]}
        assert verdicts["delta_quality"] == row.delta, result.out
    logs = sum(path.stat().st_size for path in (folder / "artifacts").rglob("log/*"))
    assert logs <= 2 * 3 * 10_000_000
    assert not json.dumps(entries).count(str(folder))
