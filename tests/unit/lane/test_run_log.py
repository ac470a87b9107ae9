"""run.log of whole lanes: against their journal, and after a stop at any place of it."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_soak import Lane, run_lane
from pytest_soak.canonical import canonical_json
from pytest_soak.lane.files import StoredFiles
from pytest_soak.lane.run import lane_of
from pytest_soak.lane.runner import LaneHalted, LaneRunner
from pytest_soak.loop.entries import runtime_of
from pytest_soak.loop.history import Past, Transition, read_history, transitions
from pytest_soak.loop.model import Decision, Iteration, Verdict
from pytest_soak.report.log_lines import log_lines
from pytest_soak.report.summary import skipped_reason
from pytest_soak.store import names
from pytest_soak.store.journal import read_journal
from pytest_soak.targets.mock import make_mock

GRAMMAR = re.compile(
    r"\| (?P<area>[a-z_]+) \| (?P<event>[A-Za-z0-9][\w.-]*) \| "
    r"lane=(?P<lane>\S+) iter=(?P<iteration>[0-9]+)(?: (?P<rest>[^|]+))? \|"
)
"""Of every line that concerns an iteration."""


@dataclass(frozen=True)
class Line:
    event: str
    """With its area."""
    lane: str
    iteration: int
    rest: str

    @property
    def fields(self) -> dict[str, str]:
        return dict(re.findall(r"(\w+)=(\S*)", self.rest))


def log_of(path: Path) -> list[Line]:
    parsed = []
    for text in (path / names.LOG).read_text("utf-8").splitlines():
        match = GRAMMAR.fullmatch(text)
        assert match, text
        name = f"{match['area']} | {match['event']}"
        parsed.append(Line(name, match["lane"], int(match["iteration"]), match["rest"] or ""))
    return parsed


class Rough:
    """Good, bad and blind iterations in short streaks, drawn from the lane's seed."""

    def __init__(self, lane: Lane) -> None:
        draw = random.Random(lane.seed)
        kinds = [draw.choice(("good", "calm", "bad", "bad", "slow", "blind")) for _ in range(99)]
        self.kinds = [kind for kind in kinds for _ in range(draw.randint(1, 4))]

    def run(self, iteration: int, runtime: Mapping[str, Any]) -> dict[str, Any]:
        kind = self.kinds[iteration]
        risk = {"good": 300, "bad": 650}.get(kind, 380)
        totals: dict[str, Any] = {
            "net_bps": 1.0 if kind == "bad" else None if kind == "blind" else 3.0,
            "p95_latency_ms": 400.0 if kind == "slow" else 310.0,
            "adverse_bps_p95": 2.0 + 0.001 * iteration,
            "slippage_bps_p95": 1.5,
        }
        return {
            "totals": totals,
            "fills": {"maker_volume": 88.0, "taker_volume": 12.0},
            "block_reasons": {"risk": risk, "min_interval": 100, "concurrency": 900 - risk},
        }

    def snapshot(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Any) -> None:
        """The kinds are those of the seed."""


def hasty(lane: Lane, kpis: Any, headroom: Any, history: Sequence[Iteration]) -> Any:
    """Now and then a proposal of its own: too large, unknown, no number, or a large change."""
    draw = random.Random(f"{lane.seed} {len(history)} {history[-1].number if history else 0}")
    return draw.choice(
        [
            *([None] * 4),
            {"tail_age_ms": 1e9},
            {"tail_age_ms": 5.0, "no|such\nkey": 1.0},
            {"base_spread_bps": float("nan")},
            {"slippage_penalty_coef": 0.2, "inventory_tilt_cap": 0.1},
            {"impact_cap_ratio": {"delta": -0.01, "kpis": ["net_bps"], "rule": "mine | x"}},
        ]
    )


def check_against_journal(log: Sequence[Line], path: Path) -> set[str]:
    """Every event of the journal has its line, and no line is of another; the events seen."""
    entries = read_journal(path / names.JOURNAL).entries
    history = read_history(entries)
    assert {line.lane for line in log} == {history.lane.id}
    assert [line.iteration for line in log] == sorted(line.iteration for line in log)

    def at(event: str, **fields: str) -> list[int]:
        return [
            line.iteration
            for line in log
            if line.event == event and fields.items() <= line.fields.items()
        ]

    decisions = [item.decision for item in history.iterations if item.decision is not None]
    assert at("iter_watch | ITER") == [decision.iteration for decision in decisions]
    keys = {line.iteration: line.fields["keys"] for line in log if line.event.endswith("| APPLY")}
    assert keys == {
        item.number: ",".join(sorted(changed)) for item, changed in changes(history.iterations)
    }
    assert len(at("iter_watch | APPLY")) == len(keys)
    fails = [item.iteration for item in decisions if item.verdict is Verdict.FAIL]
    assert at("kpi_gate | FAIL_STREAK") == fails
    assert at("panic | REVERT") == [item.iteration for item in decisions if item.panic is not None]
    assert dict.fromkeys(at("iter_watch | APPLY_SKIP")) == dict.fromkeys(
        item.iteration for item in decisions if skipped_reason(item)
    )
    for item in decisions:
        rules = [
            line.event.removeprefix("iter_watch | ")
            for line in log
            if line.iteration == item.iteration
            and line.event.removeprefix("iter_watch | ") in {*item.rules, "RISK_MODERATE"}
        ]
        assert rules == list(item.rules if item.by_rules else ())
    check_timers(entries, at)
    return {line.event for line in log}


def changes(iterations: Sequence[Iteration]) -> list[tuple[Iteration, list[str]]]:
    return [
        (item, [key for key, value in item.decision.values.items() if value != item.basis[key]])
        for item in iterations
        if item.decision is not None and item.decision.changes
    ]


