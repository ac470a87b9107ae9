"""Sessions by script: what the target reports, and what a proposer wants, is written down."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.sessions.conftest import Result, Sessions

WIDTH = 100
FILES = (
    "journal.jsonl", "timing.jsonl", "runtime_overrides.json", "applied_profile.json",
    "TUNING_REPORT.json", "TUNING_STATE.json", "DELTA_VERIFY.json", "POST_SOAK_SNAPSHOT.json",
    "run.json", "run.log",
)  # fmt: skip

CONFTEST = '''
import json
from pathlib import Path

RUNTIME = Path("artifacts/soak/latest/runtime_overrides.json")
CALM = {"risk": 0.38, "net": 3.0, "maker": 0.88, "p95": 310.0, "adverse": 2.0}


class Scripted:
    """No rule has anything to do, unless the script says otherwise. None leaves a figure out.

    The slippage moves a little, since reports that never change are stale to the gate.
    """

    def run(self, iteration, runtime):
        said = {**CALM, **FIGURES.get(iteration, {})}
        self.edit(said.get("by_hand", {}))
        totals = {"net_bps": said["net"], "p95_latency_ms": said["p95"],
                  "adverse_bps_p95": said["adverse"],
                  "slippage_bps_p95": 1.5 + 0.001 * (iteration % 3)}
        report = {"totals": totals}
        if said["maker"] is not None:
            report["fills"] = {"maker_count": 1000 * said["maker"],
                               "taker_count": 1000 * (1 - said["maker"])}
        if said["risk"] is not None:
            report["block_reasons"] = {"risk": 1000 * said["risk"], "min_interval": 100,
                                       "concurrency": 900 - 1000 * said["risk"]}
        return report

    def edit(self, values):
        """What an operator does to the runtime file while the interval runs."""
        if values:
            runtime = json.loads(RUNTIME.read_text())
            for section in runtime.values():
                section.update({key: values[key] for key in section if key in values})
            RUNTIME.write_text(json.dumps(runtime, indent=2))

    def snapshot(self):
        return {}

    def restore(self, state):
        pass


def pytest_soak_target(lane):
    return Scripted()


def pytest_soak_propose(lane, kpis, headroom, history):
    """The wishes of this iteration, whatever its room; without any the rules have the word."""
    number = history[-1].number + 1 if history else 1
    if number not in WISHES:
        return None
    told = {
        key: [one.down, one.up, one.reason_down, one.reason_up] for key, one in headroom.items()
    }
    with open("asked.jsonl", "a") as file:
        file.write(json.dumps({"iteration": number, "headroom": told}) + "\\n")
    return WISHES[number]
'''

KILL = """
import os, signal
from pytest_soak.lane import runtime
write = runtime.atomic_write_json

def killed(path, obj):
    if os.environ.get("STOP") == "after":
        write(path, obj)
    if "STOP" in os.environ:
        os.kill(os.getpid(), signal.SIGKILL)
    return write(path, obj)

runtime.atomic_write_json = killed
"""
"""A conftest's end: with STOP=before or STOP=after in the environment, the process is killed at the
runtime file."""

PROFILE = """
extends: ./bare.yaml
rules:
  RISKY:
    when: {risk_ratio: ">= 0.60"}
    moves:
      base_spread_bps: {add: 0.05}
      impact_cap_ratio: {add: -0.02}
      replace_rate_per_min: {add: -60}
      min_interval_ms: {add: 20}
  POOR:
    when: {maker_taker_ratio: "< 0.80", net_bps: ">= 2.7"}
    moves:
      base_spread_bps: {add: 0.015}
      replace_rate_per_min: {mul: 0.85}
      min_interval_ms: {add: 25}
  RICH: {when: {maker_taker_ratio: "> 0.95"}, moves: {base_spread_bps: {add: -0.015}}}
  SLOW:
    when: {p95_latency_ms: "> 360"}
    moves:
      concurrency_limit: {mul: 0.85}
      tail_age_ms: {add: 75}
  HARSH:
    when: {adverse_bps_p95: "> 3.0"}
    moves:
      base_spread_bps: {add: 0.02}
      max_delta_ratio: {add: -0.01}
  NUDGE:
    when: {p95_latency_ms: [">= 320", "< 330"]}
    moves: {base_spread_bps: {add: 0.001}}
