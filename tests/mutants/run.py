"""Applies each mutant to a copy of the package and shows which test kills it, and why.

    python -m tests.mutants.run              all of them, two at a time
    python -m tests.mutants.run pin NaN      those whose name has one of the words
    python -m tests.mutants.run --readme     and write the table into the README beside this file

A mutant is killed if each of its tests fails, and the error messages have the reason of the
mutant. Exit code 1: a survivor, a wrong reason, or a mutant that no longer applies.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.here import HERE
from tests.mutants.mutant import Mutant
from tests.mutants.mutants import MUTANTS

ROOT = Path(__file__).resolve().parents[2]
README = Path(__file__).with_name("README.md")
COPIED = ("pytest_soak", "profiles", "tests", "conftest.py", "pyproject.toml")
LONGEST_S = 300.0
"""Time limit for one mutant, in seconds."""
LONGEST_WHOLE_S = 1800.0
"""Time limit for all the tests without a mutant, in seconds."""
MARK = "```"


@dataclass(frozen=True)
class Result:
    """The result of one mutant; ``fault`` is empty if it was killed for the right reason."""

    mutant: Mutant
    seconds: float
    matched: str = ""
    fault: str = ""


def copy_to(folder: Path) -> Path:
    """A copy of the package and its tests in ``folder``, checked to be the one that is imported."""
    folder.mkdir()
    skipped = shutil.ignore_patterns("__pycache__", ".*")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=skipped)
        else:
            shutil.copy(source, folder / name)
    program = "import pytest_soak; print(pytest_soak.__file__)"
    imported = run([sys.executable, "-c", program], folder).stdout.strip()
    if not Path(imported).resolve().is_relative_to(folder.resolve()):
        raise SystemExit(f"{imported} is imported, not the copy in {folder}")
    return folder


def run(
    command: Sequence[str], folder: Path, longest_s: float = LONGEST_S
) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(
        list(command),
        cwd=folder,
        env={**kept, "PYTHONPATH": str(folder), HERE: str(folder), "COLUMNS": "500"},
        capture_output=True,
        text=True,
        timeout=longest_s,
        check=False,
    )


def pytest_in(
    folder: Path, tests: Sequence[str], *, mutated: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run the tests in the copy; if it is ``mutated``, the machines end at the first failure."""
    machines = mutated and any(test.startswith("tests/properties") for test in tests)
    return run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.mutants.here"),
            *("-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist"),
            *("-q", "-rfE", "--tb=short", "--show-capture=no"),
            *(["--hypothesis-profile=mutants"] if machines else []),
            *tests,
        ],
        folder,
        LONGEST_S if mutated else LONGEST_WHOLE_S,
    )


def applied(mutant: Mutant, text: str) -> str:
    """The mutated source. Raises ValueError if the mutant does not apply."""
    if text.count(mutant.old) != 1:
        raise ValueError(f"its text occurs {text.count(mutant.old)} times, not once")
    return text.replace(mutant.old, mutant.new)


def judged(mutant: Mutant, folder: Path) -> Result:
    """Run the tests of one mutant in this copy, and restore the copy afterwards."""
    began, path = time.monotonic(), folder / "pytest_soak" / mutant.file
    text = path.read_text("utf-8")
    compiled = Path(importlib.util.cache_from_source(str(path)))
    try:
        path.write_text(applied(mutant, text), "utf-8")
        compiled.unlink(missing_ok=True)
        done = pytest_in(folder, mutant.tests)
        fault, matched = verdict(mutant, done)
    except ValueError as error:
        fault, matched = f"NOT APPLIED: {error}", ""
    except subprocess.TimeoutExpired:
        fault, matched = f"NO ANSWER within {LONGEST_S:g} s", ""
    finally:
        path.write_text(text, "utf-8")
        compiled.unlink(missing_ok=True)
    return Result(mutant, time.monotonic() - began, matched, fault)


