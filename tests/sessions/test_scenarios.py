"""Scenarios in real sessions: scheduled, fired, judged, with the same bytes in every mode."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from pytest_soak.cli import main
from tests.sessions.conftest import Sessions
from tests.sessions.test_resume import stopped

pytestmark = pytest.mark.exhaustive

MOCK = ("--soak-mock", "--soak-interval=60")
NAMES = [
    "flash_crash",
    "volatility_spike",
    "liquidity_gap",
    "latency_spike",
    "disconnect",
    "throttle",
    "stale_feed",
    "fat_finger",
]
ALL = ",".join(f"{name}@{3 + number}" for number, name in enumerate(NAMES))
SHORT = "extends: steady\nscenarios:\n" + "".join(
    f"  {name}: {{for_s: {5 if name == 'fat_finger' else 20}}}\n" for name in NAMES
)


def test_every_one_fires_and_the_gate_says_so(soak: Sessions) -> None:
    Path("short.yaml").write_text(SHORT)
    result = soak(
        "--soak-iterations=14", *MOCK, "--soak-profile=short.yaml", f"--soak-scenario={ALL}", "-v"
    )
    assert "scenarios of short-BTCUSDT-1: flash_crash@3, volatility_spike@4" in result.out
    fired = {
        entry["iteration"]: [scenario["name"] for scenario in entry["report"]["scenarios"]]
        for entry in result.entries()
        if entry["type"] == "observation" and "scenarios" in entry["report"]
    }
    assert fired == {3 + number: [name] for number, name in enumerate(NAMES)}
    snapshot = result.json("POST_SOAK_SNAPSHOT.json")
    criteria = {criterion["name"]: criterion for criterion in snapshot["criteria"]}
    for name in NAMES:
        assert criteria[f"scenario:{name}"]["verdict"] == "PASS"
        assert f"scenario {name}" in result.out
        assert f"/scenario:{name}] PASSED" in result.out
        assert f"recovers_within:{name}" in criteria
    audit = result.text("POST_SOAK_AUDIT.md")
    assert audit.count("Fired in iteration") == 8
    assert audit.count("\nRecovery: iteration") == 8
    assert audit.count("| mean of |") == 8


def test_what_the_session_says_the_command_says(
    soak: Sessions, capsys: pytest.CaptureFixture[str]
) -> None:
    result = soak("--soak-iterations=12", *MOCK, "--soak-scenario=disconnect@10")
    assert "left out: iteration 10 (disconnect)" in result.text("POST_SOAK_AUDIT.md")
    capsys.readouterr()
    main(["gate", str(result.latest), "--json"])
    offline = json.loads(capsys.readouterr().out)["lanes"][0]["criteria"]
    stored = result.json("POST_SOAK_SNAPSHOT.json")["criteria"]
    for criterion, other in zip(stored, offline, strict=True):
        assert criterion == {name: other[name] for name in criterion}
    main(["audit", str(result.latest)])
    assert capsys.readouterr().out == result.text("POST_SOAK_AUDIT.md")


def test_excluded_or_judged_is_the_profiles_choice(soak: Sessions) -> None:
    Path("judged.yaml").write_text(
        "extends: steady\nscenarios:\n  latency_spike: {gate: judge, strength: 30, for_s: 55}\n"
    )
    args = ("--soak-iterations=12", *MOCK, "--soak-scenario=latency_spike@10")
    excluded = soak(*args, "--soak-dir=excluded")
    counted = soak(*args, "--soak-profile=judged.yaml")
    assert excluded.code == 0, excluded.out
    assert counted.code == 1
    assert "p95_latency_ms" in counted.out.splitlines()[-1] or "FAIL p95_latency_ms" in counted.out


def test_the_default_place_and_the_profiles_own(soak: Sessions) -> None:
    Path("mine.yaml").write_text("extends: steady\nscenarios:\n  disconnect: {at: [2, 4]}\n")
    result = soak(
        "--soak-iterations=8", *MOCK, "--soak-profile=mine.yaml", "--soak-scenario=fat_finger"
    )
    start = result.entries()[0]
    assert [(planned["name"], planned["at"]) for planned in start["scenarios"]] == [
        ("disconnect", 2),
        ("disconnect", 4),
        ("fat_finger", 5),
    ]
    assert "scenarios" not in start["profile"]


def test_from_the_ini(soak: Sessions) -> None:
    soak.pytester.makeini("[pytest]\nsoak_scenario = disconnect@2")
    assert "disconnect@2" in soak("--soak-iterations=3", *MOCK).out
    assert "throttle@1" in soak("--soak-iterations=3", *MOCK, "--soak-scenario=throttle@1").out


def test_a_lane_without_any_knows_nothing_of_them(soak: Sessions) -> None:
    result = soak("--soak-iterations=3", *MOCK)
    assert b"scenario" not in result.journal()
    assert "scenario" not in result.out
    assert "scenario" not in result.text("POST_SOAK_SNAPSHOT.json")


def test_the_same_bytes_plain_and_over_workers(soak: Sessions) -> None:
    pytest.importorskip("xdist")
    args = (
        "--soak-iterations=9",
        *MOCK,
        "--soak-seed=1,2",
        "--soak-scenario=stale_feed@3,flash_crash@5,disconnect",
    )
    plain = soak(*args)
    lanes = ("steady-BTCUSDT-1", "steady-BTCUSDT-2")
    journals = [plain.journal(lane) for lane in lanes]
    assert len({json.dumps(plain.entries(lane)[0]["scenarios"]) for lane in lanes}) == 2
    spread = soak(*args, "-n", "2", subprocess=True)
    assert [spread.journal(lane) for lane in lanes] == journals
    assert (spread.code, spread.outcomes) == (plain.code, plain.outcomes)


def test_the_same_bytes_when_killed_within_one_and_resumed(soak: Sessions) -> None:
    """The session is killed in iteration 4; feed and crash continue in the next iterations."""
    Path("mine.yaml").write_text(
        "extends: steady\nscenarios:\n"
        "  stale_feed: {at: 4, after_s: 50, for_s: 30}\n"
        "  flash_crash: {at: 3, after_s: 55}\n"
        "  disconnect: {at: 4, after_s: 55, for_s: 10}\n"
    )
    args = ("--soak-iterations=10", *MOCK, "--soak-profile=mine.yaml")
    whole = soak(*args, "--soak-dir=whole")
    done = stopped(soak, signal.SIGKILL, *args)
    assert done.returncode == -signal.SIGKILL, done.stdout
    resumed = soak(*args, "--soak-resume")
    assert resumed.journal() == (soak.folder / "whole/latest/journal.jsonl").read_bytes()
    assert resumed.code == whole.code


def test_a_longer_plan_leaves_them_where_they_are(soak: Sessions) -> None:
    args = (*MOCK, "--soak-scenario=throttle")
    assert soak("--soak-iterations=4", *args).entries()[0]["scenarios"][0]["at"] == 3
    result = soak("--soak-iterations=8", *args, "--soak-resume")
    assert result.entries()[0]["scenarios"][0]["at"] == 3
    assert [e["iteration"] for e in result.entries() if e["type"] == "decision"] == [*range(1, 9)]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), ("scenarios are not", "throttle@5", "now none")),
        (("--soak-scenario=throttle@6",), ("throttle@5", "throttle@6")),
        (("--soak-scenario=throttle", "--soak-iterations=4"), ("throttle@5", "beyond")),
    ],
)
def test_another_schedule_is_not_resumed(
    soak: Sessions, args: tuple[str, ...], words: tuple[str, ...]
) -> None:
    soak("--soak-iterations=8", *MOCK, "--soak-scenario=throttle")
    result = soak("--soak-iterations=8", *MOCK, "--soak-resume", *args)
    assert result.code == 4, result.out
    for word in words:
        assert word in result.err


SILENT = """
from bot import Bot

