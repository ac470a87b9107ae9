"""The shape of each journal entry: its fields, and of what type each value is.

A right checksum says that a line is as it was written, not that a session wrote it. What is read
from an entry is used without another look, so an entry of another shape is refused here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_soak.canonical import number as finite

Shape = Callable[[Any], str]
"""Returns what is wrong with a value, with the path to it in front; empty for nothing."""

_LARGEST_WHOLE = 2**53
_LONGEST_SHOWN = 40


def problem_of(entry: Mapping[str, Any]) -> str:
    """What is wrong with the fields of ``entry``; empty for nothing, and for an unknown type."""
    shape = _SHAPES.get(str(entry.get("type")))
    return "" if shape is None else shape(entry).removeprefix(".")


def _kind(expected: str, holds: Callable[[Any], bool]) -> Shape:
    def problem(value: Any) -> str:
        return "" if holds(value) else f" must be {expected}, not {_shown(value)}"

    return problem


def _shown(value: Any) -> str:
    kind = type(value).__name__
    if isinstance(value, int) and abs(value) > _LARGEST_WHOLE:
        return "a huge integer"
    text = repr(value) if isinstance(value, (str, int, float)) or value is None else f"of {kind}"
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"


def _anything(_: Any) -> str:
    return ""


def _optional(shape: Shape) -> Shape:
    return lambda value: "" if value is None else shape(value)


def _list(shape: Shape, length: int | None = None) -> Shape:
    def problem(value: Any) -> str:
        if not isinstance(value, (list, tuple)):
            return f" must be a list, not {_shown(value)}"
        if length is not None and len(value) != length:
            return f" must have {length} items, not {len(value)}"
        for place, item in enumerate(value):
            if wrong := shape(item):
                return f"[{place}]{wrong}"
        return ""

    return problem


def _mapping(shape: Shape) -> Shape:
    def problem(value: Any) -> str:
        if not isinstance(value, Mapping):
            return f" must be an object, not {_shown(value)}"
        for key, item in value.items():
            if wrong := shape(item):
                return f".{key:.{_LONGEST_SHOWN}}{wrong}"
        return ""

    return problem


def _record(fields: Mapping[str, Shape], optional: Mapping[str, Shape] | None = None) -> Shape:
    def problem(value: Any) -> str:
        if not isinstance(value, Mapping):
            return f" must be an object, not {_shown(value)}"
        for name, shape in fields.items():
            if name not in value:
                return f".{name} is missing"
            if wrong := shape(value[name]):
                return f".{name}{wrong}"
        for name, shape in (optional or {}).items():
            if name in value and (wrong := shape(value[name])):
                return f".{name}{wrong}"
        return ""

    return problem


_TEXT = _kind("a text", lambda value: isinstance(value, str))
_FLAG = _kind("true or false", lambda value: isinstance(value, bool))
_WHOLE = _kind(
    "a whole number",
    lambda value: type(value) is int and abs(value) <= _LARGEST_WHOLE,
)
_NUMBER = _kind("a finite number", lambda value: finite(value) is not None)
_TEXTS = _list(_TEXT)
_NUMBERS = _mapping(_NUMBER)
_REASONS = _mapping(_TEXT)
_MOVED = _mapping(_list(_NUMBER, 2))

_LANE = _record(
    {
        "id": _TEXT,
        "profile": _TEXT,
        "symbol": _TEXT,
        "seed": _kind("a whole number", lambda value: type(value) is int),
        "interval_s": _NUMBER,
    },
    {"sweep": _list(_record({"key": _TEXT, "value": _NUMBER, "replaces": _NUMBER}))},
)
_SCENARIO = _record(
    {
        "name": _TEXT,
        "at": _WHOLE,
        "after_s": _NUMBER,
        "for_s": _NUMBER,
        "strength": _NUMBER,
        "gate": _TEXT,
        "recovers_within": _optional(_WHOLE),
    }
)
_OUTCOME = _record(
    {
        "key": _TEXT,
        "outcome": _TEXT,
        "proposed": _anything,
        "applied": _NUMBER,
        "before": _optional(_NUMBER),
        "after": _optional(_NUMBER),
        "reason": _TEXT,
        "also": _TEXTS,
        "note": _TEXT,
        "rule": _TEXT,
    }
)
_PANIC = _record(
    {
        "revert_to": _TEXT,
        "moves": _NUMBERS,
        "would": _FLAG,
        "held_until": _optional(_WHOLE),
    },
    {"pins": _TEXTS},
)
_EFFECT = _record(
    {
        "kpi": _TEXT,
        "aim": _kind("'up' or 'down'", lambda value: value in ("up", "down")),
        "before": _optional(_NUMBER),
        "after": _optional(_NUMBER),
        "low": _optional(_NUMBER),
        "high": _optional(_NUMBER),
        "n_before": _WHOLE,
        "n_after": _WHOLE,
        "doubtless": _FLAG,
    }
)
_ATTRIBUTION = _record(
    {
        "iteration": _WHOLE,
        "rule": _TEXT,
        "keys": _MOVED,
        "effects": _list(_EFFECT),
        "shared": _TEXTS,
        "note": _TEXT,
    }
)
_PROPOSAL = _record({"key": _TEXT, "delta": _anything, "rule": _TEXT, "kpis": _TEXTS})

_SHAPES: Mapping[str, Shape] = {
    "start": _record(
        {
            "lane": _LANE,
            "iterations": _WHOLE,
            "target": _TEXT,
            "mock": _FLAG,
            "tune": _FLAG,
            "dry_run": _FLAG,
            "profile": _mapping(_anything),
            "values": _NUMBERS,
        },
        {"scenarios": _list(_SCENARIO)},
    ),
    "plan": _record({"iterations": _WHOLE}),
    "observation": _record(
        {
            "iteration": _WHOLE,
            "report": _mapping(_anything),
            "audit": _optional(_NUMBERS),
            "target_state": _anything,
        }
    ),
    "checks": _record({"iteration": _WHOLE, "recorded": _mapping(_anything), "failed": _TEXTS}),
    "external": _record(
        {
            "iteration": _WHOLE,
            "keys": _MOVED,
            "values": _NUMBERS,
            "old_hash": _TEXT,
            "new_hash": _TEXT,
        }
    ),
    "decision": _record(
        {
            "iteration": _WHOLE,
            "verdict": _TEXT,
            "reasons": _TEXTS,
            "rules": _TEXTS,
            "proposed": _list(_PROPOSAL),
            "outcomes": _list(_OUTCOME),
            "held": _REASONS,
            "waiting": _REASONS,
            "overruled": _TEXTS,
            "stopped": _TEXTS,
            "panic": _optional(_PANIC),
            "values": _NUMBERS,
            "old_hash": _TEXT,
            "state_hash": _TEXT,
            "signature": _optional(_TEXT),
            "large": _FLAG,
            "dry_run": _FLAG,
            "note": _TEXT,
        },
        {"by_rules": _FLAG, "attributed": _list(_ATTRIBUTION)},
    ),
    "done": _record({"iteration": _WHOLE, "state_hash": _TEXT}),
    "halt": _record({"iteration": _WHOLE, "kind": _TEXT, "text": _TEXT}),
}
