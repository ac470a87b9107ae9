"""Fewer points for a picture: the smallest and the largest value of each column of pixels."""

from __future__ import annotations

from collections.abc import Sequence

MOST_POINTS = 5_000
"""A picture of more points shows the extremes of each column instead."""


def extremes(
    numbers: Sequence[int], values: Sequence[float | None], columns: int
) -> tuple[list[int], list[float | None]]:
    """The smallest and the largest value of each of ``columns`` equal stretches of iterations.

    Both in the order in which they occur, with their iteration numbers. A stretch without any value
    has one null, so that a line through the points has a gap there. No value of the result is new,
    and no extreme is lost. Raises ValueError if there are no columns.
    """
    if columns < 1:
        raise ValueError(f"{columns} columns, at least 1 is needed")
    kept_numbers: list[int] = []
    kept_values: list[float | None] = []
    count = len(numbers)
    for column in range(min(columns, count)):
        first, end = column * count // columns, (column + 1) * count // columns
        if columns > count:
            first, end = column, column + 1
        present = [
            (value, place) for place in range(first, end) if (value := values[place]) is not None
        ]
        if not present:
            kept_numbers.append(numbers[first])
            kept_values.append(None)
            continue
        for place in sorted({min(present)[1], max(present)[1]}):
            kept_numbers.append(numbers[place])
            kept_values.append(values[place])
    return kept_numbers, kept_values


def drawn(
    numbers: Sequence[int], values: Sequence[float | None], columns: int
) -> tuple[list[int], list[float | None]]:
    """All points, or of more than ``MOST_POINTS`` the extremes of each column."""
    if len(numbers) <= MOST_POINTS:
        return list(numbers), list(values)
    return extremes(numbers, values, columns)
