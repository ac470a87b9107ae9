"""Which code decides in a run, for people: the target's factory and the files of the hooks.

``run.json`` lists them under ``hooks``: ``{"hook", "file", "line"}`` each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

FACTORY = "--soak-target"
"""Stands in place of a hook's name for the factory that ``--soak-target=module:factory`` names."""

_LONGEST_LIST = 20


def source_lines(sources: Sequence[Mapping[str, Any]], target: str) -> list[str]:
    """``target: bot:make, bot.py:45`` and ``hooks: pytest_soak_gate conftest.py:12, …``."""
    places = [f"{source['file']}:{source['line']}" for source in sources]
    factories = [
        place for place, source in zip(places, sources, strict=True) if source["hook"] == FACTORY
    ]
    hooks = [
        f"{source['hook']} {place}"
        for place, source in zip(places, sources, strict=True)
        if source["hook"] != FACTORY
    ]
    more = len(hooks) - _LONGEST_LIST
    shown = ", ".join(hooks[:_LONGEST_LIST]) + (f" and {more} more" if more > 0 else "")
    return [
        *(f"target: {target}, {place}" for place in factories),
        *([f"hooks: {shown}"] if hooks else []),
    ]
