"""What the session prints: header and letters. Fits 100 columns, reads without colour."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from pytest_soak.canonical import escaped
from pytest_soak.loop.model import Verdict
from pytest_soak.report.eta import duration_text
from pytest_soak.report.layout import listed
from pytest_soak.report.sources import source_lines
from pytest_soak.session.plan import Plan
from pytest_soak.session.progress import carried
from pytest_soak.session.sources import Source
from pytest_soak.session.waiting import is_paced

WIDTH: Final = 100
_PROPOSE: Final = "pytest_soak_propose"
_MOST_NAMED: Final = 6
"""Lanes of a sweep that the header names; of more it names the first and the last."""
_LETTERS: Final = {
    Verdict.PASS: (".", "PASSED", {"green": True}),
    Verdict.WARN: ("w", "PASSED (warn)", {"yellow": True}),
    Verdict.INCONCLUSIVE: ("i", "PASSED (inconclusive)", {"yellow": True}),
    Verdict.FAIL: ("f", "PASSED (soft fail)", {"yellow": True}),
}


def header(
    plan: Plan,
    about_target: Sequence[str] = (),
    sources: Sequence[Source] = (),
    now: datetime | None = None,
    workers: int = 1,
) -> list[str]:
    """What was resolved, as the first lines of the session.

    With ``now``, and in a run that really waits, the planned end too: ``workers`` run one lane at
    a time each.
    """
    settings = plan.settings
    whole = duration_text(settings.iterations * settings.interval_s)
    modes = [
        name
        for name, on in (
            ("mock limits", settings.mock),
            ("sweep", bool(settings.sweep)),
            ("tuner off", not settings.tune),
            ("dry run", settings.dry_run),
            ("strict", settings.strict),
        )
        if on
    ]
    lines = [
        f"soak: {settings.iterations} iterations x {settings.interval_s:g} s ({whole}) "
        f"of target {plan.target}" + "".join(f", {mode}" for mode in modes)
    ]
    if settings.by_profile:
        names = listed(settings.by_profile)
        lines.append(f"soak: {names} by the section run of {', '.join(settings.profiles)}")
    ids = [item.lane.id for item in plan.lanes]
    if settings.sweep and len(ids) > _MOST_NAMED:
        ids = [*ids[:1], f".. {ids[-1]}"]
    lanes = ", ".join(ids)
    lines += textwrap.wrap(
        f"soak: {len(plan.lanes)} lane{'s' * (len(plan.lanes) > 1)}: {lanes}",
        WIDTH,
        subsequent_indent="      ",
        break_on_hyphens=False,
    )
    for item in plan.lanes if any(item.scenarios for item in plan.lanes) else ():
        text = f"soak: scenarios of {item.lane.id}: {', '.join(item.scenarios) or 'none'}"
        lines += textwrap.wrap(text, WIDTH, subsequent_indent="      ", break_on_hyphens=False)
    for line in (*_decided_by(plan, sources), *about_target, *end_lines(plan, now, workers)):
        text = f"soak: {line}"
        lines += textwrap.wrap(text, WIDTH, subsequent_indent="      ", break_on_hyphens=False)
    lines += _source_lines(plan, sources)
    if plan.run_id:
        done = sum(item.done for item in plan.lanes)
        planned = settings.iterations * len(plan.lanes)
        resumed = f" (resumed: {done} of {planned} iterations are done)" if settings.resume else ""
        lines.append(f"soak: run {plan.run_id}{resumed}")
    return list(map(escaped, lines))


def _decided_by(plan: Plan, sources: Sequence[Source]) -> list[str]:
    """The profiles, and what proposes changes of their parameters."""
    names = list(dict.fromkeys(item.lane.profile for item in plan.lanes))
    files = [source.file for source in sources if source.hook == _PROPOSE]
    proposer = f"{_PROPOSE} of {', '.join(dict.fromkeys(files))}" if files else "the rules"
    if not plan.settings.tune:
        proposer = "none (tuner off)"
    return [f"profile{'s' * (len(names) > 1)} {', '.join(names)}; proposer: {proposer}"]


def end_lines(plan: Plan, now: datetime | None, workers: int) -> list[str]:
    """When the session ends if each iteration takes its interval, in a run that really waits."""
    if now is None or not is_paced(plan):
        return []
    settings = plan.settings
    left = [settings.iterations - item.done for item in plan.lanes if not item.over]
    waves = max(max(left, default=0), -(-sum(left) // max(1, workers)))
    seconds = waves * settings.interval_s
    try:
        end = now + timedelta(seconds=seconds)
    except OverflowError:
        return []
    return [f"planned end {end:%Y-%m-%d %H:%M %Z}".rstrip() + f", in {duration_text(seconds)}"]


def _source_lines(plan: Plan, sources: Sequence[Source]) -> list[str]:
    lines: list[str] = []
    for line in source_lines([source.as_data() for source in sources], plan.target):
        text = f"soak: {line}"
        lines += textwrap.wrap(text, WIDTH, subsequent_indent="      ", break_on_hyphens=False)
    return lines


def begun(
    config: pytest.Config,
    planned: Plan,
    selected: Plan,
    warnings: Sequence[str],
    sources: Sequence[Source] = (),
) -> None:
    """What the collection added to the header: selected lanes, files of hooks, and warnings."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is None:
        return
    lines = _source_lines(planned, sources)
    if len(selected.lanes) < len(planned.lanes):
        ids = ", ".join(item.lane.id for item in selected.lanes)
        text = f"soak: {len(selected.lanes)} of {len(planned.lanes)} lanes selected: {ids}"
        lines += textwrap.wrap(text, WIDTH, subsequent_indent="      ", break_on_hyphens=False)
    if lines or warnings:
        reporter.ensure_newline()
    for line in lines:
        show(reporter, line)
    for warning in warnings:
        for line in f"soak: warning: {warning}".splitlines():
            show(reporter, line, yellow=True)


def status_of_item(report: pytest.TestReport) -> tuple[str, str, Any] | None:
    """Colours a passed check by the verdict of its iteration; it does not fail the item."""
    progress = carried(report)
    if progress is None or report.when != "call" or not report.passed:
        return None
    letter, word, markup = _LETTERS[Verdict(progress["verdict"])]
    return "passed", letter, (word, markup)


def show(reporter: pytest.TerminalReporter, line: str, **markup: bool) -> None:
    """Write one line. Whatever text of others is in it moves no cursor and begins no other line."""
    reporter.write_line(escaped(line), **markup)
