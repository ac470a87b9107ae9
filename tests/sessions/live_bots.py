"""A small and quick live bot for session tests, and what its sessions left behind."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import psutil

T = TypeVar("T")

BOT = '''
import hashlib, json, os, subprocess, sys, time

RUNTIME, REPORT, AUDIT, FOLDER = (os.environ["SOAK_" + name]
                                  for name in ("RUNTIME", "REPORT", "AUDIT", "DIR"))
boot_id, seq, text, since, served = os.urandom(8).hex(), 0, "", 0.0, 0


def follow():
    """New parameters begin a new span. Every delivery is noted, to be looked at later."""
    global text, since, served, params
    with open(RUNTIME, encoding="utf-8") as file:
        now = file.read()
    if now == text:
        return
    params, text, since, served = json.loads(now), now, time.time(), 0
    soak, digest = params["soak"], hashlib.sha256(now.encode()).hexdigest()
    with open(os.path.join(FOLDER, "deliveries"), "a", encoding="utf-8") as file:
        file.write(json.dumps([soak["seq"], soak["iteration"], digest, os.getpid()]) + "\\n")


def write():
    global seq
    seq, soak, pool = seq + 1, params["soak"], params["pool"]
    report = {
        "totals": {"p95_ms": 1600.0 / pool["size"], "error_ratio": 0.0},
        "seq": seq, "boot_id": boot_id, "applied_seq": soak["seq"], "run_id": soak["run_id"],
        "from_unix": since, "to_unix": time.time(), "effective_params": {"pool": pool},
    }
    with open(REPORT + ".new", "w", encoding="utf-8") as file:
        json.dump(report, file)
    os.replace(REPORT + ".new", REPORT)
    with open(os.path.join(FOLDER, "reports"), "a", encoding="utf-8") as file:
        file.write(json.dumps([soak["iteration"], report["to_unix"] - since]) + "\\n")
    if AUDIT:
        with open(AUDIT, "a", encoding="utf-8") as file:
            file.write(json.dumps({"event": "PLACE", "id": seq, "at": time.time()}) + "\\n")


if "helper" in sys.argv:  # which leaves the session of the bot, and is deaf to SIGTERM
    ignores = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
    subprocess.Popen([sys.executable, "-S", "-c", ignores], start_new_session=True)
follow()
print("READY", flush=True)
next_report = time.monotonic()
while True:
    follow()
    if time.monotonic() >= next_report:
        write()
        next_report += 0.05
    time.sleep(0.01)
'''
PROFILE = """
target:
  parameters: {{file: "{runtime}"}}
  report: {{file: "{report}", take: {take}{audit}}}
  timing: {{settle_s: 0.02, deadline_s: 1}}
  processes:
    bot:
      command: {command}
      ready: {{log: "^READY$"}}
      stop: {{grace_s: {grace_s}}}
      restart: {{budget: 3, backoff_s: [0]}}
parameters:
  size:
    {{path: pool, unit: connections, start: 8, min: 2, max: 64, cap_per_hour: 8, safer: up}}
kpis:
  p95_ms: {{read: totals.p95_ms, unit: ms, better: down, range: [0, null]}}
  error_ratio: {{read: totals.error_ratio, unit: share, better: down, range: [0, 1]}}
verdict:
  fail: {{error_ratio: "> 0.20"}}
  warn: {{p95_ms: "> 250"}}
rules:
  GROW:
    when: {{p95_ms: "> 170"}}
    evidence: {{over: 2}}
    moves:
      size: {{add: 1}}
    log: "p95={{p95_ms:.0f}}ms target=<170ms deltas={{deltas}}"
guards:
  hold_last: 1
  velocity_window_s: 3600
  clip_ratio: 0.5
gate:
  window: 8
  pass_from: 24
  confidence: 0.95
  no_data_ratio: 0.25
  criteria:
    p95_ms: "<= 240"
    error_ratio: "<= 0.02"
  pass_count_slack: 2
  freeze_ready_pass_count: 6
  delta: {{full: 0.95, relaxed: 0.90, stuck_max: 1}}
