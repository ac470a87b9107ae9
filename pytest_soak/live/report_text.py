"""The bytes of a report as a JSON object, and the name of what is wrong with them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any, NoReturn

from pytest_soak.canonical import escaped
from pytest_soak.live.channels import ChannelFault
from pytest_soak.loop.words import described
from pytest_soak.store.reading import describe_value_error, parse_json_strictly

_BEGUN = re.compile(r"t|tr|tru|f|fa|fal|fals|n|nu|nul|-|(?:\.[0-9]*)?(?:[eE][-+]?)?")
"""What may be left of a literal or number behind which a JSON text was cut off."""
_MOST_NAMES = 6
_LONGEST_NAME = 40
_BEGUN_ESCAPE = re.compile(r"\\?u?[0-9a-fA-F]{0,4}")


def parsed_report(
    data: bytes,
    place: str,
    *,
    sections: Collection[str] = (),
    may_be_unfinished: bool = False,
) -> dict[str, Any]:
    """The report in ``data``: an object with a mapping ``totals``, or with one of ``sections``.

    ``sections`` are the other top-level fields that KPIs read: a service that was there before its
    soak has names of its own, and its ``totals`` are then empty. Raises ChannelFault ``not_json``
    for what is no strict JSON in UTF-8, ``not_a_report`` for other JSON, and, if
    ``may_be_unfinished``, ``half_written`` for a text that ends too early.
    """
    try:
        report = parse_json_strictly(data)
    except ValueError as error:
        if may_be_unfinished and _ends_early(data, error):
            text = "is half written: its JSON text ends too early" if data else "is empty"
            raise ChannelFault("half_written", place, text) from None
        _refuse(data, place, error)
    if not isinstance(report, dict):
        text = f"is {described(report)}; a report is a JSON object"
        raise ChannelFault("not_a_report", place, text)
    if "totals" not in report and any(name in report for name in sections):
        return {**report, "totals": {}}
    if report and "totals" not in report:
        text = "is no report: it has neither 'totals' nor a field that a KPI reads; it has "
        raise ChannelFault("not_a_report", place, text + _few(report))
    if not isinstance(report.get("totals"), dict):
        totals = f"is {described(report['totals'])}" if "totals" in report else "is missing"
        raise ChannelFault(
            "not_a_report", place, f"is no report: 'totals' {totals}; it needs a mapping"
        )
    return report


def _few(names: Collection[str]) -> str:
    """The first names, each short and on one line."""
    shown = [escaped(name)[:_LONGEST_NAME] for name in list(names)[:_MOST_NAMES]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def echo_in(data: bytes) -> dict[str, Any] | None:
    """An answer to a delivery, if it is a JSON object that has a mapping ``effective_params``."""
    try:
        answer = parse_json_strictly(data)
    except ValueError:
        return None
    is_echo = isinstance(answer, dict) and isinstance(answer.get("effective_params"), dict)
    return answer if is_echo else None


def _refuse(data: bytes, place: str, error: ValueError) -> NoReturn:
    where, why = "", describe_value_error(error)
    if isinstance(error, json.JSONDecodeError):
        where, why = f"line {error.lineno}, column {error.colno}: ", error.msg
    elif isinstance(error, UnicodeDecodeError):
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        where = f"line {line}, column {column}: "
    raise ChannelFault("not_json", place, f"is no valid JSON: {where}{why}") from None


def _ends_early(data: bytes, error: ValueError) -> bool:
    """Whether a longer text that begins with ``data`` may be JSON."""
    if isinstance(error, UnicodeDecodeError):
        return error.end == len(data) and error.reason == "unexpected end of data"
    if not isinstance(error, json.JSONDecodeError):
        return False
    rest = error.doc[error.pos :]
    if error.msg.startswith("Unterminated string") or not rest.strip():
        return True
    begun = _BEGUN_ESCAPE if "uXXXX" in error.msg else _BEGUN
    return begun.fullmatch(rest) is not None
