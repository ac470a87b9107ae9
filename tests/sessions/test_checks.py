"""A user's own checks: once per iteration, on one observation, in order."""

from __future__ import annotations

import pytest

from tests.sessions.conftest import TOO_SHORT, Result, Sessions

CONFTEST = """
import pytest

class Bot:
    def __init__(self): self.count = 0
    def run(self, iteration, runtime):
        self.count += 1
        return {"totals": {"net_bps": 3.0 + runtime["risk"]["base_spread_bps"],
                           "p95_latency_ms": 300.0, "adverse_bps_p95": 2.0},
                "fills": {"maker_volume": 9.0, "taker_volume": 1.0},
                "block_reasons": {"risk": 1, "throttle": 2}, "count": self.count}

def pytest_soak_target(lane):
    return Bot()
"""
CHECKS = """
def test_edge(soak_iteration, soak_runtime):
    assert soak_iteration.kpis["net_bps"] == 3.0 + soak_runtime["base_spread_bps"]
    soak_iteration.record("edge", soak_iteration.number)

def test_count(soak_iteration, soak_lane, soak_target):
    assert soak_iteration.observation["count"] == soak_iteration.number == soak_target.count
    assert soak_lane.seed == 1

def test_of_no_interest():
    assert False
"""


def ran(result: Result) -> list[str]:
    return [
        line.split()[0].replace("test_a.py::", "")
        for line in result.out.splitlines()
        if line.startswith("test_a.py::") and "PASSED" in line
    ]


ORDER = [
    f"test_{check}[steady-BTCUSDT-1/{number:04d}]"
    for number in (1, 2, 3, 4)
    for check in ("edge", "count")
]


@pytest.fixture
def checks(soak: Sessions) -> Sessions:
    soak.pytester.makeconftest(CONFTEST)
    soak.pytester.makepyfile(test_a=CHECKS)
    return soak


@pytest.mark.parametrize("order", ["as it comes", "randomly", "reversed"])
def test_both_run_once_per_iteration_in_order(checks: Sessions, order: str) -> None:
    args: tuple[str, ...] = () if order == "as it comes" else ("-p", "no:randomly")
    if order == "randomly":
        pytest.importorskip("pytest_randomly")
        args = ("--randomly-seed=7",)
    if order == "reversed":
        checks.pytester.makepyfile(
            backwards="def pytest_collection_modifyitems(items): items.reverse()"
        )
        args = (*args, "-p", "backwards")
    result = checks("--soak-iterations=4", "-v", "--junitxml=j.xml", *args, subprocess=True)
    assert result.code == 0, result.out
    assert ran(result) == ORDER
    assert result.outcomes["deselected"] == 1
    observations = [item for item in result.entries() if item["type"] == "observation"]
    assert [item["report"]["count"] for item in observations] == [1, 2, 3, 4]
    recorded = [item["recorded"] for item in result.entries() if item["type"] == "checks"]
    assert recorded == [{"edge": 1}, {"edge": 2}, {"edge": 3}, {"edge": 4}]


def test_with_xdist(checks: Sessions) -> None:
    pytest.importorskip("xdist")
    result = checks("--soak-iterations=4", "-p", "xdist", "-n", "2", "-v", subprocess=True)
    assert result.code == 0, result.out
    assert result.outcomes["passed"] >= 8
    observations = [item for item in result.entries() if item["type"] == "observation"]
    assert [item["report"]["count"] for item in observations] == [1, 2, 3, 4]


def test_a_failing_check_marks_the_iteration_and_goes_on(soak: Sessions) -> None:
    soak.bot(test_a="def test_a(soak_iteration): assert soak_iteration.number != 2")
    result = soak("--soak-iterations=4", "--soak-target=bot:make")
    assert result.code == 1
    assert result.items == {"failed": 1, "passed": 3}
    assert result.gate == {**TOO_SHORT, "checks": "FAIL"}
    failed = [item for item in result.entries() if item["type"] == "checks"]
    assert [(item["iteration"], item["failed"]) for item in failed] == [(2, ["test_a.py::test_a"])]
    assert [item["iteration"] for item in result.entries() if item["type"] == "decision"] == [
        1,
        2,
        3,
        4,
    ]


