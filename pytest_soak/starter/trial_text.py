"""What ``init`` prints about files, and about the KPIs of the two dry iterations. Pure."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence, Sized

from pytest_soak.canonical import escaped
from pytest_soak.loop.model import Reading
from pytest_soak.report.layout import cut, limit_of
from pytest_soak.report.trends import is_outside
from pytest_soak.starter.draft import Draft
from pytest_soak.starter.folder import NewFile

_WIDTH = 100
_NAME_WIDTH = 32
_MOST_MISSING_LINES = 40
_MODULE = re.compile(r"^(?:\w+\.)+(?=\w+: )")
"""Before the name of an exception."""


def files_text(folder: str, files: Sequence[NewFile]) -> list[str]:
    width = max(len(file.name) for file in files)
    return [f"written to {folder}:", *(f"  {file.name:<{width}}  {file.about}" for file in files)]


def kpis_text(draft: Draft, readings: Mapping[str, Reading]) -> list[str]:
    """One line a KPI: its value, or why there is none. Those without data come first."""
    names = [figure.name for figure in draft.figures]
    width = min(max(map(len, names)), _NAME_WIDTH)
    limits = {figure.name: figure.limit for figure in draft.figures}
    missing = missing_of(draft, readings)
    rows = [f"  {'KPI':<{width}}  {'value':>12}  limit"]
    for name in [*missing, *(name for name in names if name not in missing)]:
        reading = readings.get(name)
        shown = f"  {cut(name, width):<{width}}  "
        if reading is None or reading.value is None:
            why = "nothing was measured" if reading is None else reading.why or "it has no data"
            rows.append(cut(f"{shown}{'no data':>12}  {escaped(why)}", _WIDTH))
        else:
            rows.append(f"{shown}{reading.value:>12.6g}  {_limit(limits[name], reading.value)}")
    if len(rows) > _MOST_MISSING_LINES:
        rows = [*rows[:_MOST_MISSING_LINES], f"  and {len(rows) - _MOST_MISSING_LINES} more KPIs"]
    count = len(names) - len(missing)
    have = "has" if len(names) == 1 else "have"
    return [f"{count} of {counted(names, 'KPI')} {have} a value:", *rows]


def ended_early_text(problem: str, output: Iterable[str]) -> list[str]:
    """Why the session ended, and what it printed about that beside the same sentence."""
    text = escaped(" ".join(problem.split()))
    lines = textwrap.wrap(f"the session ended early: {text}", _WIDTH, subsequent_indent="  ")
    for line in map(str.rstrip, output):
        if _MODULE.sub("", line.strip()) not in problem:
            lines += textwrap.wrap(
                escaped(line), _WIDTH, initial_indent="    ", subsequent_indent="        "
            )
    return lines


def _limit(text: str, value: float) -> str:
    """The limit; one that the figure is beyond was made from a sample that was not typical."""
    limit = limit_of(text)
    beyond = limit is not None and is_outside(limit, value)
    return f"{text or '-'}{'  the value is beyond it: edit it' if beyond else ''}"


def counted(items: Sized, noun: str) -> str:
    """``1 KPI``, ``2 KPIs``."""
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"


def missing_of(draft: Draft, readings: Mapping[str, Reading]) -> list[str]:
    """The KPIs without a value, in the order of the profile."""
    return [
        figure.name
        for figure in draft.figures
        if (reading := readings.get(figure.name)) is None or reading.value is None
    ]
