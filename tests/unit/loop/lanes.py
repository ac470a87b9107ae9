"""A lane without a disk: entries go through canonical JSON, as the store would write them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pytest_soak.canonical import canonical_json
from pytest_soak.lane.core import LaneCore
from pytest_soak.loop.decide import Proposer
from pytest_soak.loop.entries import Entry, entry_of, record_of, start_entry
from pytest_soak.loop.history import Transition
from pytest_soak.loop.model import Decision, Halt, Outcome, Proposal, Requested
from pytest_soak.loop.state import LaneState
from pytest_soak.profile.build import build
from pytest_soak.profile.model import Profile
from pytest_soak.profile.resolve import resolve
from pytest_soak.profile.scenarios import Scheduled
from pytest_soak.protocol import Lane
from pytest_soak.report.log_lines import log_lines
from pytest_soak.store.sources import read_source


@cache
def shipped(name: str = "steady") -> Profile:
    return resolve(name, read_source).profile


def changed(profile: Profile, **guards: Any) -> Profile:
    """The profile with other guards; None switches one off."""
    document = json.loads(canonical_json(profile.document))
    for name, declared in guards.items():
        document["guards"].pop(name, None)
        if declared is not None:
            document["guards"][name] = declared
    return build(document)


def starts(profile: Profile) -> dict[str, float]:
    return {key: parameter.start for key, parameter in profile.parameters.items()}


def edge_report(
    *,
    risk: float | None = 0.38,
    net: Any = 3.0,
    maker: float | None = 0.88,
    p95: Any = 310.0,
    adverse: Any = 2.0,
    slippage: Any = 1.5,
    min_interval: float = 0.1,
    fills: float = 1000.0,
    **sections: Any,
) -> dict[str, Any]:
    """An EDGE_REPORT after which no rule of the shipped profile fires."""
    report: dict[str, Any] = {
        "totals": {
            "net_bps": net,
            "p95_latency_ms": p95,
            "adverse_bps_p95": adverse,
            "slippage_bps_p95": slippage,
        }
    }
    if risk is not None:
        rest = 1000.0 - 1000 * risk - 1000 * min_interval
        report["block_reasons"] = {
            "risk": 1000 * risk,
            "min_interval": 1000 * min_interval,
            "concurrency": rest,
        }
    if maker is not None:
        report["fills"] = {
            "maker_count": fills * maker,
            "taker_count": fills * (1 - maker),
            "maker_volume": 10 * fills * maker,
            "taker_volume": 10 * fills * (1 - maker),
        }
    return report | sections


class Drive:
    """One lane, entry by entry."""

    def __init__(
        self,
        profile: Profile | None = None,
        *,
        iterations: int = 100,
        interval_s: float = 300.0,
        mock: bool = False,
        tune: bool = True,
        dry_run: bool = False,
        values: Mapping[str, float] | None = None,
        scenarios: Sequence[Scheduled] = (),
    ) -> None:
        profile = profile or shipped()
        lane = Lane("lane", profile.name, "BTCUSDT", 1, interval_s, iterations)
        flat = starts(profile) | dict(values or {})
        start = start_entry(
            lane, profile, "mock", flat, scenarios, mock=mock, tune=tune, dry_run=dry_run
        )
        self.entries: list[dict[str, Any]] = [as_written(record_of(start))]
        self.states: list[LaneState] = [LaneCore.of(self.entries).state]
        self.decisions: list[Decision] = []
        self.log: list[str] = []

    @classmethod
    def replayed(cls, entries: Sequence[Mapping[str, Any]]) -> Drive:
        """The lane of a journal, entry by entry, as the invariants need it."""
        drive = cls.__new__(cls)
        drive.entries, drive.decisions, drive.log = [dict(entry) for entry in entries], [], []
        drive.states = [LaneCore.of(entries[:1]).state]
        for entry in entries[1:]:
            drive.states.append(drive.core.after(entry_of(entry)).state)
        return drive

    @property
    def state(self) -> LaneState:
        return self.states[-1]

    @property
    def core(self) -> LaneCore:
        return LaneCore(self.state)

    def add(self, entry: Entry) -> LaneState:
        written = as_written(record_of(entry))
        before, read = self.state, entry_of(written)
        self.states.append(self.core.after(read).state)
        self.entries.append(written)
        self.log += log_lines(Transition(read, before, self.state))
        return self.state

    def observe(self, report: Mapping[str, Any] | None = None) -> LaneState:
        return self.add(self.core.observe(edge_report() if report is None else report))

    def check(self, recorded: Mapping[str, Any], failed: Sequence[str] = ()) -> LaneState:
        return self.add(self.core.check(recorded, failed))

    def intend(self, proposer: Proposer | None = None) -> Decision:
        """The decision, journaled but not carried out."""
        decision = self.core.decide(proposer)
        self.decisions.append(decision)
        self.add(decision)
        return decision

    def settle(self, proposer: Proposer | None = None) -> Decision:
        decision = self.intend(proposer)
        if decision.changes:
            self.add(self.core.done())
        return decision

    def step(
        self, report: Mapping[str, Any] | None = None, proposer: Proposer | None = None
    ) -> Decision:
        self.observe(report)
        return self.settle(proposer)

    def steps(self, count: int, report: Mapping[str, Any] | None = None) -> list[Decision]:
        return [self.step(report) for _ in range(count)]

    def move(self, rule: str = "", /, **deltas: Any) -> dict[str, Outcome]:
        """The outcomes by key of one iteration in which only these deltas are proposed."""
        decision = self.step(proposer=proposing(rule, **deltas))
        return {outcome.key: outcome for outcome in decision.outcomes}

    def plan(self, iterations: int) -> LaneState:
        return self.add(self.core.plan(iterations))

    def halt(self, halt: Halt) -> LaneState:
        return self.add(self.core.halt(halt))

    def edit(self, **values: float) -> LaneState:
        state = self.state
        expected = state.intent.values if state.intent is not None else state.values
        return self.add(self.core.edit({**expected, **values}))


def proposing(rule: str = "", /, *kpis: str, **deltas: Any) -> Proposer:
    """A proposer that always proposes these deltas, with this rule name and based on ``kpis``."""
    proposals = tuple(Proposal(key, delta, rule, kpis) for key, delta in deltas.items())
    return lambda state, readings, headroom: Requested(proposals=proposals)


def as_written(entry: Mapping[str, Any]) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(canonical_json(entry))
    return loaded


def nothing(state: Any, readings: Any, headroom: Any) -> Requested:
    """A proposer without any proposal."""
    return Requested()
