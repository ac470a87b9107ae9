"""What the plugin costs: an inert session, and one iteration. Ratios measured in one run.

    python benchmarks/overhead.py [--pairs 15] [--items 2000] [--dir DIR]

Every pair runs both sides one after the other, so that a slow moment of the machine hits both; the
median of the pairs' ratios is printed with its quartiles. Durable writes go to ``--dir`` (default:
the current directory), whose file system decides what an fsync costs.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

NO_OP = """
class NoOp:
    def run(self, iteration, runtime):
        return {"totals": {}}
def make(lane):
    return NoOp()
"""


def timed(arguments: Sequence[str], folder: Path) -> tuple[float, float]:
    """Wall and CPU seconds of one pytest process."""
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    for name in ("PYTEST_ADDOPTS", "SOAK_ITERATIONS", "SOAK_HOURS", "USE_MOCK", "MM_PROFILE"):
        environment.pop(name, None)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise SystemExit(f"pytest {' '.join(arguments)} exited {done.returncode}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


def shown(name: str, ratios: Sequence[float], goal: str) -> str:
    low, median, high = statistics.quantiles(ratios, n=4)
    return f"{name:<44} {median:6.3f}   ({low:.3f} .. {high:.3f}, {len(ratios)} pairs)   {goal}"


def inert(folder: Path, pairs: int) -> list[str]:
    """One empty test: this plugin against an empty one."""
    wall, cpu = [], []
    for number in range(pairs + 1):
        ours = timed(["-p", "pytest_soak.plugin", "test_empty.py"], folder)
        floor = timed(["-p", "empty_plugin", "test_empty.py"], folder)
        if number:  # the first pair warms the caches
            wall.append(ours[0] / floor[0])
            cpu.append(ours[1] / floor[1])
    return [
        shown("inert session / empty plugin, wall", wall, "at most 1.06"),
        shown("inert session / empty plugin, CPU", cpu, "at most 1.06"),
    ]


def iteration(folder: Path, pairs: int, items: int) -> list[str]:
    """One iteration of a no-op target, journal synced, against a bare parametrized item."""
    soak = ["-p", "pytest_soak.plugin", "--soak-target=no_op:make", "--soak-no-tune"]
    ratios, ours_ms, bare_ms = [], [], []
    for _ in range(pairs):
        ours = timed([*soak, f"--soak-iterations={items}", "none"], folder)[0]
        ours -= timed([*soak, "--soak-iterations=1", "none"], folder)[0]
        os.environ["ITEMS"] = str(items)
        bare = timed(["test_bare.py"], folder)[0]
        os.environ["ITEMS"] = "1"
        bare -= timed(["test_bare.py"], folder)[0]
        ratios.append(ours / bare)
        ours_ms.append(1000 * ours / (items - 1))
        bare_ms.append(1000 * bare / (items - 1))
    return [
        shown(f"iteration / bare item, wall, {items} items", ratios, "aim: below 5"),
        f"  iteration {statistics.median(ours_ms):.3f} ms, bare item "
        f"{statistics.median(bare_ms):.3f} ms",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument("--dir", type=Path, default=Path.cwd())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir, prefix="overhead-") as name:
        folder = Path(name)
        (folder / "pytest.ini").write_text("[pytest]\n", "utf-8")
        (folder / "empty_plugin.py").write_text("", "utf-8")
        (folder / "test_empty.py").write_text("def test_empty(): pass\n", "utf-8")
        (folder / "no_op.py").write_text(NO_OP, "utf-8")
        (folder / "none").mkdir()
        (folder / "test_bare.py").write_text(
            "import os, pytest\n"
            "@pytest.mark.parametrize('n', range(int(os.environ['ITEMS'])))\n"
            "def test_bare(n): pass\n",
            "utf-8",
        )
        for line in inert(folder, options.pairs):
            print(line, flush=True)
        for line in iteration(folder, max(3, options.pairs // 5), options.items):
            print(line, flush=True)


if __name__ == "__main__":
    main()