"""
GRACE_S = 1.0
INTERVAL_S = 0.2
ARGS = ("--soak-target=live", "--soak-profile=./small.yaml", f"--soak-interval={INTERVAL_S}")


def write_bot(
    folder: Path,
    *,
    runtime: str = "{dir}/runtime.json",
    report: str = "{dir}/report.json",
    helper: bool = False,
    audit: bool = True,
    take: str = "last",
) -> None:
    """The bot and its profile, ``./small.yaml``. Its ``helper`` outlives whatever ends gently.

    Without an ``audit``, whose rows are counted as they come, two runs have the same journal.
    """
    (folder / "bot.py").write_text(BOT)
    command = ["{python}", "-S", "-E", "bot.py", "{port:any}", *(["helper"] if helper else [])]
    text = PROFILE.format(
        runtime=runtime,
        report=report,
        take=take,
        audit=', audit: "{dir}/audit.jsonl"' if audit else "",
        command=json.dumps(command),
        grace_s=GRACE_S,
    )
    (folder / "small.yaml").write_text(text)


def until(
    condition: Callable[[], T], timeout_s: float, what: str, others: Callable[[], object] = str
) -> T:
    """Wait until ``condition`` gives something true; it. ``others`` may raise meanwhile."""
    ends = time.monotonic() + timeout_s
    while not (value := condition()):
        others()
        assert time.monotonic() < ends, f"no {what} within {timeout_s:g} s"
        time.sleep(0.01)
    return value


def living(folder: Path, *tokens: str) -> list[str]:
    """The processes with one of the tokens, or a lane's directory of ``folder``, in their
    environment."""
    left = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            is_dead = process.status() == psutil.STATUS_ZOMBIE
        except psutil.Error:
            continue
        given = environment.get("SOAK_TOKEN", "").split(":")
        is_of_lane = environment.get("SOAK_DIR", "").startswith(f"{folder}/")
        if not is_dead and (is_of_lane or {*filter(None, tokens)}.intersection(given)):
            left.append(f"{process.pid} {process.name()}")
    return left


def ends_by_itself(folder: Path, *tokens: str) -> None:
    """Nothing is left of the lanes after the grace and two seconds."""
    within_s = GRACE_S + 2.0
    until(lambda: not living(folder, *tokens), within_s, f"end of {living(folder, *tokens)}")


@dataclass(frozen=True)
class LaneDirectory:
    """The directory of a lane with the small bot, as it is at the moment."""

    path: Path

    @cached_property
    def token(self) -> str:
        """Of the session that runs when it is first read."""
        return str(self._record()["token"])

    def _record(self) -> dict[str, Any]:
        path = self.path / "target" / "processes.json"
        try:
            record: dict[str, Any] = json.loads(path.read_text())
        except FileNotFoundError:
            return {"token": "", "processes": []}
        return record

    def pid(self, name: str) -> int:
        """The number of a process of the lane; 0 if it was not started yet."""
        pids = [item["pid"] for item in self._record()["processes"] if item["name"] == name]
        return int(pids[0]) if pids else 0

    def supervisor(self) -> psutil.Process:
        """The supervisor, once there is one."""
        return psutil.Process(until(lambda: self.pid("_supervisor"), 30, "supervisor"))

    def pids(self) -> set[int]:
        """The numbers of its processes so far, as far as they left any."""
        recorded = {item["pid"] for item in self._record()["processes"]}
        return recorded | {delivered.pid for delivered in self.deliveries()}

    def bot(self) -> psutil.Process:
        """The bot, which has reported."""
        until(lambda: any(self.deliveries()), 30, "bot that is ready")
        return psutil.Process(until(lambda: self.pid("bot"), 30, "bot"))

    def journal(self) -> bytes:
        """Up to the last whole line."""
        path = self.path / "journal.jsonl"
        text = path.read_bytes() if path.exists() else b""
        return text[: text.rfind(b"\n") + 1]

    def entries(self, kind: str) -> list[dict[str, Any]]:
        entries = [json.loads(line) for line in self.journal().splitlines()]
        return [entry for entry in entries if entry["type"] == kind]

    def observed(self) -> dict[int, dict[str, Any]]:
        """Iteration to its report, of a lane that observed none twice."""
        observations = self.entries("observation")
        reports = {entry["iteration"]: entry["report"] for entry in observations}
        assert len(reports) == len(observations), "an iteration was observed twice"
        return reports

    def deliveries(self) -> Iterator[Delivered]:
        """What the bot saw, in its order."""
        yield from (Delivered(*json.loads(line)) for line in self._noted("deliveries"))

    def reports(self) -> Iterator[Reported]:
        """What the bot wrote, in its order."""
        yield from (Reported(*json.loads(line)) for line in self._noted("reports"))

    def _noted(self, name: str) -> list[str]:
        """The whole lines of a file that the bot keeps for tests."""
        path = self.path / "target" / name
        text = path.read_text() if path.exists() else ""
        return text[: text.rfind("\n") + 1].splitlines()


@dataclass(frozen=True)
class Delivered:
    """A delivery as the bot read it."""

    seq: int
    iteration: int
    digest: str
    pid: int


@dataclass(frozen=True)
class Reported:
    """A report as the bot wrote it."""

    iteration: int
    length_s: float
    """By the clock of the bot, which may have been set meanwhile."""


def seq_never_repeats(lane: LaneDirectory) -> None:
    """No number stands for two deliveries, and none is below one before."""
    seen: dict[int, str] = {}
    newest = 0
    for delivered in lane.deliveries():
        assert seen.setdefault(delivered.seq, delivered.digest) == delivered.digest, delivered
        assert delivered.seq >= newest, delivered
        newest = delivered.seq
    assert seen, "the bot saw no delivery"


def journal_is_of_any_run(lane: LaneDirectory, *pids: int) -> None:
    """The journal has nothing that differs from run to run: no number of a delivery or process,
    no path, no clock. The first line is the profile, of which any number may be that of a process.
    """
    _, *lines = lane.journal().decode().splitlines()
    assert lines
    for place, line in enumerate(lines, 1):
        entry = json.loads(line)
        assert entry.pop("seq") == place  # the number of the line
        fields = {"seq", "boot_id", "applied_seq", "run_id", "from_unix", "to_unix", "pid"}
        assert fields.isdisjoint(_keys(entry)), line
        numbers = {int(number) for number in _NUMBER.findall(line)}
        assert numbers.isdisjoint({pid for pid in {*pids, *lane.pids()} if pid > 999}), line
        days = {round(number / unit / 86400) for number in numbers for unit in (1, 1e3, 1e6, 1e9)}
        assert days.isdisjoint(_days_around_today()), line
        assert not _TEXTS_OF_A_RUN.search(line), line
        assert str(lane.path.parents[2]) not in line, line


_NUMBER = re.compile(r"(?<![0-9a-f.])[0-9]+")
_TEXTS_OF_A_RUN = re.compile(r"/|[0-9]{8}T[0-9]{6}Z|[0-9]{4}-[0-9]{2}-[0-9]{2}")
"""Paths, the ids of runs, and dates."""


def _days_around_today() -> set[int]:
    today = round(time.time() / 86400)
    return {today + days for days in (-2, -1, 0, 1, 2)}


def _keys(value: Any) -> Iterator[str]:
    """Those of all mappings in a JSON value."""
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            yield from _keys(inner)
