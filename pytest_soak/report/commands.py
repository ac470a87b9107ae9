"""The commands with which a reader of a report goes on, for the directory of the report."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from pytest_soak.report.markdown import code


def explain_commands(
    iterations: Iterable[int], lane: str = "", *, several: bool = False, directory: str = "."
) -> list[str]:
    """``pytest-soak explain .`` of a lane, and of the iterations to look at."""
    which = f" --lane {shlex.quote(lane)}" if several else ""
    commands = [f"pytest-soak explain {shlex.quote(directory)}{which}"]
    commands += [f"{commands[0]} --iteration {number}" for number in dict.fromkeys(iterations)]
    return commands


def command_lines(commands: Sequence[str]) -> list[str]:
    """A list of commands, with where to call them."""
    return ["In the directory of this file:", "", *(f"- {code(text)}" for text in commands)]
