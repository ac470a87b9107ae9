"""Texts on differences between the values that a target echoed and the values in force."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_soak.loop.model import Iteration


def echo_text(iteration: Iteration) -> str:
    """``base_spread_bps 0.515 in force, 0.5 echoed; …`` of one iteration; empty if none differs."""
    return "; ".join(
        f"{key} {iteration.values[key]:.12g} in force, {echoed} echoed"
        for key, echoed in iteration.echo_mismatch.items()
    )


def echo_lines(iterations: Sequence[Iteration]) -> list[str]:
    """One line for each key, with its first and last iteration and the number of iterations."""
    by_key: dict[str, list[Iteration]] = {}
    for iteration in iterations:
        for key in iteration.echo_mismatch:
            by_key.setdefault(key, []).append(iteration)
    return [_line(key, items) for key, items in by_key.items()]


def _line(key: str, items: Sequence[Iteration]) -> str:
    first, last = items[0], items[-1]
    text = f"{key}: in iteration {first.number} {_values(key, first)}"
    if last is not first:
        text += f", in iteration {last.number} {_values(key, last)} ({len(items)} iterations)"
    return text


def _values(key: str, iteration: Iteration) -> str:
    return f"{iteration.values[key]:.12g} was in force and {iteration.echo_mismatch[key]} echoed"
