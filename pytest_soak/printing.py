"""What the commands print. Texts of others move no cursor."""

from __future__ import annotations

import json
import sys
from typing import Any


class CommandError(Exception):
    """The command cannot be carried out; the message is for people."""


def print_json(value: Any) -> None:
    from pytest_soak.canonical import printable_json

    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    print(printable_json(text))


def show(text: str, end: str = "\n") -> None:
    """Print lines, in which the texts of others move no cursor."""
    from pytest_soak.canonical import escaped_lines

    print(escaped_lines(text), end=end)


def note(line: str) -> None:
    """Print one line to stderr."""
    from pytest_soak.canonical import escaped

    print(escaped(line), file=sys.stderr)
