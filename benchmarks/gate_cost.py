"""The cost of judging a lane of 5,000 iterations like those of the mock market, in CPU seconds.

    python benchmarks/gate_cost.py [--iterations 5000]

``judge`` is all criteria of one lane; ``read`` is the fold of its journal, which comes first. Exit
status 1 if judging takes more than 1 CPU second.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.driving import drive, lane_of
from benchmarks.verdicts import Decaying, shipped
from pytest_soak.gate.judge import judge_lane
from pytest_soak.loop.history import read_history

MOST_S = 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--iterations", type=int, default=5000)
    iterations = parser.parse_args().iterations
    profile = shipped()
    target = Decaying(1, 0.5, iterations, 0.0)
    journal = drive(lane_of(profile, 1, iterations), profile, target).journal
    began = time.process_time()
    history = read_history(journal)
    read = time.process_time() - began
    began = time.process_time()
    judgement = judge_lane(history)
    judge = time.process_time() - began
    print(f"iterations {iterations}, criteria {len(judgement.criteria)}, {judgement.verdict}")
    print(f"read   {read:6.2f} CPU s")
    print(f"judge  {judge:6.2f} CPU s, at most {MOST_S:g}")
    return 0 if judge <= MOST_S else 1


if __name__ == "__main__":
    sys.exit(main())
