"""How the shapes of a picture look where no style sheet is applied: in mail, in Jenkins.

A style sheet wins over these attributes. Colours are those of the light page.
"""

from __future__ import annotations

from collections.abc import Mapping

FONT = "DejaVu Sans, Verdana, Arial, sans-serif"
_INK, _FAINT, _RULE, _PAPER = "#1b1f24", "#57606a", "#d5dbe1", "#fff"
_DATA, _STEP = "#0072b2", "#5b3a8c"
_PASS, _WARN, _INCONCLUSIVE, _FAIL = "#0b6b4b", "#855300", "#5d5375", "#b23600"


def _line(colour: str, width: float, more: str = "") -> str:
    return f'fill="none" stroke="{colour}" stroke-width="{width:g}"{more}'


def _filled(colour: str, more: str = "") -> str:
    return f'fill="{colour}"{more}'


_ROUND = ' stroke-linecap="round"'
_END, _MIDDLE = ' text-anchor="end"', ' text-anchor="middle"'

LOOK: Mapping[str, str] = {
    "ground": _filled("#f6f8fa"),
    "grid": _line(_RULE, 0.7),
    "axis": _line(_FAINT, 1),
    "tick end": _filled(_FAINT, _END),
    "tick mid": _filled(_FAINT, _MIDDLE),
    "value": _filled(_INK),
    "head": _filled(_INK, ' font-weight="bold"'),
    "empty mid": _filled(_FAINT, f'{_MIDDLE} font-size="20"'),
    "beyond": _filled("#fbe3d6"),
    "window": _filled("#dcebf7"),
    "interval": _filled("#a8cdea"),
    "figure": _line(_DATA, 2.4),
    "limit": _line(_FAIL, 1.6, ' stroke-dasharray="6 4"'),
    "limit solid": _line(_FAIL, 2),
    "limit-text": _filled(_FAIL),
    "hatch": _filled(_PAPER, ' fill-opacity=".6"'),
    "slant": _line(_FAINT, 0.9),
    "series": _line("#7fb2d6", 1.3),
    "point PASS": _line(_DATA, 5.5, _ROUND),
    "point WARN": _filled(_WARN),
    "point INCONCLUSIVE": f'fill="{_PAPER}" stroke="{_INCONCLUSIVE}" stroke-width="1.8"',
    "point FAIL": _line(_FAIL, 2.4, _ROUND),
    "event mid": _filled(_FAINT, _MIDDLE),
    "event rare mid": _filled(_INK, f'{_MIDDLE} font-weight="bold"'),
    "moved": _line(_STEP, 5, _ROUND),
    "refused": _line("#b3bcc5", 5, _ROUND),
    "steps": _line(_STEP, 2),
    "mover dot": _line(_STEP, 6, _ROUND),
    "mover ring": f'fill="{_PAPER}" stroke="{_STEP}" stroke-width="1.6"',
    "mover square": f'fill="{_PAPER}" stroke="{_STEP}" stroke-width="1.6"',
    "mover triangle": _filled(_STEP),
    "mover diamond": _filled(_STEP),
    "mover down": _filled(_FAIL),
    "mover cross": _line(_STEP, 2.2, _ROUND),
    "bound": _line(_FAINT, 1, ' stroke-dasharray="3 3"'),
    "bound-text": _filled(_FAINT),
    "band frozen": _filled(_DATA),
    "band cooldown": _filled(_WARN),
    "band paused": _filled(_FAIL),
    "band pinned": _filled(_INCONCLUSIVE),
    "whisker": _line(_INK, 1.6),
    "outcome applied": _filled(_PASS),
    "outcome short": _filled(_WARN),
    "outcome guard": _filled(_INCONCLUSIVE),
    "cell PASS": _filled(_PASS),
    "cell WARN": _filled(_WARN),
    "cell INCONCLUSIVE": _filled(_INCONCLUSIVE),
    "cell FAIL": _filled(_FAIL),
}
"""Class of a shape to its attributes."""