def check_timers(entries: Sequence[Mapping[str, Any]], at: Any) -> None:
    """A timer begins where its end is set, and is over with the last decision that it covers."""
    for event, name in (
        ("iter_watch | COOLDOWN", "cooldown_until"),
        ("iter_watch | FREEZE", "frozen_until"),
        ("panic | PAUSE", "paused_until"),
    ):
        until, begins, ends = 0, [], []
        for step in transitions(entries):
            now, done = getattr(step.after.timers, name), step.after.done
            if done == step.before.done:
                continue
            if until >= done >= now:
                ends.append(done)
            if now > done and now != until:
                begins.append((done, now))
            until = now
        assert [(n, u) for n, u in begins if n in at(event, activated="1", until_iter=str(u))] == (
            begins
        )
        assert len(at(event, activated="1")) == len(begins)
        assert at(event, activated="0") == ends


@pytest.mark.parametrize("profile", ["steady", "S1"])
@pytest.mark.parametrize("seed", range(1, 5))
def test_the_log_has_what_the_journal_has(tmp_path: Path, seed: int, profile: str) -> None:
    propose = hasty if seed % 2 else None
    options: dict[str, Any] = {"profile": profile, "seed": seed, "propose": propose}
    run_lane(Rough, iterations=40, interval=1200.0, directory=tmp_path, **options)
    check_against_journal(log_of(tmp_path / names.LATEST), tmp_path / names.LATEST)


def test_so_it_is_with_the_mock_market(tmp_path: Path) -> None:
    run_lane(make_mock, mock=True, iterations=24, seed=5, directory=tmp_path)
    check_against_journal(log_of(tmp_path / names.LATEST), tmp_path / names.LATEST)


def test_together_they_have_every_event_of_a_panic(tmp_path: Path) -> None:
    seen: set[str] = set()
    for seed in (1, 3):
        folder = tmp_path / str(seed)
        run_lane(Rough, iterations=40, seed=seed, interval=1200.0, propose=hasty, directory=folder)
        seen |= check_against_journal(log_of(folder / names.LATEST), folder / names.LATEST)
    assert seen >= {
        *("iter_watch | COOLDOWN", "iter_watch | FREEZE", "panic | PAUSE", "panic | REVERT"),
        *("iter_watch | APPLY_SKIP", "sanity | FAIL", "proposer | PROPOSED"),
        "iter_watch | ATTRIBUTED",
    }


# -- resume ----------------------------------------------------------------------------------------


def test_after_a_stop_at_any_entry_no_line_is_missing_or_written_twice(tmp_path: Path) -> None:
    run_lane(Rough, iterations=14, seed=2, interval=1200.0, directory=tmp_path / "whole")
    whole = tmp_path / "whole" / names.LATEST
    expected = (whole / names.LOG).read_text("utf-8").splitlines()
    journal = (whole / names.JOURNAL).read_bytes().splitlines(keepends=True)
    steps: list[Transition] = list(transitions(read_journal(whole / names.JOURNAL).entries))
    assert expected == [line for step in steps for line in log_lines(step)]
    assert any(isinstance(step.entry, Decision) and step.after.intent for step in steps)
    for cut in range(1, len(journal)):
        path = stopped(tmp_path / f"at {cut}", whole, journal[:cut], steps[: cut - 1])
        resume(path, 14)
        lines = (path / names.LOG).read_text("utf-8").splitlines()
        resumed = [line for line in lines if "| resume |" in line]
        assert [line for line in lines if line not in resumed] == expected, cut
        assert len(resumed) == (steps[cut - 2].after.done < 14 if cut > 2 else cut > 1), cut


def stopped(path: Path, whole: Path, journal: Sequence[bytes], steps: Sequence[Transition]) -> Path:
    """The lane of a process that ended after these entries, and their lines."""
    shutil.copytree(whole, path)
    (path / names.JOURNAL).write_bytes(b"".join(journal))
    state = Past.of(read_journal(path / names.JOURNAL).entries).state
    runtime = canonical_json(runtime_of(state.profile, state.values))
    (path / names.RUNTIME).write_bytes(runtime)
    lines = [f"{line}\n" for step in steps for line in log_lines(step)]
    (path / names.LOG).write_text("".join(lines), "utf-8")
    return path


def resume(path: Path, last: int) -> None:
    state = Past.of(read_journal(path / names.JOURNAL).entries).state
    lane = lane_of(state.profile, last, 2, interval=1200.0)
    runner = LaneRunner(lane, StoredFiles(path), lambda _: Rough(lane))
    for number in range(runner.state.next_iteration, last + 1):
        runner.observe(number)
        runner.decide({}, ())
    runner.stop()


def test_a_halt_that_the_journal_cannot_take_is_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_lane(Rough, iterations=14, seed=2, interval=1200.0, directory=tmp_path)
    path = tmp_path / names.LATEST
    journal = (path / names.JOURNAL).read_bytes().splitlines(keepends=True)
    (path / names.JOURNAL).write_bytes(b"".join(journal[:1]))
    lane = lane_of(Past.of(read_journal(path / names.JOURNAL).entries).state.profile, 14, 2)
    runner = LaneRunner(lane, StoredFiles(path), lambda _: Rough(lane))
    (path / names.JOURNAL).unlink()
    with pytest.raises(LaneHalted):
        runner.observe(1)
    runner.stop()
    last = (path / names.LOG).read_text("utf-8").splitlines()[-1]
    assert last.startswith(f"| lane | HALT | lane={lane.id} iter=1 kind=write reason=")
