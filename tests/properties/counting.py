"""How long the machines run, and their counts, which are printed at the end of the session.

The machines (``test_machine_*.py``) take about a minute of two cores by default. The same command
draws the same machines. Together with other tests the draws differ, because hypothesis also draws
constants from the modules that are imported. With ``--hypothesis-profile=nightly`` the machines
take about an hour, with new seeds each time.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant

NIGHTLY, MUTANTS = "nightly", "mutants"
PLUGIN = "soak-machine-counts"

COUNTS: dict[str, dict[str, int]] = {}
"""Machine to its counts, in this process and in the workers that have ended."""

_PLAIN = settings(
    deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=True
)
settings.register_profile(NIGHTLY, _PLAIN, derandomize=False)
# It stops at the first failure.
settings.register_profile(
    MUTANTS, _PLAIN, derandomize=True, phases=[Phase.generate], report_multiple_bugs=False
)


def machine_settings(*, examples: int, nightly: int, steps: int) -> settings:
    """The settings of a machine: number of runs, of at most ``steps`` (nightly: twice as many)."""
    night, mutants = settings.get_profile(NIGHTLY), settings.get_profile(MUTANTS)
    if settings.default is night:
        return settings(night, max_examples=nightly, stateful_step_count=2 * steps)
    if settings.default is mutants:  # it ends at the first failure; more runs leave less to chance
        return settings(mutants, max_examples=2 * examples, stateful_step_count=steps)
    plain = settings(mutants, phases=tuple(Phase), report_multiple_bugs=True)
    return settings(plain, max_examples=examples, stateful_step_count=steps)


class CountedMachine(RuleBasedStateMachine):
    """Counts runs and steps; after each step :meth:`agree` must not raise."""

    def __init__(self) -> None:
        super().__init__()
        self.count("machines")

    @invariant()
    def holds(self) -> None:
        self.count("steps")
        self.agree()

    def agree(self) -> None:
        """Raises AssertionError if a property does not hold; runs after every step."""
        raise NotImplementedError

    def count(self, what: str, number: int = 1) -> None:
        add({type(self).__name__: {what: number}})


def add(others: Mapping[str, Mapping[str, int]]) -> None:
    for machine, theirs in others.items():
        counts = COUNTS.setdefault(machine, {})
        for what, number in theirs.items():
            counts[what] = counts.get(what, 0) + number


def lines() -> list[str]:
    """The counts as text: a paragraph for each machine, within 100 columns."""
    paragraphs = []
    for machine, counts in sorted(COUNTS.items()):
        first = [what for what in ("machines", "steps") if what in counts]
        rest = sorted(counts.keys() - set(first), key=lambda what: (-counts[what], what))
        text = ", ".join(f"{counts[what]:,} {what}" for what in (*first, *rest) if counts[what])
        paragraphs += textwrap.wrap(
            f"{machine}: {text}", width=100, subsequent_indent="  ", break_on_hyphens=False
        )
    return paragraphs


class Counts:
    """Sums the counts of the workers, and prints them."""

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[PLUGIN] = COUNTS

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        add(getattr(node, "workeroutput", {}).get(PLUGIN, {}))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in lines():
            terminalreporter.write_line(line)


def print_counts(config: pytest.Config) -> None:
    """Registers the printing of the counts; the controller needs it before its workers begin."""
    if not config.pluginmanager.hasplugin(PLUGIN):
        config.pluginmanager.register(Counts(), PLUGIN)
