"""A target that is stopped and started for a change of a parameter with ``restart``."""

from __future__ import annotations

import json

import pytest

from tests.sessions.conftest import Sessions

POOL = """
kpis: {p95_ms: totals.p95_ms}
parameters:
  workers: {path: pool, type: int, start: 2, min: 1, max: 8, cap_per_hour: 8, restart: true}
rules:
  GROW:
    when: {p95_ms: "> 100"}
    moves: {workers: {add: 1}}
gate: {criteria: {p95_ms: "<= 110"}}
"""
SERVICE = '''
import os


class Service:
    """Reads its workers when it starts, as a server does; every call is in a file."""

    def __init__(self, lane):
        self.workers = None

    def note(self, text):
        with open("calls.txt", "a") as stream:
            stream.write(text + "\\n")

    def start(self, runtime):
        self.workers = runtime["pool"]["workers"]
        self.note(f"start {self.workers}")

    def run(self, iteration, runtime):
        if os.path.exists(f"broken-{iteration}"):
            raise RuntimeError("broken")
        self.note(f"run {iteration} {self.workers}")
        echo = {"pool": {"workers": self.workers}}
        return {"totals": {"p95_ms": 320.0 / self.workers}, "effective_params": echo}

    def stop(self):
        self.note("stop")
'''
ARGS = ("--soak-profile=./pool.yaml", "--soak-target=service:Service", "-q")


@pytest.fixture
def service(soak: Sessions) -> Sessions:
    soak.pytester.makepyfile(service=SERVICE)
    (soak.folder / "pool.yaml").write_text(POOL)
    return soak


def calls(soak: Sessions) -> list[str]:
    return (soak.folder / "calls.txt").read_text().splitlines()


def test_the_target_runs_with_the_value_of_its_start(service: Sessions) -> None:
    result = service("--soak-iterations=12", *ARGS)
    ran = [line for line in calls(service) if line.startswith("run")]
    starts = [line for line in calls(service) if line.startswith("start")]
    assert ran[0] == "run 1 2"
    assert starts == ["start 2", "start 3", "start 4"]
    assert len(ran) == 12
    assert calls(service)[-1] == "stop"
    assert calls(service).count("stop") == len(starts)
    # With the echo of the value of its start, each change is verified in full.
    snapshot = result.json("POST_SOAK_SNAPSHOT.json")
    assert snapshot["delta_quality"]["verdict"] == "PASS"
    reason = next(item for item in snapshot["criteria"] if item["name"] == "p95_ms")["reason"]
    assert "(restart)" in reason
    assert result.text("run.log").count("| target | RESTARTED |") == 2


def test_a_resumed_run_restarts_where_the_other_one_would(service: Sessions) -> None:
    whole = service("--soak-iterations=12", *ARGS, "--soak-dir=whole")
    ran = [line for line in calls(service) if line.startswith("run")]
    (service.folder / "calls.txt").unlink()
    changed = int(ran[[line[-1] for line in ran].index("3")].split()[1])
    resume: tuple[str, ...] = ()
    for number in (changed, changed + 1, 0):  # the iteration after a change, and the one after it
        flag = service.folder / f"broken-{number}"
        if number:
            flag.touch()
        result = service("--soak-iterations=12", *ARGS, "--soak-dir=parts", *resume)
        flag.unlink(missing_ok=True)
        resume = ("--soak-resume",)
    assert [line for line in calls(service) if line.startswith("run")] == ran
    decided = [
        [entry for entry in map(json.loads, lines) if entry["type"] == "decision"]
        for lines in (
            (whole.folder / name / "latest" / "journal.jsonl").read_bytes().splitlines()
            for name in ("whole", "parts")
        )
    ]
    without = [[{**item, "seq": 0, "check": ""} for item in items] for items in decided]
    assert without[0] == without[1]
    assert result.code == 0


def test_a_target_that_cannot_be_stopped_halts_its_lane(service: Sessions) -> None:
    broken = SERVICE.replace('self.note("stop")', 'raise RuntimeError("it hangs on")')
    service.pytester.makepyfile(service=broken)
    result = service("--soak-iterations=12", *ARGS)
    assert result.code == 1
    assert "stop() raised: RuntimeError: it hangs on" in result.out
