"""Names in a run's reports that its profile does not know, for people; see ``loop.notices``."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_soak.loop.model import History
from pytest_soak.loop.notices import notices

MOST = 8
"""Names beyond this number are only counted."""


def notice_lines(histories: Sequence[History], most: int = MOST) -> list[str]:
    """A line for each unknown name, with the first iteration that had it, over all lanes."""
    first: dict[str, tuple[int, str]] = {}
    for history in histories:
        for text, number in notices(history).items():
            first.setdefault(text, (number, history.lane.id))
    several = len(histories) > 1
    lines = [
        f"{text}, first in iteration {number}" + (f" of {lane}" if several else "")
        for text, (number, lane) in first.items()
    ]
    rest = len(lines) - most
    return lines if rest <= 0 else [*lines[:most], f"and {rest} more names"]