def test_a_skipped_check_still_lets_the_iteration_happen(soak: Sessions) -> None:
    soak.bot(
        test_a="import pytest\n@pytest.mark.skip(reason='not today')\n"
        "def test_a(soak_iteration): pass\n"
    )
    result = soak("--soak-iterations=3", "--soak-target=bot:make")
    assert result.outcomes["skipped"] == 3
    assert [item["iteration"] for item in result.entries() if item["type"] == "decision"] == [
        1,
        2,
        3,
    ]


@pytest.mark.parametrize("name", ["net_bps", "2nd", "a-b"])
def test_record_refuses_a_name(soak: Sessions, name: str) -> None:
    soak.bot(test_a=f"def test_a(soak_iteration): soak_iteration.record({name!r}, 1.0)")
    result = soak("--soak-iterations=1", "--soak-target=bot:make")
    assert result.code == 1
    assert "ValueError: record" in result.out


def test_a_users_own_proposer_moves_a_parameter_within_the_guards(soak: Sessions) -> None:
    soak.bot()
    soak.pytester.makeconftest(
        "def pytest_soak_propose(lane, kpis, headroom, history):\n"
        "    assert kpis['net_bps'] > 3\n"
        "    assert len(history) < 50\n"
        "    if len(history) == 1: return {'tail_age_ms': 10.0, 'nonsense': 1.0}\n"
        "    if len(history) == 2: return {'tail_age_ms': float('nan')}\n"
        "    if len(history) == 3: raise RuntimeError('lost')\n"
        "    return {}\n"
    )
    result = soak("--soak-iterations=6", "--soak-target=bot:make", "-rf")
    assert result.code == 1  # the gate fails, because half of the proposals were refused
    assert "delta_quality" in result.out
    decisions = [item for item in result.entries() if item["type"] == "decision"]
    applied = [{o["key"]: o["outcome"] for o in item["outcomes"]} for item in decisions]
    assert applied[0] == {}
    assert applied[1] == {"nonsense": "SKIPPED", "tail_age_ms": "APPLIED"}
    assert applied[2] == {"tail_age_ms": "SKIPPED"}
    assert "lost" in decisions[3]["note"]
    assert result.json("runtime_overrides.json")["engine"]["tail_age_ms"] == 610


def test_the_iteration_hook_sees_what_was_decided(soak: Sessions) -> None:
    soak.bot()
    soak.pytester.makeconftest(
        "def pytest_soak_iteration(lane, iteration):\n"
        "    with open('seen.txt', 'a') as out:\n"
        "        print(lane.id, iteration.number, iteration.decision.verdict, file=out)\n"
    )
    result = soak("--soak-iterations=2", "--soak-target=bot:make")
    assert result.code == 0
    assert (soak.folder / "seen.txt").read_text().splitlines() == [
        "steady-BTCUSDT-1 1 PASS",
        "steady-BTCUSDT-1 2 PASS",
    ]


@pytest.mark.parametrize("args", [(), ("-p", "xdist", "-n", "2")], ids=["plain", "n2"])
def test_lines_that_begin_with_the_name_of_a_lane_fit_100_columns(
    soak: Sessions, args: tuple[str, ...]
) -> None:
    if args:
        pytest.importorskip("xdist")
    result = soak(
        "--soak-iterations=4", "--soak-mock", "--soak-seed=1,1001", "-v", *args, subprocess=True
    )
    lines = [line for line in result.out.splitlines() if line.startswith("  steady-BTCUSDT-1")]
    assert len(lines) == 8
    assert all("MAKER_BOOST" in line or "withheld" in line for line in lines)
    assert max(map(len, lines)) <= 100