class Silent(Bot):
    def scenarios(self, schedule):
        self.schedule = schedule

class Loud(Silent):
    def run(self, iteration, runtime):
        report = super().run(iteration, runtime)
        report["scenarios"] = [
            {"name": item.name, "started_s": item.after_s, "ended_s": item.after_s + item.for_s}
            for item in self.schedule if item.at == iteration
        ]
        return report

def silent(lane): return Silent(lane)
def loud(lane): return Loud(lane)
"""


def test_one_that_did_not_fire_is_an_error(soak: Sessions) -> None:
    soak.bot(own=SILENT)
    args = ("--soak-iterations=9", "--soak-scenario=throttle@2")
    result = soak(*args, "--soak-target=own:silent")
    assert result.code == 1
    assert "scenario:throttle" in result.out
    assert "no report shows that it fired in iteration 2" in result.out
    result = soak(*args, "--soak-target=own:loud")
    assert result.code == 0, result.out


def test_one_that_finds_nothing_to_disturb_is_an_error(soak: Sessions) -> None:
    Path("mine.yaml").write_text(
        "extends: steady\nreplace_rate_per_min: 10\nscenarios:\n"
        "  disconnect: {at: 1, after_s: 33, for_s: 0.5}\n"
    )
    result = soak("--soak-iterations=3", *MOCK, "--soak-profile=mine.yaml", "--soak-no-tune")
    assert result.code == 1
    assert "scenario:disconnect: fired 0 of 1 times" in result.out


def test_a_target_that_knows_none_is_refused(soak: Sessions) -> None:
    soak.bot()
    result = soak("--soak-iterations=3", "--soak-target=bot:make", "--soak-scenario=throttle")
    assert result.code == 1
    assert "Bot has no method scenarios(schedule), so it cannot make throttle" in result.out
    assert result.outcomes["skipped"] == 2
    assert [entry["type"] for entry in result.entries()] == ["start", "halt"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--soak-scenario=flash_crush",), ("--soak-scenario", "did you mean 'flash_crash'")),
        (("--soak-scenario=flash_crash@7",), ("flash_crash", "iteration 7", "1 to 6")),
        (("--soak-scenario=flash_crash@0",), ("iteration 0",)),
        (("--soak-scenario=flash_crash@x",), ("--soak-scenario", "NAME@ITERATION")),
        (("--soak-scenario=",), ("--soak-scenario", "without a value")),
        (("--soak-scenario=throttle,throttle",), ("twice",)),
        (("--soak-scenario=throttle@4,throttle",), ("throttle", "twice in iteration 4")),
        (("--soak-profile=late.yaml",), ("late", "throttle", "iteration 99")),
        (("--soak-profile=rain.yaml",), ("no scenario 'rain'",)),
        (("--soak-profile=strong.yaml",), ("disconnect", "strength is 2", "at most 1")),
        (("--soak-profile=odd.yaml",), ("odd.yaml", "throttle.for_s", "'soon'")),
        (("--collect-only", "--soak-scenario=flash_crash@7"), ("iteration 7",)),
    ],
)
def test_bad_input(soak: Sessions, args: tuple[str, ...], words: tuple[str, ...]) -> None:
    for name, text in (
        ("late", "throttle: {at: 99}"),
        ("rain", "rain: {at: 2, for_s: 5, strength: 2, unit: mm, gate: judge}"),
        ("strong", "disconnect: {at: 2, strength: 2}"),
        ("odd", "throttle: {for_s: soon}"),
    ):
        Path(f"{name}.yaml").write_text(f"extends: steady\nscenarios: {{{text}}}\n")
    result = soak("--soak-iterations=6", *MOCK, *args)
    assert result.code == 4, result.out
    for word in words:
        assert word in result.err
    assert not (soak.folder / "artifacts").exists()


def test_replay_has_none(soak: Sessions) -> None:
    pytest.importorskip("hftbacktest")
    data = Path(__file__).parents[2].parent / "shared" / "data"
    samples = sorted(data.glob("*.npz")) if data.is_dir() else []
    if not samples:
        pytest.skip("the recorded samples are not here")
    result = soak(
        "--soak-iterations=2",
        "--soak-interval=30",
        "--soak-target=replay",
        f"--soak-data={samples[0]}",
        "--soak-scenario=throttle",
    )
    assert result.code == 4
    assert "--soak-target=replay" in result.err
    assert "no method scenarios(schedule)" in result.err


def test_it_is_inert_without_a_soak(soak: Sessions) -> None:
    soak.pytester.makepyfile("def test_a(): pass")
    result = soak("--soak-scenario=flash_crash")
    assert result.code == 0
    assert "soak: off" in result.out
