"""What the plugin costs, against pytest without it. Every figure is a ratio measured in one run.

    python benchmarks/overhead.py [--only PART,…] [--quick] [--dir DIR]

Parts: ``inert`` (an empty session), ``iteration`` (CPU of one iteration), ``memory``, ``resume``,
``xdist`` (four mock lanes on two workers), ``install`` (the first session after an install). The
exit code is 1 if a limit is exceeded.

CPU seconds are those of the whole process with its children, so that other processes of the machine
count less than in wall time. Runs that are compared follow one another. ``--dir`` (default: the
current directory) is where the runs write: its file system decides what an fsync costs.
"""

from __future__ import annotations

import argparse
import compileall
import hashlib
import importlib.util
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

FILES: Mapping[str, str] = {
    "pytest.ini": "[pytest]\n",
    "empty_plugin.py": "",
    "test_empty.py": "def test_empty(): pass\n",
    "test_bare.py": (
        "import os, pytest\n"
        "@pytest.mark.parametrize('n', range(int(os.environ['ITEMS'])))\n"
        "def test_bare(n): pass\n"
    ),
    "no_op.py": (
        "import os, signal\n"
        "class NoOp:\n"
        "    def run(self, iteration, runtime):\n"
        "        if iteration == int(os.environ.get('KILLED_IN', 0)):\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return {'totals': {}}\n"
        "def make(lane):\n"
        "    return NoOp()\n"
    ),
}
SOAK = ("-p", "pytest_soak.plugin")
NO_OP = (*SOAK, "--soak-target=no_op:make", "--soak-no-tune", "none")
MOCK = (*SOAK, "--soak-mock", "--soak-iterations=72", "none")
LINE_BYTES = 1024
"""About what one iteration adds to the journal, and the size of its summary."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process took, with the children that it waited for."""

    wall: float
    cpu: float
    peak_kib: float


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    measured: str
    limit: str = ""
    ok: bool | None = None
    """None for a figure without a limit."""


def at_most(name: str, value: float, limit: float, unit: str = "") -> Row:
    return Row(name, f"{value:.3f}{unit}", f"<= {limit:g}{unit}", value <= limit)


def at_least(name: str, value: float, limit: float) -> Row:
    return Row(name, f"{value:.3f}", f">= {limit:g}", value >= limit)


class Bench:
    """Runs pytest in a folder with the files of the benchmark."""

    def __init__(self, folder: Path, *, quick: bool) -> None:
        self.folder = folder
        self.quick = quick
        (folder / "none").mkdir()
        for name, text in FILES.items():
            (folder / name).write_text(text, "utf-8")

    def start(
        self, *arguments: str, directory: str = "artifacts", **environment: str
    ) -> Callable[[], Usage]:
        """Begins a session, and returns what waits for its end."""
        variables = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment}
        for name in ("PYTEST_ADDOPTS", "SOAK_ITERATIONS", "SOAK_HOURS", "USE_MOCK", "MM_PROFILE"):
            variables.pop(name, None)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        if "pytest_soak.plugin" in arguments:
            command.append(f"--soak-dir={directory}")
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=self.folder, env=variables, stdout=subprocess.DEVNULL
        )

        def ended() -> Usage:
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            # 1: the gate does not pass a target that reports nothing.
            if process.returncode not in (0, 1, -signal.SIGKILL if "KILLED_IN" in variables else 0):
                raise SystemExit(f"{' '.join(command)} exited {process.returncode}")
            return Usage(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)

        return ended

    def run(self, *arguments: str, directory: str = "artifacts", **environment: str) -> Usage:
        return self.start(*arguments, directory=directory, **environment)()

    def bare(self, items: int) -> Usage:
        return self.run("test_bare.py", ITEMS=str(items))

    def soak(self, iterations: int) -> Usage:
        return self.run(*NO_OP, f"--soak-iterations={iterations}")


