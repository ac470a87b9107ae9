"""A harness that runs real pytest sessions and returns every observable effect."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import signal
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis  # noqa: F401
import pytest

import pytest_soak
from pytest_soak.report.snapshot import lanes_of
from tests.artifacts import problems

BOT = '''
class Bot:
    """Reports fixed figures, inside every limit unless ``totals`` changes them."""

    def __init__(self, lane, **totals):
        self.lane = lane
        self.totals = {
            "net_bps": 3.5, "gross_bps": 4.0, "fees_bps": 0.5, "adverse_bps_p95": 2.0,
            "slippage_bps_p95": 1.0, "inventory_bps": 0.1, "p95_latency_ms": 310.0,
            "hit_ratio": 0.5, **totals,
        }
        self.seen = []

    def run(self, iteration, runtime):
        self.seen.append(iteration)
        wobble = 0.001 * (iteration % 3)
        return {
            "totals": {k: v + wobble if type(v) is float else v for k, v in self.totals.items()},
            "fills": {"maker_count": 90, "taker_count": 10,
                      "maker_volume": 90.0, "taker_volume": 10.0},
            "block_reasons": {"risk": 30, "min_interval": 10, "concurrency": 40, "throttle": 20},
        }

    def snapshot(self):
        return {"iteration": self.seen[-1] if self.seen else 0}

    def restore(self, state):
        self.seen = [state["iteration"]]


def make(lane):
    return Bot(lane)


def poor(lane):
    return Bot(lane, net_bps=1.0)
'''


GATED = ("maker_taker_ratio", "risk_ratio", "net_bps", "p95_latency_ms")
CRITERIA = (
    *GATED, "pass_count_last8", "delta_quality", "checks", "completeness", "stale",
    *(f"drift:{kpi}" for kpi in GATED), "drift:fills_per_hour",
)  # fmt: skip
"""The criteria of a lane with a shipped profile."""
TOO_SHORT = dict.fromkeys((*GATED, "pass_count_last8"), "INCONCLUSIVE")
"""Fewer than eight iterations prove nothing."""
NOISE_UNKNOWN = dict.fromkeys(GATED, "WARN")
"""With fewer than 24 iterations the noise of a KPI is unknown."""
_CI_NAMES = {
    "CI", "BUILD_NUMBER", "TF_BUILD", "bamboo.buildKey", "BUILDKITE", "CIRCLECI", "CIRRUS_CI",
    "CODEBUILD_BUILD_ID", "GITHUB_ACTIONS", "GITLAB_CI", "HEROKU_TEST_RUN_ID", "TEAMCITY_VERSION",
    "__TOX_ENVIRONMENT_VARIABLE_ORIGINAL_CI", "GITHUB_STEP_SUMMARY",
}  # fmt: skip
"""Variables of CI machines, with which pytest and hypothesis print more, and a soak writes more."""
_OPTIONAL = ("numba", "hftbacktest")
_OUTCOMES = {"PASS": "passed", "WARN": "warned", "INCONCLUSIVE": "inconclusive", "FAIL": "failed"}


def _import_all() -> None:
    """Import every module of the package, once for all session tests.

    A session inside this process forgets what it imports. Without this, each of them compiles
    150 modules again, which takes five times as long as all that it tests.
    """
    for module in pkgutil.walk_packages(pytest_soak.__path__, f"{pytest_soak.__name__}."):
        if module.name.endswith(".__main__"):
            continue  # it is a command
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if error.name not in _OPTIONAL:
                raise
    with suppress(ModuleNotFoundError):  # numba imports the rest of itself with the first compile
        importlib.import_module("numba").njit(lambda: 0)()


_import_all()


@pytest.fixture(autouse=True, scope="session")
def _signals_are_not_ignored() -> None:
    """A shell's background job ignores Ctrl-C, nohup ignores SIGHUP, and sessions inherit that."""
    defaults: dict[int, Any] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
    }
    if hasattr(signal, "SIGHUP"):
        defaults[signal.SIGHUP] = signal.SIG_DFL
    for number, handler in defaults.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@dataclass(frozen=True)
class Result:
    """The effects of a session: exit code, outcomes, output, files."""

    code: int
    outcomes: dict[str, int]
    out: str
    err: str
    folder: Path

    @property
    def latest(self) -> Path:
        return self.folder / "artifacts" / "soak" / "latest"

    def journal(self, lane: str = ".") -> bytes:
        return (self.latest / lane / "journal.jsonl").read_bytes()

    def entries(self, lane: str = ".") -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.journal(lane).splitlines()]

    def json(self, name: str, lane: str = ".") -> Any:
        return json.loads((self.latest / lane / name).read_text("utf-8"))

    def text(self, name: str, lane: str = ".") -> str:
        return (self.latest / lane / name).read_text("utf-8")

    @property
    def done_before(self) -> int:
        """How many iterations of all lanes a resumed session had behind it, by its header."""
        match = re.search(r"\(resumed: ([0-9]+) of [0-9]+ iterations are done\)", self.out)
        assert match, self.out
        return int(match[1])

    @property
    def items(self) -> dict[str, int]:
        """The outcomes without those of the gate, which has one for each binding criterion.

        So another criterion of the gate changes nothing here. A criterion of the snapshot without
        a report, or with another outcome, does.
        """
        lanes = lanes_of(self.json("POST_SOAK_SNAPSHOT.json"))
        reports = Counter(
            _OUTCOMES[item["verdict"] if item.get("applicable", True) else "PASS"]
            for lane in lanes
            for item in lane["criteria"]
            if item.get("binding", True)
        )
        names = {*self.outcomes, *reports}
        left = {name: self.outcomes.get(name, 0) - reports[name] for name in names}
        return {name: count for name, count in left.items() if count}

    @property
    def gate(self) -> dict[str, str]:
        """The binding criteria that are not PASS in a session of one lane: name to verdict."""
        (lane,) = lanes_of(self.json("POST_SOAK_SNAPSHOT.json"))
        return {
            item["name"]: item["verdict"]
            for item in lane["criteria"]
            if item.get("binding", True) and item["verdict"] != "PASS"
        }


class Sessions:
    """Runs sessions in the test's own folder."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.folder = pytester.path

    def bot(self, **files: str) -> None:
        """Writes the module of the fixed bot, and other modules, beside the tests."""
        self.pytester.makepyfile(bot=BOT, **files)

    def __call__(self, *args: str, subprocess: bool = False, valid: bool = True) -> Result:
        """Runs one session. Then every JSON file of a run is ``valid`` by the schema of the
        package; false: the test has damaged one that the session does not write again."""
        run = (
            self.pytester.runpytest_subprocess if subprocess else self.pytester.runpytest_inprocess
        )
        done = run("-p", "no:cacheprovider", *args)
        try:
            outcomes = done.parseoutcomes()
        except ValueError:  # no summary line: refused before the first item
            outcomes = {}
        for latest in sorted(self.folder.rglob("latest")) if valid else ():
            assert problems(latest) == []
        return Result(int(done.ret), outcomes, done.stdout.str(), done.stderr.str(), self.folder)


@pytest.fixture
def soak(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    for name in tuple(os.environ):
        ours = name.startswith(("SOAK_", "MM_")) or name in ("USE_MOCK", "PYTEST_ADDOPTS")
        if ours or name in _CI_NAMES:
            monkeypatch.delenv(name)
    # The plugin of hypothesis imports all of it at the end of each session, in .5 s.
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return Sessions(pytester)
