"""A sweep as a session: lanes, gate and files; plain, spread and resumed give the same bytes."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

from pytest_soak.report.snapshot import lanes_of
from tests.sessions.conftest import CRITERIA, TOO_SHORT, Result, Sessions

pytestmark = pytest.mark.exhaustive

MOCK = ("--soak-iterations=4", "--soak-mock", "--soak-interval=30")
SPEC = "--soak-sweep=base_spread_bps=0.3:0.7:0.2"
IDS = [
    f"steady-BTCUSDT-{seed}-base_spread_bps_{value}"
    for value in ("0.3", "0.5", "0.7")
    for seed in (1, 2)
]
FILES = ("SWEEP.md", "SWEEP.csv", "SWEEP.svg")


def files(result: Result) -> dict[str, str]:
    """The files that must be the same for every kind of session."""
    return {
        **{name: result.text(name) for name in FILES},
        **{lane: result.journal(lane).decode() for lane in IDS},
    }


def test_lanes_start_at_their_points_with_the_tuner_off(soak: Sessions) -> None:
    result = soak(*MOCK, SPEC, "--soak-seed=1,2")
    assert result.code == 0, result.out
    assert [lane["id"] for lane in result.json("run.json")["lanes"]] == IDS
    assert result.json("run.json")["sweep"] == ["base_spread_bps=0.3:0.7:0.2"]
    start = result.entries(IDS[0])[0]
    assert start["values"]["base_spread_bps"] == 0.3
    assert start["lane"]["sweep"] == [{"key": "base_spread_bps", "replaces": 0.5, "value": 0.3}]
    assert start["tune"] is False
    applied = result.json("applied_profile.json", IDS[0])
    assert applied["origins"]["base_spread_bps"] == "--soak-sweep"
    assert applied["origins"]["tail_age_ms"] != "--soak-sweep"
    assert result.json("runtime_overrides.json", IDS[0])["risk"]["base_spread_bps"] == 0.3
    rows = list(csv.DictReader(result.text("SWEEP.csv").splitlines()))
    assert [row["base_spread_bps"] for row in rows] == ["0.3", "0.5", "0.7"]
    assert [row["is_reference"] for row in rows] == ["0", "1", "0"]
    net = [float(row["net_bps_mean"]) for row in rows]
    assert net == sorted(net)  # a wider quote earns more per fill
    assert "sweep, tuner off" in result.out
    assert "best window: " in result.out
    assert max(map(len, result.out.partition("= soak =")[2].splitlines()[1:-1])) <= 100


def test_plain_spread_and_resumed_are_the_same_bytes(soak: Sessions) -> None:
    pytest.importorskip("xdist")
    args = (*MOCK, SPEC, "--soak-seed=1,2")
    plain = files(soak(*args))
    assert files(soak(*args, "-n", "2", subprocess=True)) == plain
    soak.pytester.makeconftest(
        "import pytest\n"
        "def pytest_soak_iteration(lane, iteration):\n"
        "    if lane.id == 'steady-BTCUSDT-2-base_spread_bps_0.5' and iteration.number == 3:\n"
        "        raise KeyboardInterrupt\n"
    )
    cut = soak(*args, subprocess=True)
    assert cut.code == 2
    soak.pytester.makeconftest("")
    assert files(cut) != plain
    assert files(soak(*args, "--soak-resume")) == plain


def test_a_lane_without_a_sweep_says_nothing_of_one(soak: Sessions) -> None:
    result = soak(*MOCK)
    assert "sweep" not in result.entries()[0]["lane"]
    assert "sweep" not in result.json("run.json")
    assert not (result.latest / "SWEEP.md").exists()


def test_a_point_is_the_lane_that_begins_there(
    soak: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept = soak(*MOCK, "--soak-sweep=base_spread_bps=0.7").entries()
    monkeypatch.setenv("MM_RUNTIME_OVERRIDES_JSON", '{"base_spread_bps": 0.7}')
    plain = soak(*MOCK, "--soak-no-tune").entries()
    swept[0].pop("check"), plain[0].pop("check")
    lane = swept[0].pop("lane"), plain[0].pop("lane")
    assert lane[0]["id"] != lane[1]["id"]
    assert swept == plain


def test_what_the_sweep_replaces_is_the_start_in_force(
    soak: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MM_RUNTIME_OVERRIDES_JSON", '{"base_spread_bps": 0.8}')
    result = soak(*MOCK, "--soak-sweep=base_spread_bps=0.4,0.8")
    assert "Differences from the start value 0.8" in result.text("SWEEP.md")


def test_the_option_may_be_repeated_or_hold_both(soak: Sessions) -> None:
    result = soak(
        *MOCK, "--soak-sweep=base_spread_bps=0.4,0.6", "--soak-sweep=tail_age_ms=500:600:100"
    )
    lanes = [lane["id"] for lane in result.json("run.json")["lanes"]]
    assert lanes[1] == "steady-BTCUSDT-1-base_spread_bps_0.4-tail_age_ms_600"
    picture = result.text("SWEEP.svg")
    again = soak(*MOCK, "--soak-sweep=base_spread_bps=0.4,0.6; tail_age_ms=500,600")
    assert [lane["id"] for lane in again.json("run.json")["lanes"]] == lanes
    assert again.text("SWEEP.svg") == picture


def test_the_gate_reports_what_binds(soak: Sessions) -> None:
    soak.bot()
    args = ("--soak-iterations=3", "--soak-target=bot:poor", SPEC)
    result = soak(*args, "-v", "-rA")
    assert result.code == 0, result.out
    assert result.items == {"passed": 3 * 3}
    reported = Counter(re.findall(r"^(?:PASSED|N/A) soak::gate\[.*/(.+)\]$", result.out, re.M))
    assert reported == {"delta_quality": 3, "checks": 3, "completeness": 3}
    assert "/net_bps]" not in result.out
    assert "not: net" in result.out
    assert "best window: none" in result.out
    snapshot = result.json("POST_SOAK_SNAPSHOT.json")
    assert snapshot["verdict"] == "PASS"
    kpi = next(item for item in lanes_of(snapshot)[0]["criteria"] if item["name"] == "net_bps")
    assert (kpi["verdict"], kpi["binding"]) == ("FAIL", False)
    strict = soak(*args, "--soak-strict")
    assert strict.code == 1
    failing = {"net_bps": "FAIL", "pass_count_last8": "FAIL"}
    for lane in strict.json("POST_SOAK_SNAPSHOT.json")["lanes"]:
        assert {item["name"] for item in lane["criteria"]} == set(CRITERIA)
        assert all(item.get("binding", True) for item in lane["criteria"])
        verdicts = {item["name"]: item["verdict"] for item in lane["criteria"]}
        assert {name: word for name, word in verdicts.items() if word != "PASS"} == {
            **TOO_SHORT,
            **failing,
        }
    assert strict.outcomes["failed"] == 3 * len(TOO_SHORT)


def test_a_target_that_breaks_at_one_point_fails_the_session(soak: Sessions) -> None:
    soak.bot(
        breaker="from bot import Bot\n"
        "class B(Bot):\n"
        "  def run(self, i, r):\n"
        "    if i == 3 and self.lane.sweep[0].value == 0.5: raise OSError('gone')\n"
        "    return super().run(i, r)\n"
        "def make(lane): return B(lane)\n"
    )
    result = soak("--soak-iterations=3", "--soak-target=breaker:make", "--soak-mock=", SPEC)
    assert result.code == 4  # a switch takes no value
    result = soak("--soak-iterations=3", "--soak-target=breaker:make", SPEC)
    assert result.code == 1
    assert "incomplete" in result.out
    assert "- 0.5: 2 of 3 iterations measured" in result.text("SWEEP.md")
    assert "sweep: 2 of 3 lanes PASS" in result.out


def test_the_tuner_can_be_left_on(soak: Sessions) -> None:
    result = soak(*MOCK, SPEC, "--soak-sweep-tune")
    assert result.entries(IDS[0])[0]["tune"] is True
    assert "tuner on" in result.text("SWEEP.md")


def test_a_check_sees_the_point(soak: Sessions) -> None:
    soak.pytester.makepyfile(
        test_a="def test_a(soak_iteration, soak_lane, soak_runtime):\n"
        "    (swept,) = soak_lane.sweep\n"
        "    assert (swept.key, swept.replaces) == ('base_spread_bps', 0.5)\n"
        "    assert soak_runtime[swept.key] == swept.value\n"
    )
    pytest.importorskip("xdist")
    result = soak(*MOCK, SPEC, "-n", "2", subprocess=True)  # a worker gets plain data
    assert result.code == 0, result.out


def test_another_sweep_is_not_resumed(soak: Sessions) -> None:
    soak(*MOCK, SPEC)
    for other in ((), ("--soak-sweep=base_spread_bps=0.3,0.5",)):
        result = soak(*MOCK, *other, "--soak-resume")
        assert result.code == 4
        assert "sweep" in result.err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--soak-sweep=base_spread=0.3,0.5",), ("base_spread", "'base_spread_bps'")),
        (("--soak-sweep=base_spread_bps=0.3:9:0.1",), ("outside", "0.05 to 5")),
        (("--soak-sweep=base_spread_bps=0.5:0.3:0.1",), ("runs down",)),
        (("--soak-sweep=base_spread_bps",), ("KEY=FROM:TO:STEP",)),
        (("--soak-sweep=",), ("empty",)),
        (("--soak-sweep=base_spread_bps=0.3;",), ("empty",)),
        (("--soak-sweep=base_spread_bps=0.1:5:0.01", "--soak-seed=1,2,3"), ("1,473", "1,000")),
        (("--soak-sweep-tune",), ("--soak-sweep",)),
        ((SPEC, "--soak-sweep-tune", "--soak-no-tune"), ("both",)),
    ],
)
def test_bad_sweeps_are_refused(
    soak: Sessions, args: tuple[str, ...], words: tuple[str, ...]
) -> None:
    result = soak(*MOCK, *args)
    assert result.code == 4, result.out + result.err
    lines = [line for line in result.err.splitlines() if line.startswith("ERROR: ")]
    assert len(lines) == 1
    for word in words:
        assert word in lines[0]
    assert not Path("artifacts/soak/latest").exists()


def test_a_sweep_alone_starts_no_soak(soak: Sessions) -> None:
    soak.pytester.makepyfile(test_a="def test_a(): pass")
    result = soak(SPEC)
    assert result.outcomes == {"passed": 1}
    assert "soak: off" in result.out


def test_the_offline_gate_says_the_same(soak: Sessions, capsys: pytest.CaptureFixture[str]) -> None:
    from pytest_soak.cli import main

    soak.bot()
    result = soak("--soak-iterations=3", "--soak-target=bot:poor", SPEC)
    capsys.readouterr()
    assert main(["gate", str(result.latest)]) == 0
    assert "gate: PASS" in capsys.readouterr().out
    assert main(["gate", "--strict", str(result.latest)]) == 1


def test_listing_makes_no_run(soak: Sessions) -> None:
    result = soak(*MOCK, SPEC, "--collect-only", "-q")
    assert result.code == 0
    assert "soak::iteration[steady-BTCUSDT-1-base_spread_bps_0.7/0004]" in result.out
    assert not Path("artifacts").exists()
