"""The cost of the view of a run: of one that is read at once, and of one that is read on.

    python benchmarks/run_view.py [--iterations 5000] [--more 100]

``decode`` reads the journal alone, which no view can do without; it is the floor. ``cold`` reads,
judges and views a stored run; ``more`` reads and views so many further iterations of a running one.
CPU seconds, the best of three. Exit status 1 if ``cold`` takes more than 2 s or ``more`` more than
50 ms.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.verdicts import Decaying
from pytest_soak import run_lane
from pytest_soak.run_reader import RunReader
from pytest_soak.store.journal import read_journal
from pytest_soak.store.rundir import RunDirectory
from pytest_soak.stored_view import stored_view

COLD_S = 2.0
MORE_S = 0.05
_ROUNDS = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--iterations", type=int, default=5000)
    parser.add_argument("--more", type=int, default=100)
    arguments = parser.parse_args()
    iterations, more = arguments.iterations, arguments.more
    with tempfile.TemporaryDirectory() as folder:
        soak = Path(folder) / "soak"
        target = Decaying(1, 0.5, iterations + more, 0.0)
        run_lane(target, iterations=iterations + more, directory=soak)
        journal = soak / "latest" / "journal.jsonl"
        whole = journal.read_bytes().splitlines(keepends=True)
        decode = _best(lambda: read_journal(journal))
        cold = _best(lambda: stored_view(soak))
        rest = sum(b'"type":"decision"' in line for line in whole) - iterations
        on = min(_read_on(soak, journal, whole, iterations) for _ in range(_ROUNDS))
    print(f"iterations {iterations}, and {rest} more; journal {sum(map(len, whole)) / 1e6:.1f} MB")
    print(f"decode {decode:7.3f} CPU s")
    print(f"cold   {cold:7.3f} CPU s, {cold / decode:4.1f} x decode, at most {COLD_S:g} s")
    print(f"more   {on:7.3f} CPU s, {on / cold:6.3f} x cold, at most {MORE_S:g} s")
    return 0 if cold <= COLD_S and on <= MORE_S else 1


def _read_on(soak: Path, journal: Path, whole: list[bytes], iterations: int) -> float:
    """CPU seconds for reading and viewing what a running run adds after so many iterations."""
    decided = [place for place, line in enumerate(whole) if b'"type":"decision"' in line]
    end = decided[iterations]
    journal.write_bytes(b"".join(whole[:end]))
    reader = RunReader(RunDirectory.open(soak))
    reader.read()
    reader.view()
    with journal.open("ab") as stream:
        stream.write(b"".join(whole[end:]))
    began = time.process_time()
    reader.read()
    reader.view()
    return time.process_time() - began


def _best(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


if __name__ == "__main__":
    sys.exit(main())
