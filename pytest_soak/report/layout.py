"""Lines for people: at most 100 columns, aligned by labels, figures as short as possible."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from pytest_soak.canonical import escaped
from pytest_soak.canonical import number as finite_number
from pytest_soak.gate.figures import figure, figure_by
from pytest_soak.gate.result import CriterionResult
from pytest_soak.loop.model import Reading, Readings
from pytest_soak.profile.condition import Comparison, Operator
from pytest_soak.profile.conditions import leaves
from pytest_soak.profile.model import Profile
from pytest_soak.profile.parameter import Parameter

Table = Mapping[str, Parameter]
"""The parameters of a profile, by their keys."""

WIDTH = 100
SHORT_NAMES = {
    "net_bps": "net",
    "risk_ratio": "risk",
    "maker_taker_ratio": "maker",
    "p95_latency_ms": "p95",
}
"""The usual KPIs, with their names in lines of one iteration."""
_DIGITS = (3, 4, 5, 6, 8, 10, 12, 15, 17)
_LONGEST_TEXT = 400
_NO_NUMBERS = ("NaN", "Infinity", "-Infinity")
"""How canonical JSON writes floats that are no finite numbers."""
_LONGEST_PROPOSAL = 60
_GLUE = "\xa0"
_LIMIT = re.compile(r"(<=|>=|<|>) *([-+]?[0-9]{1,300}(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,2})?)")


def labelled(label: str, text: str, *, indent: int = 2, column: int = 20) -> list[str]:
    """A label and its ``text``, which begins at ``column`` and is wrapped there.

    Where the label reaches the column, the text begins on the next line.
    """
    head = " " * indent + plain(label)
    rest = " " * column
    if not text:
        return _wrapped(head, "", " " * (indent + 2))
    if len(head) >= column:
        return [*_wrapped(head, "", " " * (indent + 2)), *_wrapped(text, rest, rest)]
    return _wrapped(text, f"{head:<{column}}", rest)


def kept(text: str) -> str:
    """``text`` as one word for :func:`labelled`: no line ends inside it."""
    return text.replace(" ", _GLUE)


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    # A kept text that is longer than a line is wrapped as any other text.
    most = WIDTH - max(len(first), len(rest))
    words = (
        word if len(word) <= most else word.replace(_GLUE, " ") for word in plain(text).split(" ")
    )
    lines = textwrap.wrap(
        " ".join(words),
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
    )
    return [line.replace(_GLUE, " ") for line in lines]


def plain(text: str) -> str:
    """``text`` without line breaks and control characters, cut to a readable length.

    Texts of a proposer are not trusted: they must not move the cursor of a terminal.
    """
    safe = escaped(" ".join(str(text).splitlines()), _GLUE)
    return safe if len(safe) <= _LONGEST_TEXT else safe[: _LONGEST_TEXT - 2] + ".."


def cut(text: str, width: int) -> str:
    """``text`` on one line of at most ``width`` columns, ``..`` where it goes on."""
    line = escaped(" ".join(text.splitlines()))
    return line if len(line) <= width else line[: width - 2] + ".."


def value(number: float | None) -> str:
    """A value of a parameter with up to 6 digits."""
    return "unknown" if number is None else f"{number:.6g}"


def parameter_value(table: Table, key: str, number: float | None) -> str:
    """A value as its parameter has it: a whole number, ``true``, a choice; else 6 digits."""
    return table[key].text(number) if key in table else value(number)


def parameter_change(table: Table, key: str, delta: object) -> str:
    """A change with its sign: of a whole number all digits, of a choice the places in its list."""
    finite = finite_number(delta)
    parameter = table.get(key)
    if finite is None or parameter is None or parameter.kind == "float":
        return change(delta)
    places = f" place{'s' * (abs(finite) != 1.0)}" if parameter.choices else ""
    return f"{finite + 0.0:+.12g}{places}"


def moved_text(table: Table, key: str, before: float | None, after: float | None) -> str:
    """``workers 4 -> 5``, ``sync local -> remote``."""
    return f"{key} {parameter_value(table, key, before)} -> {parameter_value(table, key, after)}"


def edits_text(table: Table, edits: Mapping[str, tuple[float, float]]) -> str:
    """``workers 4 -> 5, jit false -> true``: the keys with the values before and after."""
    return ", ".join(moved_text(table, key, old, new) for key, (old, new) in edits.items())


def with_unit(text: str, unit: str) -> str:
    """``0.5 bps``, ``0.15 (share of spread)``."""
    suffix = "" if unit in ("1", "") else f" ({unit})" if " " in unit else f" {unit}"
    return text + suffix


def change(delta: object) -> str:
    """A change with its sign. A proposal may be a text, which is quoted."""
    finite = finite_number(delta)
    if finite is not None:
        return f"{finite + 0.0:+.6g}"
    text = cut(plain(str(delta)), _LONGEST_PROPOSAL)
    return text if text in _NO_NUMBERS else f'"{text}"'


def difference(number: float) -> str:
    """A difference of KPIs with its sign, in 3 digits, without an exponent below 1e9."""
    return f"{number:+.0f}" if 999.5 <= abs(number) < 1e9 else f"{number:+.3g}"


def reading(number: float | None, *limits: Comparison) -> str:
    """A KPI in 3 digits, or in as many as show on which side of the limits it lies."""
    if number is None:
        return "no data"
    for digits in _DIGITS:
        text = f"{number:.{digits}g}"
        if "e+" in text and abs(number) < 1e9:
            text = f"{number:.0f}"
        shown = float(text)
        if all(
            limit.holds(shown) == limit.holds(number)
            and limit.holds_with_margin(shown) == limit.holds_with_margin(number)
            for limit in limits
        ):
            return text
    return repr(number)


def main_kpis(readings: Readings, profile: Profile | None = None) -> list[str]:
    """The KPIs in the line of an iteration: the usual ones, or four, those with a limit first."""
    usual = [name for name in SHORT_NAMES if name in readings]
    if usual:
        return usual
    limited = [] if profile is None else [item.kpi for item in profile.gate.criteria]
    return list(dict.fromkeys(name for name in (*limited, *readings) if name in readings))[:4]


def kpi_figure(given: Reading | None, name: str, profile: Profile | None) -> str:
    """A KPI of one iteration: with ``profile`` in as many digits as its limits need."""
    usable = None if given is None else given.usable
    if usable is None:
        return "nodata"
    if profile is not None:
        return reading(usable, *iteration_limits(profile, name))
    return f"{usable:.0f}" if 100.0 <= abs(usable) < 1e6 else f"{usable:.3g}"


def criterion_value(result: CriterionResult) -> str:
    """The value of a criterion: a count without decimals, a figure by its limit."""
    value, limits = result.value, sides_of(result.limit)
    if value is None or not limits:
        return figure(value)
    whole = value.is_integer() and all(limit.limit.is_integer() for limit in limits)
    return f"{value:.0f}" if whole and not _has_bounds(result) else shown_by(value, limits)


def criterion_bounds(result: CriterionResult) -> str:
    """``2.91 .. 3.2``: the bounds of a value, each in as many digits as its limit needs."""
    if not _has_bounds(result):
        return ""
    limits = sides_of(result.limit)
    low, high = (shown_by(bound, limits) for bound in (result.low, result.high))
    return f"{low} .. {high}"


def criterion_margin(result: CriterionResult) -> str:
    """The distance to the limit; of a count it is a count."""
    if result.margin is None:
        return figure(None)
    margin = result.margin + 0.0  # no negative zero
    return f"{margin:.0f}" if criterion_value(result).lstrip("-").isdigit() else figure(margin)


def named_reason(result: CriterionResult) -> str:
    """The reason on one line, with the name of its criterion before it once.

    The gate's own reasons begin with the name; that of a hook may.
    """
    reason = " ".join(result.reason.split())
    return reason if reason.startswith(result.name) else f"{result.name}: {reason}"


def limit_of(text: str) -> Comparison | None:
    """The comparison that a limit such as ``<= 340`` states; None for any other text."""
    match = _LIMIT.fullmatch(text.strip())
    return None if match is None else Comparison(cast(Operator, match[1]), float(match[2]))


def sides_of(text: str) -> tuple[Comparison, ...]:
    """The comparisons of a limit: one of ``<= 340``, two of ``10 .. 90``; none of other texts."""
    limit = limit_of(text)
    if limit is not None:
        return (limit,)
    low, _, high = text.partition(" .. ")
    sides = [
        limit_of(side if side.startswith(("<", ">")) else f"{op} {side}")
        for side, op in ((low, ">="), (high, "<="))
    ]
    return tuple(side for side in sides if side is not None) if None not in sides else ()


def nearest_side(result: CriterionResult) -> Comparison | None:
    """The limit of a criterion; of two the one that its value is beyond, or nearer to."""
    value = 0.0 if result.value is None else result.value
    sides = sides_of(result.limit)
    return min(sides, key=lambda side: side.distance(value), default=None)


def iteration_limits(profile: Profile, kpi: str) -> tuple[Comparison, ...]:
    """The comparisons of a KPI by which an iteration FAILs or WARNs."""
    return tuple(
        comparison
        for condition, _ in leaves((*profile.verdict.fail, *profile.verdict.warn))
        if condition.kpi == kpi
        for comparison in condition.comparisons
    )


def shown_by(value: float | None, limits: Sequence[Comparison]) -> str:
    """A figure in as many digits as all limits need."""
    return max((figure_by(value, limit) for limit in limits), key=len, default=figure(value))


def _has_bounds(result: CriterionResult) -> bool:
    return result.low is not None or result.high is not None


def moves_text(table: Table, before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """``a 1 -> 2, b 3 -> 4``: the keys that differ."""
    return ", ".join(
        kept(moved_text(table, key, before[key], now))
        for key, now in after.items()
        if now != before[key]
    )


def spans(iterations: Iterable[int], most: int = 6) -> str:
    """``1-4, 7, 9-12``; of more than ``most`` pieces the first ones and the last."""
    pieces: list[tuple[int, int]] = []
    for number in sorted(set(iterations)):
        if pieces and number == pieces[-1][1] + 1:
            pieces[-1] = (pieces[-1][0], number)
        else:
            pieces.append((number, number))
    texts = [f"{first}" if first == last else f"{first}-{last}" for first, last in pieces]
    if len(texts) > most:
        texts = [*texts[: most - 1], "..", texts[-1]]
    return ", ".join(texts).replace(", .., ", " .. ")


def times(count: int) -> str:
    return "once" if count == 1 else "twice" if count == 2 else f"{count} times"


def listed(items: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of the same length, their columns aligned; the first row has the headings."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  "
        + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
