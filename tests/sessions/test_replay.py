"""Replay in a session: the parameters change, and journal and engine agree on what was used."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sessions.conftest import Sessions

pytest.importorskip("hftbacktest", reason="needs the extra 'replay'")

DATA = Path(__file__).parents[3] / "shared" / "data"
FILES = [("btcusd_perp_20240808_09.npz", 20), ("btcusdt_perp_20240808.npz", 11)]


@pytest.mark.parametrize(("name", "measured"), FILES)
def test_recorded_data(soak: Sessions, name: str, measured: int) -> None:
    if not (DATA / name).exists():
        pytest.skip(f"no recorded market data: {name} is not there")
    args = (
        "--soak-iterations=20", "--soak-interval=30", "--soak-target=replay",
        f"--soak-data={DATA / name}",
    )  # fmt: skip
    result = soak(*args, "-rs", subprocess=True)
    assert result.code == 1, result.out  # the shipped limits are for another market: it says so
    observations = [e for e in result.entries() if e["type"] == "observation"]
    assert len(observations) == measured
    values = result.entries()[0]["values"]
    used = []
    for entry in result.entries():
        if entry["type"] == "observation":
            assert entry["report"]["effective_params"] == pytest.approx(values)
            used.append(tuple(sorted(entry["report"]["effective_params"].items())))
        elif entry["type"] == "decision":
            values = entry["values"]
    assert len(set(used)) >= 3  # parameters really changed between iterations
    assert result.json("DELTA_VERIFY.json")["fail_count"] == 0
    criteria = {c["name"]: c for c in result.json("POST_SOAK_SNAPSHOT.json")["criteria"]}
    expected = "PASS" if measured == 20 else "INCONCLUSIVE"
    assert criteria["completeness"]["verdict"] == expected
    if measured < 20:
        assert "11 of 20" in criteria["completeness"]["reason"]
        assert result.outcomes["skipped"] == 9


def test_resumed_equals_never_stopped(soak: Sessions) -> None:
    name = FILES[1][0]
    if not (DATA / name).exists():
        pytest.skip(f"no recorded market data: {name} is not there")
    args = ("--soak-interval=30", "--soak-target=replay", f"--soak-data={DATA / name}")
    soak.pytester.makeconftest(
        "import os, signal\n"
        "def pytest_soak_iteration(lane, iteration):\n"
        "    if iteration.number == 4 and 'STOP' in os.environ:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STOP", "1")
        soak("--soak-iterations=8", *args, subprocess=True)
    resumed = soak("--soak-iterations=8", *args, "--soak-resume", subprocess=True)
    assert resumed.outcomes["deselected"] == 4
    whole = soak("--soak-iterations=8", *args, "--soak-dir=whole", subprocess=True)
    assert whole.code == resumed.code
    assert resumed.journal() == (soak.folder / "whole/latest/journal.jsonl").read_bytes()
