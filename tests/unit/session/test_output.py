"""Which style a session has: letters, a line per iteration, or a status line."""

from __future__ import annotations

import sys

import pytest

from pytest_soak.session.output import Style, style_of

TERMINAL = {"TERM": "xterm-256color"}


@pytest.mark.parametrize(
    ("verbosity", "is_terminal", "captures", "environment", "style"),
    [
        (0, True, True, TERMINAL, Style.STATUS),
        (1, True, True, TERMINAL, Style.STATUS),
        (2, True, True, TERMINAL, Style.STATUS),
        (0, True, True, {**TERMINAL, "NO_COLOR": "1"}, Style.STATUS),
        (0, True, True, {**TERMINAL, "CI": ""}, Style.STATUS),
        (-1, True, True, TERMINAL, Style.LETTERS),
        (-2, False, True, TERMINAL, Style.LETTERS),
        (0, False, True, TERMINAL, Style.LINES),
        (0, True, False, TERMINAL, Style.LINES),
        (0, True, True, {"TERM": "dumb"}, Style.LINES),
        (0, True, True, {**TERMINAL, "CI": "true"}, Style.LINES),
        (0, True, True, {**TERMINAL, "BUILD_NUMBER": "7"}, Style.LINES),
    ],
)
def test_the_style_of_a_session(
    verbosity: int, is_terminal: bool, captures: bool, environment: dict[str, str], style: Style
) -> None:
    given = style_of(verbosity, is_terminal=is_terminal, captures=captures, environment=environment)
    if sys.platform == "win32" and style is Style.STATUS:
        style = Style.LINES
    assert given is style
