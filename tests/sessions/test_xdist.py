"""Lanes on xdist workers: whole, in order, the same bytes; a dead worker ends only its lane."""

from __future__ import annotations

import pytest

from tests.sessions.conftest import Sessions

pytest.importorskip("xdist")

LANES = ("--soak-profile=steady,S1", "--soak-seed=1,2", "--soak-interval=30")
IDS = ["steady-BTCUSDT-1", "steady-BTCUSDT-2", "S1-BTCUSDT-1", "S1-BTCUSDT-2"]


@pytest.mark.smoke
def test_journals_are_the_same_with_and_without(soak: Sessions) -> None:
    args = ("--soak-iterations=9", "--soak-mock", *LANES)
    plain = soak(*args)
    journals = {lane: plain.journal(lane) for lane in IDS}
    snapshot = plain.text("POST_SOAK_SNAPSHOT.json")
    spread = soak(*args, "-n", "2", subprocess=True)
    assert {lane: spread.journal(lane) for lane in IDS} == journals
    assert spread.text("POST_SOAK_SNAPSHOT.json") == snapshot
    assert spread.code == plain.code
    assert spread.outcomes == plain.outcomes
    assert len(set(journals.values())) == 4


@pytest.mark.parametrize("mode", ["load", "loadscope", "worksteal"])
def test_no_mode_splits_a_lane(soak: Sessions, mode: str) -> None:
    soak.bot()
    args = ("--soak-iterations=6", "--soak-target=bot:make", *LANES)
    result = soak(*args, "-n", "2", f"--dist={mode}", subprocess=True)
    assert result.code == 0, result.out
    for lane in IDS:
        numbers = [e["iteration"] for e in result.entries(lane) if e["type"] == "decision"]
        assert numbers == [1, 2, 3, 4, 5, 6]


def test_dist_each_is_refused(soak: Sessions) -> None:
    soak.bot()
    result = soak(
        "--soak-iterations=2",
        "--soak-target=bot:make",
        "--dist=each",
        "--tx=2*popen",
        subprocess=True,
    )
    assert result.code == 4
    assert "--dist=each" in result.err


@pytest.mark.parametrize("at", [1, 3, 6])
def test_a_killed_worker_ends_only_its_lane(soak: Sessions, at: int) -> None:
    soak.bot(
        killer="import os, signal\nfrom bot import Bot\n"
        "class K(Bot):\n"
        "  def run(self, i, r):\n"
        f"    if i == {at} and self.lane.id == 'steady-BTCUSDT-2':\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return super().run(i, r)\n"
        "def make(lane): return K(lane)\n"
    )
    args = ("--soak-iterations=6", "--soak-target=killer:make", *LANES)
    result = soak(*args, "-n", "2", "-rf", subprocess=True)
    assert result.code == 1
    assert "crashed while running" in result.out
    assert f"steady-BTCUSDT-2/{at:04d}" in result.out
    for lane in IDS:
        numbers = [e["iteration"] for e in result.entries(lane) if e["type"] == "decision"]
        expected = range(1, at) if lane == "steady-BTCUSDT-2" else range(1, 7)
        assert numbers == list(expected)
    lanes = {
        item["lane"]: item["verdict"] for item in result.json("POST_SOAK_SNAPSHOT.json")["lanes"]
    }
    assert lanes.pop("steady-BTCUSDT-2") == "FAIL"
    assert set(lanes.values()) == {"INCONCLUSIVE"}


def test_a_single_killed_worker_ends_the_session(soak: Sessions) -> None:
    soak.bot(
        killer="import os, signal\nfrom bot import Bot\n"
        "class K(Bot):\n"
        "  def run(self, i, r):\n"
        "    if i == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return super().run(i, r)\n"
        "def make(lane): return K(lane)\n"
    )
    args = ("--soak-iterations=4", "--soak-target=killer:make")
    result = soak(*args, "-n", "1", subprocess=True)
    assert result.code == 1
    assert "steady-BTCUSDT-1/0002" in result.out


def test_no_target_is_refused_before_a_worker_starts(soak: Sessions) -> None:
    result = soak("--soak-iterations=2", "-n", "2", subprocess=True)
    assert result.code == 4
    assert "pytest_soak_target" in result.err
