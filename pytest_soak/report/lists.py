"""Lists that stay short: items beyond a number are counted, and like reasons are one item."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pytest_soak.gate.figures import figure
from pytest_soak.loop.model import Iteration, Verdict
from pytest_soak.profile.model import Profile
from pytest_soak.report.layout import spans, times

MOST = 20
"""Items of a list in a file."""
_REASON = re.compile(r"(\S+) ([-+]?[0-9][0-9.]*(?:e[-+]?[0-9]+)?) ([<>].*)", re.DOTALL)
"""``net_bps 0.12 < 2``: a KPI, its value and the limit that it is beyond."""


def bounded(lines: Sequence[str], most: int = MOST) -> list[str]:
    """The first ``most`` items of a Markdown list, and how many more there are."""
    rest = len(lines) - most
    return list(lines) if rest <= 0 else [*lines[:most], f"- and {rest} more"]


def names(items: Sequence[str], most: int = 6) -> str:
    """``a, b and 4 more``."""
    rest = len(items) - most
    return ", ".join(items[:most]) + (f" and {rest} more" if rest > 0 else "")


def iterations_text(numbers: Iterable[int]) -> str:
    """``iteration 4``, ``iterations 4-6, 9``."""
    unique = sorted(set(numbers))
    return f"iteration{'s' * (len(unique) > 1)} {spans(unique)}"


def grouped_reasons(items: Iterable[Iteration], profile: Profile) -> list[str]:
    """``net_bps < 2: 8 times, worst 0.120``: like reasons of iterations, the commonest first."""
    values: dict[str, list[float]] = {}
    others: dict[str, int] = {}
    alone: dict[str, str] = {}
    for item in items:
        for reason in item.reasons:
            match = _REASON.fullmatch(reason)
            if match is not None and match[1] in profile.kpis:
                limit = f"{match[1]} {match[3]}"
                values.setdefault(limit, []).append(float(match[2]))
                alone[limit] = reason
            else:
                others[reason] = others.get(reason, 0) + 1
    texts = [
        (len(given), _group_text(limit, given) if len(given) > 1 else alone[limit])
        for limit, given in values.items()
    ]
    texts += [
        (count, f"{reason}: {times(count)}" if count > 1 else reason)
        for reason, count in others.items()
    ]
    return [text for _, text in sorted(texts, key=lambda item: -item[0])]


def _group_text(limit: str, values: Sequence[float]) -> str:
    return f"{limit}: {times(len(values))}, worst {figure(_worst(limit, values))}"


def _worst(limit: str, values: Sequence[float]) -> float:
    """The value farthest beyond the limit: the smallest for ``net_bps < 2``."""
    return min(values) if limit.partition(" ")[2].startswith("<") else max(values)


def stretches(iterations: Iterable[Iteration], verdict: Verdict) -> list[tuple[Iteration, ...]]:
    """The iterations with this verdict, those in a row together."""
    grouped: list[list[Iteration]] = []
    for item in iterations:
        if item.verdict is not verdict:
            continue
        if grouped and grouped[-1][-1].number == item.number - 1:
            grouped[-1].append(item)
        else:
            grouped.append([item])
    return [tuple(group) for group in grouped]
