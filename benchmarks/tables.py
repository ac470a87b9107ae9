"""Shared by the tables over many seeds: their options, and the exit code of their aims."""

from __future__ import annotations

import argparse
from collections.abc import Iterable


def options_of(description: str | None, *, seeds: int) -> argparse.ArgumentParser:
    """A parser with the options of these tables; ``seeds`` is the default of lanes per row."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=seeds, help="lanes per row")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--profile", default="steady", help="a name, or a path to a YAML file")
    parser.add_argument("--processes", type=int, default=2)
    return parser


def exit_code_of(aims: Iterable[tuple[bool, str]]) -> int:
    """Prints a line for each aim; returns 0 if all are met, else 1."""
    verdicts = list(aims)
    for met, text in verdicts:
        print(f"{'met' if met else 'NOT met':<8}{text}")
    return 0 if all(met for met, _ in verdicts) else 1
