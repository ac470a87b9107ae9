"""What a target says about the values in force: its echo, and what its reports belong by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pytest_soak.loop.model import Iteration
from pytest_soak.profile.parameter import Parameter, exact_in

BELONGS_BY = "belongs_by"
"""The field of a live target's report (docs/live.md)."""


def echo_text(parameters: Mapping[str, Parameter], iteration: Iteration) -> str:
    """``base_spread_bps 0.515 in force, 0.5 echoed; …`` of one iteration; empty if none differs."""
    return "; ".join(
        f"{key} {exact_in(parameters, key, iteration.values[key])} in force, {echoed} echoed"
        for key, echoed in iteration.echo_mismatch.items()
    )


def belonging_of(iterations: Sequence[Iteration]) -> dict[str, int]:
    """Why the reports of a live target are of the delivered parameters, to a number of iterations.

    ``applied_seq``: the bot names the delivery; ``replaced``: the report was replaced in time.
    """
    given = (item.report.get(BELONGS_BY) for item in iterations)
    return dict(sorted(Counter(value for value in given if isinstance(value, str)).items()))


def echo_lines(parameters: Mapping[str, Parameter], iterations: Sequence[Iteration]) -> list[str]:
    """One line for each key, with its first and last iteration and the number of iterations."""
    by_key: dict[str, list[Iteration]] = {}
    for iteration in iterations:
        for key in iteration.echo_mismatch:
            by_key.setdefault(key, []).append(iteration)
    return [_line(parameters, key, items) for key, items in by_key.items()]


def _line(parameters: Mapping[str, Parameter], key: str, items: Sequence[Iteration]) -> str:
    first, last = items[0], items[-1]
    text = f"{key}: in iteration {first.number} {_values(parameters, key, first)}"
    if last is not first:
        values = _values(parameters, key, last)
        text += f", in iteration {last.number} {values} ({len(items)} iterations)"
    return text


def _values(parameters: Mapping[str, Parameter], key: str, iteration: Iteration) -> str:
    given = exact_in(parameters, key, iteration.values[key])
    return f"{given} was in force and {iteration.echo_mismatch[key]} echoed"