def file_floor(folder: Path, count: int) -> float:
    """CPU seconds of what an iteration cannot do without: one append and one atomic replace.

    The append is synced; the replace is a temporary file, fsync, rename, fsync of the directory,
    and the file read back.
    """
    data = os.urandom(LINE_BYTES // 2).hex().encode()
    journal, target, temporary = (str(folder / name) for name in ("floor", "file", "file.tmp"))
    descriptor = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    began = time.process_time()
    for _ in range(count):
        os.write(descriptor, data)
        getattr(os, "fdatasync", os.fsync)(descriptor)
        new = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.write(new, data)
        os.fsync(new)
        os.close(new)
        os.replace(temporary, target)  # noqa: PTH105 - the floor has no Path in it
        directory = os.open(folder, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
        again = os.open(target, os.O_RDONLY)
        hashlib.sha256(os.read(again, len(data) + 1)).hexdigest()
        os.close(again)
    took = time.process_time() - began
    os.close(descriptor)
    return took / count


def inert(bench: Bench) -> Iterator[Row]:
    """One empty test: this plugin, which is off, against an empty one."""
    ratios = []
    for number in range((5 if bench.quick else 15) + 1):
        ours = bench.run(*SOAK, "test_empty.py")
        floor = bench.run("-p", "empty_plugin", "test_empty.py")
        if number:  # the first pair warms the caches
            ratios.append((ours.wall / floor.wall, ours.cpu / floor.cpu))
    wall, cpu = (statistics.median(column) for column in zip(*ratios, strict=True))
    yield Row("inert session / empty plugin, wall", f"{wall:.3f}")
    yield at_most("inert session / empty plugin, CPU", cpu, 1.06)


def iteration(bench: Bench) -> Iterator[Row]:
    """One iteration of a no-op target against a bare parametrized item, in CPU.

    Of several rounds the cheapest counts: whatever else runs on the machine makes a round dearer,
    never cheaper.
    """
    items, rounds = (500, 3) if bench.quick else (2000, 5)
    figures = [
        (
            bench.soak(items).cpu,
            bench.soak(1).cpu,
            bench.bare(items).cpu,
            bench.bare(1).cpu,
            file_floor(bench.folder, 100),
        )
        for _ in range(rounds)
    ]
    soak, soak_start, many, bare_start, floor = map(min, zip(*figures, strict=True))
    ours, bare = (soak - soak_start) / (items - 1), (many - bare_start) / (items - 1)
    yield Row(f"an iteration of {items}, no-op target, CPU", f"{1000 * ours:.3f} ms")
    yield Row("a bare parametrized item, CPU", f"{1000 * bare:.3f} ms")
    yield Row("floor: synced append and atomic replace, CPU", f"{1000 * floor:.3f} ms")
    yield Row("(iteration - floor) / bare item", f"{(ours - floor) / bare:.3f}")
    yield at_most(
        "the plugin's part: (iteration - bare item - floor) / bare item",
        (ours - bare - floor) / bare,
        0.7,
    )


def memory(bench: Bench) -> Iterator[Row]:
    """Peak memory that one more iteration takes, above that of a bare parametrized item."""
    few, many = (200, 1000) if bench.quick else (500, 2500)
    ours = (bench.soak(many).peak_kib - bench.soak(few).peak_kib) / (many - few)
    bare = (bench.bare(many).peak_kib - bench.bare(few).peak_kib) / (many - few)
    yield Row(f"memory of an iteration, {few} to {many}", f"{ours:.2f} KiB")
    yield Row("memory of a bare item", f"{bare:.2f} KiB")
    yield at_most("memory of an iteration above a bare item", ours - bare, 6.0, " KiB")


def resume(bench: Bench) -> Iterator[Row]:
    """A run that was killed in its last iteration, resumed.

    The resumed session reads the journal back, runs the one iteration that is left, judges the
    whole run, and writes its artifacts. It is compared with a run that was not interrupted.
    """
    items = 1000 if bench.quick else 5000
    plan = (*NO_OP, f"--soak-iterations={items}")
    whole = bench.run(*plan, directory="whole")
    bench.run(*plan, directory="killed", KILLED_IN=str(items))
    # A session of one iteration has the imports, and no journal to read.
    start = bench.run(*NO_OP, "--soak-iterations=1")
    resumed = bench.run(*plan, "--soak-resume", directory="killed")
    yield Row(f"a run of {items} iterations, CPU", f"{whole.cpu:.2f} s")
    yield Row("a session of one iteration, CPU", f"{start.cpu:.2f} s")
    yield Row(f"--soak-resume in iteration {items}, CPU", f"{resumed.cpu:.2f} s")
    yield at_most("--soak-resume / the run, CPU", resumed.cpu / whole.cpu, 0.1)


def xdist(bench: Bench) -> Iterator[Row]:
    """Four mock lanes of 72 iterations: one process, two workers, and two processes.

    The last is what the machine can give at most. Of several rounds the quickest counts: whatever
    else runs on the machine makes a round slower, never quicker.
    """
    if importlib.util.find_spec("xdist") is None:
        yield Row("four mock lanes on two workers", "no xdist")
        return
    lanes = "--soak-seed=1,2,3,4"
    workers = ("-p", "xdist", "-n", "2")
    single, both, halves = [], [], []
    for _ in range(1 if bench.quick else 3):
        single.append(bench.run(*MOCK, lanes))
        both.append(bench.run(*MOCK, lanes, *workers))
        began = time.perf_counter()
        first = bench.start(*MOCK, "--soak-seed=1,2", directory="first")
        second = bench.start(*MOCK, "--soak-seed=3,4", directory="second")
        first(), second()
        halves.append(time.perf_counter() - began)
    wall, cpu = min(item.wall for item in single), min(item.cpu for item in single)
    yield Row("four mock lanes x 72, one process, CPU", f"{cpu:.2f} s")
    in_both = min(item.cpu for item in both)
    yield Row("the same on two workers, CPU of all three processes", f"{in_both:.2f} s")
    yield Row("two independent processes / one, wall", f"{wall / min(halves):.3f}")
    yield at_least("two workers / one process, wall", wall / min(item.wall for item in both), 1.8)


def install(bench: Bench) -> Iterator[Row]:
    """The first session after an install, for which pytest has no rewritten modules yet.

    A copy of the package as an installer leaves it: compiled, and never imported.
    """
    spec = importlib.util.find_spec("pytest_soak")
    if spec is None or spec.origin is None:
        raise SystemExit("pytest_soak is not importable")
    source = Path(spec.origin).parent
    inert_ratios, soak_ratios = [], []
    for number in range(1 if bench.quick else 3):
        copy = bench.folder / f"installed{number}"
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, copy / "pytest_soak", ignore=ignored)
        with suppress(FileNotFoundError):
            shutil.copytree(source.parent / "profiles", copy / "profiles")
        compileall.compile_dir(copy, quiet=1)
        where = {"PYTHONPATH": str(copy)}
        first = [
            bench.run(*SOAK, "test_empty.py", **where).cpu,
            bench.run(*NO_OP, "--soak-iterations=1", **where).cpu,
        ]
        later = [
            bench.run(*SOAK, "test_empty.py", **where).cpu,
            bench.run(*NO_OP, "--soak-iterations=1", **where).cpu,
        ]
        inert_ratios.append(first[0] / later[0])
        soak_ratios.append(first[1] / later[1])
    yield Row(
        "first inert session after an install / the next, CPU",
        f"{statistics.median(inert_ratios):.3f}",
    )
    yield Row(
        "first soak after an install / the next, CPU", f"{statistics.median(soak_ratios):.3f}"
    )


PARTS: Mapping[str, Callable[[Bench], Iterator[Row]]] = {
    "inert": inert,
    "iteration": iteration,
    "memory": memory,
    "resume": resume,
    "xdist": xdist,
    "install": install,
}


def shown(row: Row) -> str:
    verdict = {None: "", True: "ok", False: "over"}[row.ok]
    return f"{row.name:<64} {row.measured:>11}  {row.limit:>11}  {verdict}".rstrip()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", metavar="PART,…", default=",".join(PARTS), help="these parts")
    parser.add_argument("--quick", action="store_true", help="fewer items and rounds")
    parser.add_argument("--dir", type=Path, default=Path.cwd(), help="where the runs write")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.only.split(",") if name not in PARTS]
    if unknown:
        parser.error(f"--only: no part {', '.join(unknown)}; the parts are {', '.join(PARTS)}")
    print(f"{'':<64} {'measured':>11}  {'limit':>11}")
    exceeded = False
    for name in options.only.split(","):
        # Each part in a folder of its own: the files of the last one cost the next one nothing.
        with tempfile.TemporaryDirectory(dir=options.dir, prefix="overhead-") as folder:
            for row in PARTS[name](Bench(Path(folder), quick=options.quick)):
                print(shown(row), flush=True)
                exceeded |= row.ok is False
    return int(exceeded)


if __name__ == "__main__":
    sys.exit(main())
