"""The gate as test reports: exit code, summary line, -rf and JUnit XML agree."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

from tests.sessions.conftest import CRITERIA, NOISE_UNKNOWN, TOO_SHORT, Sessions

GOOD = ("--soak-target=bot:make",)
POOR = ("--soak-target=bot:poor",)


def test_a_short_run_is_inconclusive_and_passes(soak: Sessions) -> None:
    soak.bot()
    result = soak("--soak-iterations=6", *GOOD)
    assert result.code == 0
    assert "gate: INCONCLUSIVE" in result.out
    assert (result.items, result.gate) == ({"passed": 6}, TOO_SHORT)


def test_strict_fails_what_is_inconclusive(soak: Sessions) -> None:
    soak.bot()
    result = soak("--soak-iterations=6", "--soak-strict", *GOOD)
    assert result.code == 1
    assert result.outcomes["failed"] == len(TOO_SHORT)
    assert result.gate == TOO_SHORT
    assert "gate: INCONCLUSIVE" in result.out


@pytest.mark.smoke
def test_a_good_bot_passes(soak: Sessions) -> None:
    soak.bot()
    result = soak("--soak-iterations=24", "--soak-no-tune", *GOOD)
    assert result.code == 0, result.out
    assert "gate: PASS" in result.out
    assert (result.items, result.gate) == ({"passed": 24}, {})
    assert result.json("POST_SOAK_SNAPSHOT.json")["verdict"] == "PASS"


@pytest.mark.parametrize("iterations", [6, 24])
def test_every_criterion_is_reported(soak: Sessions, iterations: int) -> None:
    """Also the drifts of a short run: as not tested, neither left out nor INCONCLUSIVE."""
    soak.bot()
    result = soak(f"--soak-iterations={iterations}", "--soak-no-tune", "-v", *GOOD)
    lines = re.findall(r"^soak::gate\[steady-BTCUSDT-1/(\S+)\] (\S+) ", result.out, re.MULTILINE)
    assert [name for name, _ in lines] == list(CRITERIA)
    short = iterations < 24
    untested = {name for name in CRITERIA if name.startswith("drift:") and short}
    assert {name for name, word in lines if word == "N/A"} == {"delta_quality", *untested}
    others = {word for name, word in lines if name not in TOO_SHORT and word != "N/A"}
    assert others == {"PASSED"}
    assert {dict(lines)[name] for name in TOO_SHORT} == {"INCONCLUSIVE" if short else "PASSED"}


def test_a_report_that_repeats_itself_is_stale(soak: Sessions) -> None:
    """The ninth equal report in a row is stale."""
    still = "from bot import Bot\nclass B(Bot):\n  def run(self, i, r): return super().run(%s, r)\n"
    make = "def make(lane): return B(lane)\n"
    soak.bot(still=still % "3" + make, moves=still % "3 if i < 9 else 4" + make)
    result = soak("--soak-iterations=9", "--soak-no-tune", "--soak-target=still:make")
    assert (result.code, result.items) == (0, {"passed": 9})
    assert result.gate == {**NOISE_UNKNOWN, "stale": "WARN"}
    assert "all KPIs are bitwise equal in 9 iterations in a row" in " ".join(result.out.split())
    result = soak("--soak-iterations=9", "--soak-no-tune", "--soak-target=moves:make")
    assert (result.items, result.gate) == ({"passed": 9}, NOISE_UNKNOWN)


@pytest.mark.smoke
def test_a_poor_bot_fails_the_same_way_everywhere(soak: Sessions) -> None:
    soak.bot()
    result = soak("--soak-iterations=24", "--junitxml=junit.xml", "-rf", "-v", *POOR)
    assert result.code == 1
    assert "gate: FAIL" in result.out
    name = "soak::gate[steady-BTCUSDT-1/net_bps]"
    assert any(line.startswith(f"FAILED {name}") for line in result.out.splitlines())
    suite = ElementTree.parse(soak.folder / "junit.xml").getroot()
    failures = {
        case.get("name"): failure
        for case in suite.iter("testcase")
        for failure in case.iter("failure")
    }
    text = failures["gate[steady-BTCUSDT-1/net_bps]"].get("message", "")
    assert "net_bps" in text
    assert "1.00" in text
    assert "2.7" in text
    assert result.outcomes["failed"] == len(failures)
    properties = [item.get("name") for item in suite.iter("property")]
    assert "soak_net_bps" in properties


def test_the_iterations_of_a_poor_bot_are_coloured_not_failed(soak: Sessions) -> None:
    soak.bot()
    result = soak("--soak-iterations=4", *POOR)
    assert "soak ffff" in result.out.replace("\n", " ")
    assert result.outcomes["passed"] >= 4


@pytest.mark.parametrize(
    "totals",
    [
        "{name: float('nan') for name in ('net_bps', 'p95_latency_ms')}",
        "{'net_bps': 'a lot', 'p95_latency_ms': 310.0}",
        "{}",
    ],
    ids=["NaN", "a string", "empty"],
)
def test_bad_values_leave_the_items_alone_and_fail_the_gate(soak: Sessions, totals: str) -> None:
    soak.pytester.makepyfile(
        bot=f"class B:\n  def run(self, i, r): return {{'totals': {totals}}}\n"
        "def make(lane): return B()"
    )
    result = soak("--soak-iterations=24", "-rf", *GOOD)
    assert result.code == 1
    assert "errors" not in result.outcomes
    assert result.outcomes["passed"] >= 24
    failed = [line for line in result.out.splitlines() if line.startswith("FAILED")]
    assert any("net_bps" in line and "no_data" in line for line in failed)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise RuntimeError('venue is down')", ("RuntimeError", "venue is down")),
        ("return None", ("None", "report")),
        ("return [1]", ("list", "report")),
        ("return {'totals': 3}", ("totals", "int")),
        ("return {}", ("totals", "None")),
        ("import threading; threading.Event().wait(60)", ("0.2 s",)),
    ],
    ids=["raises", "None", "list", "totals", "no totals", "late"],
)
def test_a_broken_target_is_an_error_and_halts(
    soak: Sessions, body: str, words: tuple[str, ...]
) -> None:
    soak.pytester.makepyfile(
        bot="class B:\n  def run(self, i, r):\n"
        "    if i < 3: return {'totals': {'net_bps': 3.0}}\n"
        f"    {body}\n"
        "def make(lane): return B()"
    )
    result = soak("--soak-iterations=5", "--soak-timeout=0.2", "-rfEs", *GOOD)
    assert result.code == 1
    assert result.outcomes["errors"] == 1
    assert result.outcomes["skipped"] == 2
    error = next(line for line in result.out.splitlines() if line.startswith("ERROR "))
    for word in words:
        assert word in result.out
    assert "0003" in error
    assert "completeness" in result.out
    halt = result.entries()[-1]
    assert (halt["type"], halt["iteration"]) == ("halt", 3)


def test_end_of_data_is_inconclusive(soak: Sessions) -> None:
    soak.pytester.makepyfile(
        bot="from pytest_soak import EndOfData\n"
        "class B:\n  def run(self, i, r):\n"
        "    if i > 3: raise EndOfData('12 s are left')\n"
        "    return {'totals': {'net_bps': 3.0}}\n"
        "def make(lane): return B()"
    )
    result = soak("--soak-iterations=5", "-rs", *GOOD)
    assert "12 s are left" in result.out
    assert result.outcomes["skipped"] == 2
    assert "errors" not in result.outcomes
    completeness = [
        item
        for item in result.json("POST_SOAK_SNAPSHOT.json")["criteria"]
        if item["name"] == "completeness"
    ]
    assert [item["verdict"] for item in completeness] == ["INCONCLUSIVE"]


def test_exit_first_still_judges(soak: Sessions) -> None:
    soak.bot(test_a="def test_a(soak_iteration): assert soak_iteration.number < 3")
    result = soak("--soak-iterations=24", "-x", *GOOD)
    assert result.code == 1
    assert result.outcomes["failed"] >= 2
    assert "3 of 24" in result.out
    assert result.json("POST_SOAK_SNAPSHOT.json")["verdict"] == "FAIL"


def test_collect_only_writes_nothing(soak: Sessions) -> None:
    soak.bot()
    result = soak("--soak-iterations=3", "--collect-only", "-q", *GOOD)
    assert result.code == 0
    assert "soak::iteration[steady-BTCUSDT-1/0003]" in result.out
    assert not (soak.folder / "artifacts").exists()


def test_hook_adds_a_criterion(soak: Sessions) -> None:
    soak.bot()
    soak.pytester.makeconftest(
        "from pytest_soak import criterion\n"
        "def pytest_soak_gate(lane, history):\n"
        "    return [criterion('own', 'FAIL', 'own: it is Friday', value=5, limit='<= 4')]\n"
    )
    result = soak("--soak-iterations=3", "-rf", *GOOD)
    assert result.code == 1
    assert "soak::gate[steady-BTCUSDT-1/own]" in result.out
    assert "it is Friday" in result.out


@pytest.mark.parametrize(
    ("answer", "words", "verdict"),
    [
        ("raise RuntimeError('lost')", "RuntimeError: lost", "INCONCLUSIVE"),
        ("return {'a': 1}", "a dict, not a list of criteria", "INCONCLUSIVE"),
        (
            "return [criterion('net_bps', 'PASS', 'mine')]",
            "under the name 'net_bps', which is taken by the gated KPI net_bps",
            "FAIL",
        ),
    ],
)
def test_a_faulty_gate_hook_does_not_stop_the_gate(
    soak: Sessions, answer: str, words: str, verdict: str
) -> None:
    soak.bot()
    soak.pytester.makeconftest(
        f"from pytest_soak import criterion\ndef pytest_soak_gate(lane, history):\n    {answer}\n"
    )
    result = soak("--soak-iterations=24", "--soak-no-tune", *GOOD)
    assert result.code == (1 if verdict == "FAIL" else 0)
    assert words in " ".join(result.out.split())
    assert " in pytest_soak_gate " in " ".join(result.out.split())
    criteria = {c["name"]: c for c in result.json("POST_SOAK_SNAPSHOT.json")["criteria"]}
    assert criteria["pytest_soak_gate"]["verdict"] == verdict
    assert criteria["net_bps"]["verdict"] == "PASS"


def test_a_proposer_that_fails_is_seen(soak: Sessions) -> None:
    soak.bot()
    soak.pytester.makeconftest(
        "def pytest_soak_propose(lane, kpis, headroom, history): raise ValueError('oops')"
    )
    result = soak("--soak-iterations=24", "-v", *GOOD)
    assert result.code == 0
    assert "THE PROPOSER FAILED" in result.out
    assert "the proposer failed in 24 iterations" in result.out
    assert "oops" in result.text("FAILURES.md")
    place = "lane=steady-BTCUSDT-1 iter=24 conftest.py:1 in pytest_soak_propose"
    assert f"| proposer | FAILED | {place} |" in result.text("run.log")


def test_why_iterations_do_not_count_is_on_the_screen(soak: Sessions) -> None:
    soak.bot(quiet="from bot import Bot\ndef make(lane): return Bot(lane, adverse_bps_p95=None)")
    result = soak("--soak-iterations=24", "--soak-target=quiet:make")
    assert result.code == 1
    assert "has no data: totals.adverse_bps_p95 is null (8)" in " ".join(result.out.split())
