"""The runs whose pages the browser tests open, each made by a session of its own.

Only a process of its own has a command line, a seal and an end of its own: one of them is killed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.browser.hostile import write_hostile_run
from tests.sessions.live_bots import write_bot

ROOT = Path(__file__).parents[2]
BOTS = "tests.browser.bots"
TIMEOUT_S = 120.0
EVENTFUL_CONFTEST = f"""
from {BOTS} import eventful_proposals

def pytest_soak_propose(lane, kpis, headroom, history):
    return eventful_proposals(history[-1].number + 1 if history else 1)
"""
EVENTFUL_CHECK = """
def test_fills(soak_iteration):
    soak_iteration.record("open_orders", 40.0 + soak_iteration.number % 5)
    assert soak_iteration.number != 33, "an order was left in the book"
"""
CRASH = """
def crash_once():
    mark = os.path.join(FOLDER, "crashed")
    if params["soak"]["iteration"] == 4 and not os.path.exists(mark):
        open(mark, "w").close()
        print("no connection to the exchange", flush=True)
        os._exit(3)


def write():
    crash_once()
"""
"""In place of ``def write():`` of the live bot: its process ends once by itself."""


@dataclass(frozen=True)
class Run:
    """How a run is made."""

    arguments: tuple[str, ...]
    iterations: int = 24
    lanes: int = 1
    code: int = 0
    """The exit code of its session."""
    verdict: str = "PASS"
    files: Mapping[str, str] = field(default_factory=dict)
    """Files that are written into its folder before."""
    variables: Mapping[str, str] = field(default_factory=dict)
    has_live_bot: bool = False
    is_hostile: bool = False


def of(bot: str, iterations: int = 24) -> tuple[str, ...]:
    return (f"--soak-iterations={iterations}", f"--soak-target={BOTS}:{bot}")


RUNS: Mapping[str, Run] = {
    "passing": Run(of("calm")),
    "failing": Run(of("failing"), code=1, verdict="FAIL"),
    "healed": Run(
        of("calm", 72),
        iterations=72,
        variables={"MM_RUNTIME_OVERRIDES_JSON": json.dumps({"concurrency_limit": 3.5})},
    ),
    "decaying": Run(of("decaying", 48), iterations=48, code=1, verdict="FAIL"),
    "long": Run((*of("calm", 864), "--soak-interval=300"), iterations=864),
    "lanes": Run(
        (
            *of("of_symbol"),
            "--soak-profile=steady,S1,ultra_safe",
            "--soak-symbol=BTCUSDT,ETHUSDT",
            "--soak-seed=1,2,3",
        ),
        lanes=18,
        code=1,
        verdict="FAIL",
    ),
    "eventful": Run(
        (*of("eventful", 40), "--soak-scenario=latency_spike@25"),
        iterations=40,
        code=1,
        verdict="FAIL",
        files={"conftest.py": EVENTFUL_CONFTEST, "test_bot.py": EVENTFUL_CHECK},
    ),
    "mock": Run(
        (
            "--soak-iterations=24",
            "--soak-mock",
            "--soak-interval=60",
            "--soak-scenario=flash_crash@9,throttle@14",
        ),
    ),
    "live": Run(
        (
            "--soak-iterations=10",
            "--soak-interval=0.3",
            "--soak-target=live",
            "--soak-profile=./small.yaml",
        ),
        iterations=10,
        verdict="WARN",
        has_live_bot=True,
    ),
    "short": Run(of("calm", 3), iterations=3, verdict="INCONCLUSIVE"),
    "ending": Run(of("ending"), verdict="INCONCLUSIVE"),
    "halted": Run(of("raising"), code=1, verdict="FAIL"),
    "killed": Run((*of("killed"), "--soak-seed=1,2,3"), lanes=3, code=9, verdict=""),
    "hostile": Run(
        ("--soak-iterations=12", "--soak-profile=./hostile.yaml", "--soak-strict"),
        iterations=12,
        code=1,
        verdict="FAIL",
        is_hostile=True,
    ),
}


def make_run(name: str, folder: Path) -> Path:
    """Run the session of that name in ``folder``; the directory of the run.

    Raises ``RuntimeError`` with the session's output if it ended with another exit code.
    """
    run = RUNS[name]
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in run.files.items():
        (folder / file).write_text(text, "utf-8")
    if run.has_live_bot:
        write_bot(folder)
        bot = folder / "bot.py"
        bot.write_text(bot.read_text("utf-8").replace("\ndef write():\n", CRASH), "utf-8")
    if run.is_hostile:
        write_hostile_run(folder)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *run.arguments],
        cwd=folder,
        env=_environment(run.variables),
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode != run.code:
        output = done.stdout.decode(errors="replace")[-4000:] + done.stderr.decode(errors="replace")
        raise RuntimeError(f"run {name}: exit code {done.returncode}, not {run.code}\n{output}")
    return folder / "artifacts" / "soak" / "latest"


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Without options of sessions in variables, and with this clone on the path of modules."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SOAK_", "MM_", "PYTEST_")) and name != "USE_MOCK"
    }
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**kept, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **variables}
