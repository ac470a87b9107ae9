"""The files beside the profile of a new soak: target, check, options, CI job. Pure."""

from __future__ import annotations

import pprint
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from pytest_soak.starter.fields import Steps

INI = "[pytest]\nsoak_profile = ./soak.yaml\n"

CHECK = '''\
"""Checks: each runs in every iteration, and a failure fails the session (docs/checks.md)."""


def test_the_service_reports_figures(soak_iteration):
    """EDIT: whatever must hold in each iteration. On average: the gate in soak.yaml."""
    assert any(value is not None for value in soak_iteration.kpis.values())
'''

WORKING_TARGET = '''\
"""The target of the soak. Begun by pytest-soak init; edit what says EDIT (docs/targets.md)."""

import time


def work(runtime):
    """EDIT: one unit of what your service does, with the parameters in force."""
    sum(number * number for number in range(1000 * runtime["service"]["batch"]))


class Service:
    """Works for one interval after another, and measures each unit of work."""

    def __init__(self, lane):
        self.interval_s = lane.interval_s

    def run(self, iteration, runtime):
        times_ms, errors = [], 0
        end = time.monotonic() + self.interval_s
        while not times_ms or time.monotonic() < end:
            begin = time.perf_counter()
            try:
                work(runtime)
            except Exception:
                errors += 1
            times_ms.append(1000 * (time.perf_counter() - begin))
        times_ms.sort()
        p95_ms = times_ms[int(0.95 * len(times_ms))]
        return {"totals": {"p95_ms": p95_ms, "error_ratio": errors / len(times_ms)}}


def pytest_soak_target(lane):
    return Service(lane)
'''

_OPEN_TARGET = '''\
"""The target of the soak. Begun by pytest-soak init; edit what says EDIT (docs/targets.md)."""

import time


class Service:
    """Works for one interval after another, and reports the figures of each."""

    def __init__(self, lane):
        self.interval_s = lane.interval_s

    def run(self, iteration, runtime):
        time.sleep(self.interval_s)  # EDIT: your service works with the parameters in `runtime`
        # EDIT: the figures of this interval, where REPORT.json has them. None, not 0, without one.
        return FIGURES


def pytest_soak_target(lane):
    return Service(lane)
'''

_JOB = """\
# A soak for each pull request and each night. Begun by pytest-soak init (docs/ci.md).
name: soak
on:
  pull_request:
  schedule:
    - cron: "17 3 * * *"
permissions:
  contents: read
jobs:
  soak:
    runs-on: ubuntu-latest
    timeout-minutes: 30
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: pip install pytest-soak
START      - name: Soak
        run: >-
          pytest --soak --soak-profile=./soak.yaml
          --junitxml=junit.xml -o junit_family=xunit1
      - name: Explain a failure
        if: failure()
        run: pytest-soak explain artifacts/soak/latest
      - name: Keep the run
        if: always()
        uses: actions/upload-artifact@v4
        with:
          name: soak-${{ github.job }}-${{ github.run_attempt }}
          path: |
            artifacts/soak/latest
            junit.xml
          if-no-files-found: warn
"""


def target_of(paths: Iterable[Steps]) -> str:
    """A conftest whose target reports None at each path: the figures are the user's to fill in."""
    figures: dict[str, Any] = {}
    for path in paths:
        _put_none(figures, path)
    if "totals" not in figures:  # the sample may have it without a figure, or not at all
        figures = {"totals": {}, **figures}
    text = pprint.pformat(figures, width=80, sort_dicts=False).replace("\n", "\n" + " " * 15)
    return _OPEN_TARGET.replace("FIGURES", text)


def job(*, starts_service: bool) -> str:
    """The CI job; ``starts_service``: the session starts the service, or it is Python code."""
    start = "      # EDIT: install and start the service here, and wait until it answers.\n"
    return _JOB.replace("START", "" if starts_service else start)


def _put_none(figures: Any, path: Steps) -> None:
    node = figures
    for step, following in pairwise(path):
        empty: Any = [] if isinstance(following, int) else {}
        node = _entered(node, step, empty)
    _entered(node, path[-1], None)


def _entered(node: Any, step: str | int, empty: Any) -> Any:
    """What is at ``step``, which is made ``empty`` if there is nothing yet."""
    if isinstance(step, int):
        node.extend([None] * (step + 1 - len(node)))
        if node[step] is None:
            node[step] = empty
    else:
        node.setdefault(step, empty)
    return node[step]
