"""Sessions by script: the reports of the target and the proposals are given in advance."""

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
    """By default no rule fires; the script sets other figures. None leaves a figure out.

    The slippage changes a little, because the gate calls reports that never change stale.
    """

    def run(self, iteration, runtime):
        figures = {**CALM, **FIGURES.get(iteration, {})}
        self.edit(figures.get("by_hand", {}))
        totals = {"net_bps": figures["net"], "p95_latency_ms": figures["p95"],
                  "adverse_bps_p95": figures["adverse"],
                  "slippage_bps_p95": 1.5 + 0.001 * (iteration % 3)}
        report = {"totals": totals}
        maker, risk = figures["maker"], figures["risk"]
        if maker is not None:
            report["fills"] = {"maker_count": 1000 * maker, "taker_count": 1000 * (1 - maker)}
        if risk is not None:
            report["block_reasons"] = {"risk": 1000 * risk, "min_interval": 100,
                                       "concurrency": 900 - 1000 * risk}
        return report

    def edit(self, values):
        """Edits the runtime file as an operator, while the interval runs."""
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
    """The proposals of this iteration, beyond the headroom too; without any the rules decide."""
    number = history[-1].number + 1 if history else 1
    if number not in PROPOSALS:
        return None
    given = {
        key: [limits.down, limits.up, limits.reason_down, limits.reason_up]
        for key, limits in headroom.items()
    }
    with open("headroom.jsonl", "a") as file:
        file.write(json.dumps({"iteration": number, "headroom": given}) + "\\n")
    return PROPOSALS[number]
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
"""The end of a conftest: with STOP=before or STOP=after in the environment, the process is killed
before or after it writes the runtime file."""

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
"""The shipped guards and limits, and rules that each read one figure and act at once."""

ARGS = ("-v", "--soak-profile=./own.yaml")
Figures = Mapping[int | Iterable[int], Mapping[str, Any]]
Proposals = Mapping[int | Iterable[int], Mapping[str, Any]]


def write_script(
    soak: Sessions, figures: Figures, proposals: Proposals | None = None, profile: str = ""
) -> None:
    """Writes a conftest with the target and the proposer of the script, and a profile.

    ``figures``: iteration, or several, to those of ``risk``, ``net``, ``maker``, ``p95`` and
    ``adverse`` that differ from CALM (None: no data), and to ``by_hand``, the values that an
    operator writes into the runtime file meanwhile. ``proposals``: iteration, or several, to the
    result of the proposer. ``profile`` is added to PROFILE.
    """
    bare = "extends: steady\nrules: null\ngate: {delta: {needed: null}}\n"
    (soak.folder / "bare.yaml").write_text(bare)
    (soak.folder / "own.yaml").write_text(PROFILE + profile)
    soak.pytester.makeconftest(conftest_text(figures, proposals or {}))


def conftest_text(figures: Figures, proposals: Proposals) -> str:
    """The conftest of :func:`write_script`: the script, the target and the proposer."""
    return (
        "from math import inf, nan\n"
        f"FIGURES = {_by_iteration(figures)}\nPROPOSALS = {_by_iteration(proposals)}\n{CONFTEST}"
    )


def _by_iteration(given: Mapping[int | Iterable[int], Mapping[str, Any]]) -> dict[int, Any]:
    script: dict[int, Any] = {}
    for numbers, fields in given.items():
        for number in [numbers] if isinstance(numbers, int) else numbers:
            script[number] = {**script.get(number, {}), **fields}
    return script


def soaked(soak: Sessions, iterations: int, gate: Mapping[str, str], *args: str) -> Result:
    """Runs the script: every item passes, the gate is FAIL, and the files agree.

    ``gate``: every criterion that is not PASS, with its verdict.
    """
    result = soak(f"--soak-iterations={iterations}", *ARGS, *args)
    assert (result.code, result.items) == (1, {"passed": iterations}), result.out
    assert result.gate == gate
    check_files(result, iterations)
    return result


@dataclass(frozen=True)
class ShownIteration:
    """One iteration, as ITER_SUMMARY and the terminal show it."""

    summary: dict[str, Any]
    tuning: dict[str, Any]
    line: str

    def outcome(self, key: str) -> tuple[str, float, str]:
        """Of a proposed key: outcome, applied move, and reason."""
        outcome = self.tuning["outcomes"][key]
        return outcome["outcome"], outcome["applied"], outcome["reason"]

    def outcomes(self) -> dict[str, tuple[str, float, str]]:
        return {key: self.outcome(key) for key in self.tuning["outcomes"]}

    def flags(self) -> set[str]:
        """The guards whose flag in ``skip_reason`` of ITER_SUMMARY is true."""
        return {name for name, flag in (self.tuning["skip_reason"] or {}).items() if flag is True}

    @property
    def end(self) -> str:
        """The part of the terminal's line after the figures."""
        return self.line.partition(" | ")[2]


def shown(result: Result, number: int) -> ShownIteration:
    summary = result.json(f"ITER_SUMMARY_{number}.json")
    lines = [line for line in result.out.splitlines() if re.match(rf" +{number} [A-Z]+ ", line)]
    assert len(lines) == 1, lines
    assert len(lines[0]) <= WIDTH
    return ShownIteration(summary["summary"], summary["tuning"], lines[0].strip())


def values_of(result: Result, number: int) -> dict[str, Any]:
    """The parameters in force after the decision of iteration ``number``, flat."""
    values: dict[str, Any]
    (values,) = (
        entry["values"]
        for entry in result.entries()
        if entry["type"] == "decision" and entry["iteration"] == number
    )
    return values


def headroom_given(soak: Sessions, number: int) -> dict[str, list[Any]]:
    """The headroom that the proposer received: key to down, up, and the guards that limit them."""
    lines = (soak.folder / "headroom.jsonl").read_text().splitlines()
    given = {line["iteration"]: line["headroom"] for line in map(json.loads, lines)}
    headroom: dict[str, list[Any]] = given[number]
    return headroom


def check_files(result: Result, iterations: int) -> None:
    """Every file is there, with one summary per iteration, and they agree."""
    for name in FILES:
        assert (result.latest / name).stat().st_size > 0, name
    summaries = {path.name for path in result.latest.glob("ITER_SUMMARY_*.json")}
    assert summaries == {f"ITER_SUMMARY_{n}.json" for n in range(1, iterations + 1)}
    report = result.json("TUNING_REPORT.json")["iterations"]
    assert [item["iteration"] for item in report] == list(range(1, iterations + 1))
    edits = {entry["new_hash"] for entry in result.entries() if entry["type"] == "external"}
    state_hash = report[0]["tuning"]["old_hash"]
    for item in report:
        summary = result.json(f"ITER_SUMMARY_{item['iteration']}.json")
        assert item["tuning"] == summary["tuning"]
        assert item["tuning"]["old_hash"] in {state_hash, *edits}
        state_hash = item["tuning"]["state_hash"]
    assert result.json("TUNING_STATE.json")["state_hash"] == state_hash
    assert result.json("TUNING_STATE.json")["iteration"] == iterations
