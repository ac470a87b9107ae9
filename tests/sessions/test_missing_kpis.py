"""A KPI that is read and has not come is named once, at the first measured iteration."""

from __future__ import annotations

import pytest

from pytest_soak.session.output import MOST_NOTES
from tests.sessions.conftest import Result, Sessions
from tests.sessions.test_terminal import OnTerminal, waiting

__all__ = ["waiting"]

PROFILE = """
parameters:
  workers: {path: service, type: int, start: 8, min: 1, max: 64}
kpis: {p95_ms: totals.p95_ms, cpu: totals.cpu, unread: totals.unread, cart_loss: {derive: recorded}}
rules:
  GROW: {when: {p95_ms: "> 400", cpu: "< 0.8"}, evidence: {over: 3}, moves: {workers: {mul: 1.2}}}
gate:
  criteria: {p95_ms: "<= 500", cpu: "<= 0.9", cart_loss: "<= 0.1"}
"""
TARGET = """
class Service:
    def __init__(self, lane):
        self.lane = lane

    def run(self, iteration, runtime):
        if iteration <= FAULTS:
            return {"totals": {}, "fault": "it starts up"}
        return {"totals": {"p95": 100.0 + iteration, "cpu": 0.5}}

    def restore(self, state):
        pass

def make(lane):
    return Service(lane)
"""
WITH = ("--soak-target=service:make", "--soak-profile=./shop.yaml")
NOTE = [
    "soak: no data for 2 KPIs that are read, in iteration 1:",
    "  p95_ms                no field p95_ms (did you mean 'p95'?); totals has cpu, p95 "
    "(read by verdict,",
    "                        rule GROW, gate)",
    "  cart_loss             no check recorded it (read by verdict, gate)",
]


def shop(soak: Sessions, *, faults: int = 0) -> Sessions:
    soak.pytester.makepyfile(service=TARGET.replace("FAULTS", str(faults)))
    soak.pytester.path.joinpath("shop.yaml").write_text(PROFILE)
    return soak


def note_of(result: Result) -> list[str]:
    """The lines of the terminal from the note on, as many as it has."""
    lines = result.out.splitlines()
    first = next(
        (n for n, line in enumerate(lines) if line.startswith("soak: no data")), len(lines)
    )
    return lines[first : first + len(NOTE)]


def log_of(result: Result) -> list[str]:
    return [line for line in result.text("run.log").splitlines() if "| NO_DATA |" in line]


def needs_xdist_for(arguments: tuple[str, ...]) -> None:
    if "-n" in arguments:
        pytest.importorskip("xdist")


@pytest.mark.parametrize("args", [(), ("-q",), ("-qq",), ("-v",), ("-n", "2")], ids=" ".join)
def test_it_is_named_once(soak: Sessions, args: tuple[str, ...]) -> None:
    needs_xdist_for(args)
    result = shop(soak)("--soak-iterations=3", *WITH, *args)
    assert note_of(result) == NOTE
    assert result.out.count("no data for 2 KPIs") == 1
    assert log_of(result) == [
        "| target | NO_DATA | lane=shop-1 iter=1 kpi=p95_ms readers=verdict,rule_GROW,gate "
        "reason=no field p95_ms (did you mean 'p95'?); totals has cpu, p95 |",
        "| target | NO_DATA | lane=shop-1 iter=1 kpi=cart_loss readers=verdict,gate "
        "reason=no check recorded it |",
    ]
    audit = result.text("POST_SOAK_AUDIT.md")
    assert "KPIs without data in the first measured iteration:" in audit
    assert "- cart_loss (read by verdict, gate): no check recorded it, in iteration 1; no " in audit


def test_a_kpi_that_a_check_records_is_there(soak: Sessions) -> None:
    shop(soak).pytester.makepyfile(
        test_cart="def test_cart(soak_iteration):\n    soak_iteration.record('cart_loss', 0.0)\n"
    )
    result = soak("--soak-iterations=2", *WITH)
    assert "soak: no data for 1 KPI that is read, in iteration 1:" in result.out.splitlines()
    assert "cart_loss  " not in "\n".join(note_of(result)[:3])


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=" ".join)
def test_every_lane_has_its_note(soak: Sessions, workers: tuple[str, ...]) -> None:
    needs_xdist_for(workers)
    result = shop(soak)("--soak-iterations=2", "--soak-seed=1,2", *workers, *WITH)
    for seed in (1, 2):
        line = f"soak: no data for 2 KPIs that are read, in iteration 1 of shop-{seed}:"
        assert result.out.splitlines().count(line) == 1


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=" ".join)
def test_many_lanes_do_not_flood_the_terminal(soak: Sessions, workers: tuple[str, ...]) -> None:
    needs_xdist_for(workers)
    lanes = MOST_NOTES + 4
    seeds = ",".join(map(str, range(lanes)))
    result = shop(soak)("--soak-iterations=2", f"--soak-seed={seeds}", *workers, *WITH)
    assert result.out.count("soak: no data for 2 KPIs that are read") == MOST_NOTES
    more = "soak: more lanes have KPIs without data; POST_SOAK_AUDIT.md lists them"
    assert result.out.splitlines().count(more) == 1
    audit = result.text("POST_SOAK_AUDIT.md")
    assert audit.count("KPIs without data in the first measured iteration:") == lanes


def test_an_iteration_with_a_fault_is_not_measured(soak: Sessions) -> None:
    result = shop(soak, faults=2)("--soak-iterations=4", *WITH)
    assert note_of(result)[0] == "soak: no data for 2 KPIs that are read, in iteration 3:"
    assert {line.split("iter=")[1].split(" ")[0] for line in log_of(result)} == {"3"}


def test_a_resumed_session_does_not_repeat_it(soak: Sessions) -> None:
    first = shop(soak)("--soak-iterations=2", *WITH)
    assert note_of(first) == NOTE
    resumed = soak("--soak-iterations=4", "--soak-resume", *WITH)
    assert resumed.done_before == 2
    assert "no data for" not in resumed.out.split("= FAILURES", maxsplit=1)[0]
    assert len(log_of(resumed)) == 2


def test_a_run_with_all_data_has_none(soak: Sessions) -> None:
    soak.bot()
    result = soak("--soak-iterations=2", "--soak-target=bot:make")
    assert "soak: no data" not in result.out
    assert log_of(result) == []
    assert "KPIs without data" not in result.text("POST_SOAK_AUDIT.md")


def test_the_note_stays_above_a_status_line(waiting: Sessions) -> None:
    session = OnTerminal(shop(waiting), "--soak-iterations=2", *WITH)
    lines = session.end()
    first = lines.index(NOTE[0])
    assert lines[first : first + len(NOTE)] == NOTE
    assert "ETA" in session.text


def test_the_header_counts_the_warnings_of_a_profile_of_the_user(soak: Sessions) -> None:
    result = shop(soak)("--soak-iterations=1", *WITH)
    line = "soak: the profile has 1 warning: pytest-soak profile check ./shop.yaml"
    assert line in result.out.splitlines()


def test_the_header_is_silent_about_shipped_profiles(soak: Sessions) -> None:
    soak.bot()
    soak.pytester.path.joinpath("mine.yaml").write_text("extends: steady\nbase_spread_bps: 0.6\n")
    for profile in ("steady", "./mine.yaml"):
        result = soak("--soak-iterations=1", "--soak-target=bot:make", f"--soak-profile={profile}")
        assert "profile check" not in result.out