def verdict(mutant: Mutant, done: subprocess.CompletedProcess[str]) -> tuple[str, str]:
    """The fault, and the text that matched the reason."""
    if done.returncode not in (0, 1):
        return f"EXIT {done.returncode}: {' '.join((done.stdout + done.stderr).split())[-300:]}", ""
    failed = re.findall(r"^FAILED (\S+)", done.stdout, re.MULTILINE)
    alive = [test for test in mutant.tests if not any(line.startswith(test) for line in failed)]
    if alive:
        return f"SURVIVED {', '.join(map(short, alive))}", ""
    errors = "\n".join(re.findall(r"^E .*", done.stdout, re.MULTILINE))
    match = re.search(mutant.reason, errors)
    if match is None:
        return f"WRONG REASON: {' '.join(errors.split())[:300]}", ""
    shown = match.groupdict().get("shown")
    return "", f"oracle: {shown}" if shown else " ".join(match[0].split())


def short(test: str) -> str:
    """A test's own name, or the machine's."""
    return test.rpartition("::")[2] if "::" in test else MACHINES.get(test, test)


MACHINES = {
    "tests/properties/test_machine_guards.py": "GuardMachine",
    "tests/properties/test_machine_lane.py": "LaneMachine",
}


def table(results: Sequence[Result]) -> list[str]:
    """Aligned lines, within 100 columns if the names are short enough."""
    rows = [("mutant", "killed by", "s", "for the reason")]
    for result in results:
        tests = [clipped(short(test), 32) for test in result.mutant.tests]
        rows.append(
            (result.mutant.name, tests[0], f"{result.seconds:.1f}", clipped(result.matched, 20))
        )
        rows += [("", more, "", "") for more in tests[1:]]
        if result.fault:
            rows.append(("", f"  {result.fault}", "", ""))
    plain = [row for row in rows if not row[1].startswith("  ")]
    widths = [max(len(row[column]) for row in plain) for column in range(4)]
    return [
        f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}".rstrip()
        for row in rows
    ]


def clipped(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.run")
    parser.add_argument("words", nargs="*", help="only mutants whose name has one of these")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (2)")
    parser.add_argument("--readme", action="store_true", help="write the table into README.md")
    options = parser.parse_args()
    chosen = [
        mutant
        for mutant in MUTANTS
        if not options.words or any(word in mutant.name for word in options.words)
    ]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        copies: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for number in range(options.jobs):
            copies.put(copy_to(Path(temporary) / f"copy{number}"))

        def judge_in_a_copy(mutant: Mutant) -> Result:
            folder = copies.get()
            try:
                result = judged(mutant, folder)
            finally:
                copies.put(folder)
            print(f"{mutant.name}: {result.fault or 'killed'}", file=sys.stderr, flush=True)
            return result

        def whole() -> subprocess.CompletedProcess[str]:
            folder = copies.get()
            try:
                tests = sorted({test for mutant in chosen for test in mutant.tests})
                return pytest_in(folder, tests, mutated=False)
            finally:
                copies.put(folder)

        with ThreadPoolExecutor(options.jobs) as pool:
            unmutated = pool.submit(whole)
            results = list(pool.map(judge_in_a_copy, chosen))
            green = unmutated.result()
    faults = [result for result in results if result.fault]
    if green.returncode != 0:
        print(green.stdout[-6000:])
    lines = table(results)
    last = (
        f"{len(results) - len(faults)} of {len(results)} killed for the right reason; unmutated, "
        f"their tests {'pass' if green.returncode == 0 else 'FAIL'}"
    )
    print("\n".join([*lines, "", f"{last}; {time.monotonic() - began:.0f} s"]))
    if options.readme and not faults and green.returncode == 0:
        before, _, rest = README.read_text("utf-8").partition(MARK)
        after = rest.partition(MARK)[2]
        README.write_text(
            "\n".join([f"{before}{MARK}", *lines, "", last, f"{MARK}{after}"]), "utf-8"
        )
    return 1 if faults or green.returncode != 0 else 0


if __name__ == "__main__":
    sys.exit(main())