"""
"""The shipped guards and limits; rules that each read one figure, and act at once."""

ARGS = ("-v", "--soak-profile=./own.yaml")
Figures = Mapping[int | Iterable[int], Mapping[str, Any]]
Wishes = Mapping[int | Iterable[int], Mapping[str, Any]]


def write_script(
    soak: Sessions, figures: Figures, wishes: Wishes | None = None, profile: str = ""
) -> None:
    """A conftest with the target, and the proposer, of this script; and a profile beside it.

    ``figures``: iteration, or several, to ``risk``, ``net``, ``maker``, ``p95``, ``adverse`` where
    they are not calm (None: no data), and ``by_hand``, the values that an operator writes into the
    runtime file meanwhile. ``wishes``: iteration, or several, to what the proposer answers.
    ``profile`` is added to PROFILE.
    """
    bare = "extends: steady\nrules: null\ngate: {delta: {needed: null}}\n"
    (soak.folder / "bare.yaml").write_text(bare)
    (soak.folder / "own.yaml").write_text(PROFILE + profile)
    soak.pytester.makeconftest(conftest_text(figures, wishes or {}))


def conftest_text(figures: Figures, wishes: Wishes) -> str:
    """The target and the proposer of :func:`write_script`, with their script above them."""
    return (
        "from math import inf, nan\n"
        f"FIGURES = {_by_iteration(figures)}\nWISHES = {_by_iteration(wishes)}\n{CONFTEST}"
    )


def _by_iteration(given: Mapping[int | Iterable[int], Mapping[str, Any]]) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for numbers, said in given.items():
        for number in [numbers] if isinstance(numbers, int) else numbers:
            found[number] = {**found.get(number, {}), **said}
    return found


def soaked(soak: Sessions, iterations: int, gate: Mapping[str, str], *args: str) -> Result:
    """The script run once: every item passes, the gate FAILs, and the files tell one story.

    ``gate``: every criterion that is not PASS, with its verdict.
    """
    result = soak(f"--soak-iterations={iterations}", *ARGS, *args)
    assert (result.code, result.items) == (1, {"passed": iterations}), result.out
    assert result.gate == gate
    check_files(result, iterations)
    return result


@dataclass(frozen=True)
class Told:
    """One iteration, as ITER_SUMMARY and the terminal tell it."""

    summary: dict[str, Any]
    tuning: dict[str, Any]
    line: str

    def outcome(self, key: str) -> tuple[str, float, str]:
        """What became of a proposed key: the word, the move that was made, the reason."""
        found = self.tuning["outcomes"][key]
        return found["outcome"], found["applied"], found["reason"]

    def outcomes(self) -> dict[str, tuple[str, float, str]]:
        return {key: self.outcome(key) for key in self.tuning["outcomes"]}

    def refused_by(self) -> set[str]:
        """The guards that ITER_SUMMARY's ``skip_reason`` flags."""
        return {name for name, flag in (self.tuning["skip_reason"] or {}).items() if flag is True}

    @property
    def end(self) -> str:
        """What the terminal's line says behind the figures."""
        return self.line.partition(" | ")[2]


def told(result: Result, number: int) -> Told:
    found = result.json(f"ITER_SUMMARY_{number}.json")
    lines = [line for line in result.out.splitlines() if re.match(rf" +{number} [A-Z]+ ", line)]
    assert len(lines) == 1, lines
    assert len(lines[0]) <= WIDTH
    return Told(found["summary"], found["tuning"], lines[0].strip())


def values_of(result: Result, number: int) -> dict[str, Any]:
    """The parameters in force after the decision of iteration ``number``, flat."""
    (found,) = (
        entry["values"]
        for entry in result.entries()
        if entry["type"] == "decision" and entry["iteration"] == number
    )
    values: dict[str, Any] = found
    return values


def headroom_given(soak: Sessions, number: int) -> dict[str, list[Any]]:
    """The room that the proposer was told: key to down, up, and what ends it there."""
    lines = (soak.folder / "asked.jsonl").read_text().splitlines()
    asked = {one["iteration"]: one["headroom"] for one in map(json.loads, lines)}
    headroom: dict[str, list[Any]] = asked[number]
    return headroom


def check_files(result: Result, iterations: int) -> None:
    """Every file is there, one summary an iteration, and they tell one story."""
    for name in FILES:
        assert (result.latest / name).stat().st_size > 0, name
    summaries = {path.name for path in result.latest.glob("ITER_SUMMARY_*.json")}
    assert summaries == {f"ITER_SUMMARY_{n}.json" for n in range(1, iterations + 1)}
    report = result.json("TUNING_REPORT.json")["iterations"]
    assert [one["iteration"] for one in report] == list(range(1, iterations + 1))
    edits = {entry["new_hash"] for entry in result.entries() if entry["type"] == "external"}
    state_hash = report[0]["tuning"]["old_hash"]
    for one in report:
        summary = result.json(f"ITER_SUMMARY_{one['iteration']}.json")
        assert one["tuning"] == summary["tuning"]
        assert one["tuning"]["old_hash"] in {state_hash, *edits}
        state_hash = one["tuning"]["state_hash"]
    assert result.json("TUNING_STATE.json")["state_hash"] == state_hash
    assert result.json("TUNING_STATE.json")["iteration"] == iterations
