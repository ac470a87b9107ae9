"""The original of a killed session is put back by the next run, if the file is as delivered."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.live.plan import LivePlan, plan_live
from pytest_soak.live.put_back import put_back
from pytest_soak.live.target import LiveTarget
from pytest_soak.profile.resolve import resolve
from pytest_soak.protocol import Lane
from pytest_soak.store.sources import read_source
from tests.unit.live.scripted import Bench

ORIGINAL = '{"mine": 1}\n'


def plan(folder: Path, run: str) -> LivePlan:
    lane = Lane("l", "steady", "B", 1, 10.0, 3, dir=folder / run / "target")
    section = {
        "parameters": {"file": str(folder / "bot.json"), "on_end": "restore"},
        "report": {"file": "{dir}/report.json"},
    }
    profile = resolve("steady", read_source).profile
    return plan_live(lane, section, profile, root=folder, run_id=run, environment={})


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A folder whose session delivered and was killed: the file is tuned, the lock is free."""
    (tmp_path / "latest").mkdir()
    (tmp_path / "bot.json").write_text(ORIGINAL)
    target = LiveTarget(plan(tmp_path, "latest"))
    target.start(Bench(tmp_path / "other").runtime)
    state = json.loads((tmp_path / "latest" / "bridge_state.json").read_text())
    tuned = (tmp_path / "bot.json").read_text()
    target.stop()
    (tmp_path / "bot.json").write_text(tuned)
    (tmp_path / "latest" / "bridge_state.json").write_text(json.dumps(state))
    return tmp_path


def test_a_session_that_ends_leaves_nothing_to_put_back(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    (tmp_path / "bot.json").write_text(ORIGINAL)
    target = LiveTarget(plan(tmp_path, "latest"))
    target.start(Bench(tmp_path / "other").runtime)
    assert (tmp_path / "bot.json").read_text() != ORIGINAL
    target.stop()
    assert (tmp_path / "bot.json").read_text() == ORIGINAL
    assert put_back(tmp_path / "latest", [plan(tmp_path, "new")]) == []


def test_the_original_of_a_killed_session_comes_back(killed: Path) -> None:
    lines = put_back(killed / "latest", [plan(killed, "new")])
    assert lines == [f"{killed}/bot.json: the original of a killed session was put back"]
    assert (killed / "bot.json").read_text() == ORIGINAL


def test_a_file_that_was_changed_since_is_the_users(killed: Path) -> None:
    document: dict[str, Any] = json.loads((killed / "bot.json").read_text())
    document["risk"]["base_spread_bps"] = 0.75
    (killed / "bot.json").write_text(json.dumps(document))
    (line,) = put_back(killed / "latest", [plan(killed, "new")])
    assert "was changed after a session was killed; its original is kept in" in line
    assert json.loads((killed / "bot.json").read_text()) == document


def test_another_destination_is_left_alone(killed: Path) -> None:
    other = plan(killed, "new")
    writer: Any = other.writer
    writer.place = "/elsewhere"
    assert put_back(killed / "latest", [replace(other, writer=writer)]) == []
    assert (killed / "bot.json").read_text() != ORIGINAL
