"""The shape of each journal entry: its fields, and the type of each value.

A correct checksum shows that a line is as it was written, not that a session wrote it. The code
that reads an entry does not check its types again, so an entry of another shape is refused here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_soak.shapes import (
    FLAG,
    NUMBER,
    TEXT,
    WHOLE,
    Shape,
    anything,
    kind,
    list_of,
    mapping_of,
    object_of,
    optional,
)


def problem_of(entry: Mapping[str, Any]) -> str:
    """What is wrong with the fields of ``entry``; empty if nothing is, or for an unknown type."""
    shape = _SHAPES.get(str(entry.get("type")))
    return "" if shape is None else shape(entry).removeprefix(".")


_TEXTS = list_of(TEXT)
_NUMBERS = mapping_of(NUMBER)
_REASONS = mapping_of(TEXT)
_MOVED = mapping_of(list_of(NUMBER, 2))

_LANE = object_of(
    {
        "id": TEXT,
        "profile": TEXT,
        "symbol": TEXT,
        "seed": kind("a whole number", lambda value: type(value) is int),
        "interval_s": NUMBER,
    },
    {"sweep": list_of(object_of({"key": TEXT, "value": NUMBER, "replaces": NUMBER}))},
)
_SCENARIO = object_of(
    {
        "name": TEXT,
        "at": WHOLE,
        "after_s": NUMBER,
        "for_s": NUMBER,
        "strength": NUMBER,
        "gate": TEXT,
        "recovers_within": optional(WHOLE),
    }
)
_OUTCOME = object_of(
    {
        "key": TEXT,
        "outcome": TEXT,
        "proposed": anything,
        "applied": NUMBER,
        "before": optional(NUMBER),
        "after": optional(NUMBER),
        "reason": TEXT,
        "also": _TEXTS,
        "note": TEXT,
        "rule": TEXT,
    }
)
_PANIC = object_of(
    {
        "revert_to": TEXT,
        "moves": _NUMBERS,
        "would": FLAG,
        "paused_until": optional(WHOLE),
    },
    {"pins": _TEXTS},
)
_EFFECT = object_of(
    {
        "kpi": TEXT,
        "aim": kind("'up' or 'down'", lambda value: value in ("up", "down")),
        "before": optional(NUMBER),
        "after": optional(NUMBER),
        "low": optional(NUMBER),
        "high": optional(NUMBER),
        "n_before": WHOLE,
        "n_after": WHOLE,
        "doubtless": FLAG,
    }
)
_ATTRIBUTION = object_of(
    {
        "iteration": WHOLE,
        "rule": TEXT,
        "keys": _MOVED,
        "effects": list_of(_EFFECT),
        "shared": _TEXTS,
        "note": TEXT,
    }
)
_AUDIT = object_of(
    {
        "rows": WHOLE,
        "unreadable": WHOLE,
        "example": TEXT,
        "events": mapping_of(WHOLE),
        "blocks": mapping_of(WHOLE),
    },
    {"others": mapping_of(WHOLE), "left_out": WHOLE},
)
_PROPOSAL = object_of({"key": TEXT, "delta": anything, "rule": TEXT, "kpis": _TEXTS})

_SHAPES: Mapping[str, Shape] = {
    "start": object_of(
        {
            "lane": _LANE,
            "iterations": WHOLE,
            "target": TEXT,
            "mock": FLAG,
            "tune": FLAG,
            "dry_run": FLAG,
            "profile": mapping_of(anything),
            "values": _NUMBERS,
        },
        {"scenarios": list_of(_SCENARIO)},
    ),
    "plan": object_of({"iterations": WHOLE}),
    "observation": object_of(
        {
            "iteration": WHOLE,
            "report": mapping_of(anything),
            "audit": optional(_AUDIT),
            "target_state": anything,
        }
    ),
    "checks": object_of({"iteration": WHOLE, "recorded": mapping_of(anything), "failed": _TEXTS}),
    "external": object_of(
        {
            "iteration": WHOLE,
            "keys": _MOVED,
            "values": _NUMBERS,
            "old_hash": TEXT,
            "new_hash": TEXT,
        }
    ),
    "decision": object_of(
        {
            "iteration": WHOLE,
            "verdict": TEXT,
            "reasons": _TEXTS,
            "rules": _TEXTS,
            "proposed": list_of(_PROPOSAL),
            "outcomes": list_of(_OUTCOME),
            "withheld": _REASONS,
            "requested": _NUMBERS,
            "waiting": _REASONS,
            "overruled": _TEXTS,
            "stopped": _TEXTS,
            "panic": optional(_PANIC),
            "values": _NUMBERS,
            "old_hash": TEXT,
            "state_hash": TEXT,
            "signature": optional(TEXT),
            "large": FLAG,
            "dry_run": FLAG,
            "note": TEXT,
        },
        {"by_rules": FLAG, "attributed": list_of(_ATTRIBUTION)},
    ),
    "done": object_of({"iteration": WHOLE, "state_hash": TEXT}),
    "halt": object_of({"iteration": WHOLE, "kind": TEXT, "text": TEXT}),
}
