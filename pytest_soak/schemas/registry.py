"""Every JSON Schema by name, made from the types of what is read and written.

The files ``NAME.json`` in this folder are what :func:`schema` makes, stored: they are in the wheel,
and a change of a format is seen in their difference (``python -m tests.unit.schemas.stored``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

import msgspec

from pytest_soak.canonical import printable_json
from pytest_soak.draft07 import Schema, closed, draft07, titled
from pytest_soak.live.schema import target_definitions
from pytest_soak.live.state import BridgeState
from pytest_soak.loop.entries import Entry
from pytest_soak.loop.state_document import TuningState
from pytest_soak.profile.schema import KnownNames, document_schema, file_schema
from pytest_soak.report.documents import (
    Attributed,
    DeltaVerify,
    IterationRow,
    IterationSummary,
    LaneSnapshot,
    LanesSnapshot,
    MetricRow,
    TuningReport,
)
from pytest_soak.report.view.model import RunView
from pytest_soak.schemas.outputs import (
    GateOutput,
    ListedRun,
    RunningOutput,
    UnjudgedOutput,
    UnreadableRun,
    VerifyOutput,
)
from pytest_soak.sealed import JudgementLine
from pytest_soak.store.documents import AppliedProfile, RunDocument, Timing

Make = Callable[[], Schema]


@dataclass(frozen=True, slots=True)
class Described:
    """A schema that exists."""

    file: str
    """The file or the output that it is of; ``n`` is the number of an iteration."""
    text: str
    make: Make


def profile_schema(names: KnownNames) -> Schema:
    """The schema of a profile's file, with names that an editor completes."""
    return file_schema(target_definitions(), names)


def schema(name: str) -> Schema:
    """The schema ``name`` of ``SCHEMAS``. Raises KeyError."""
    described = SCHEMAS[name]
    if name == "profile":
        return described.make()
    return titled(described.make(), name, f"pytest-soak {described.file}", described.text)


def text_of(document: Schema) -> str:
    """A schema as the files and the commands have it."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    return printable_json(text) + "\n"


def _of(*types: Any) -> Make:
    """The schema of one of the types; every object has exactly its fields."""

    def make() -> Schema:
        return closed(_any_of(types))

    return make


def _any_of(types: tuple[Any, ...]) -> Schema:
    if len(types) == 1:
        return draft07(msgspec.json.schema(types[0]))
    parts, components = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    return draft07({"anyOf": list(parts), "$defs": components})


def _line(part: Schema) -> Schema:
    """A checksummed line of a file: the record, and what the store adds."""
    own = {
        "seq": {"type": "integer", "minimum": 0, "description": "Place of the line, from 0 on."},
        "check": {
            "type": "string",
            "pattern": "^[0-9a-f]{16}$",
            "description": "Begin of the SHA-256 of the line without this field.",
        },
    }
    return {
        **part,
        "properties": {**own, **part["properties"]},
        "required": [*own, "type", *(name for name in part.get("required", ()) if name != "type")],
    }


def _judgement() -> Schema:
    return _line(_of(JudgementLine)())


def _journal() -> Schema:
    """A line of a journal; its profile is a resolved one, and effects have two more fields."""
    result = _any_of((Entry,))
    definitions = result["definitions"]
    tags = {str(item.__struct_config__.tag): item.__name__ for item in get_args(Entry)}
    for name in tags.values():
        definitions[name] = _line(definitions[name])
    attributed = draft07(msgspec.json.schema(Attributed))
    definitions["Attribution"] = {
        key: attributed[key] for key in ("type", "properties", "required")
    }
    resolved = document_schema()
    inside = resolved.pop("definitions")
    doubled = inside.keys() & definitions.keys()
    if doubled:
        raise ValueError(f"definitions of the same name: {', '.join(sorted(doubled))}")
    definitions |= {**inside, "Document": resolved}
    definitions["Start"]["properties"]["profile"] = {"$ref": "#/definitions/Document"}
    return closed(result)


def _summary() -> Schema:
    """A summary, with the KPIs of the profile beside the fields that each has."""
    result = _of(IterationSummary)()
    result["definitions"]["Measured"]["additionalProperties"] = {"type": ["number", "null"]}
    return result


def _list() -> Schema:
    """A list of runs, and of what is none."""
    parts = _of(ListedRun, UnreadableRun)()
    items = {"anyOf": parts["anyOf"]}
    return {"type": "array", "items": items, "definitions": parts["definitions"]}


def _runtime() -> Schema:
    """Values and sections, in which there are values and sections; the profile says which."""
    value = {"type": ["number", "boolean", "string"]}
    below = {"anyOf": [{"$ref": "#/definitions/Section"}, value]}
    section = {"type": "object", "additionalProperties": below}
    return {**section, "definitions": {"Section": section}}


SCHEMAS: Mapping[str, Described] = {
    "profile": Described(
        "FILE.yaml", "The file of a profile.", lambda: profile_schema(KnownNames())
    ),
    "run": Described("run.json", "How a run was started.", _of(RunDocument)),
    "judgement": Described("judgement.jsonl", "A line: a judgement of a session.", _judgement),
    "journal": Described("journal.jsonl", "A line: an entry of a lane's journal.", _journal),
    "snapshot": Described(
        "POST_SOAK_SNAPSHOT.json",
        "Verdict, window and delta quality of a run or a lane.",
        _of(LaneSnapshot, LanesSnapshot),
    ),
    "iter_summary": Described(
        "ITER_SUMMARY_n.json",
        "The figures of an iteration, and the changes after it.",
        _summary,
    ),
    "tuning_report": Described(
        "TUNING_REPORT.json", "KPIs and changes of every iteration.", _of(TuningReport)
    ),
    "tuning_state": Described(
        "TUNING_STATE.json",
        "The state of the guards at the end of a lane.",
        _of(TuningState),
    ),
    "delta_verify": Described(
        "DELTA_VERIFY.json", "The verification of every change.", _of(DeltaVerify)
    ),
    "applied_profile": Described(
        "applied_profile.json",
        "The start values, and where each is from.",
        _of(AppliedProfile),
    ),
    "runtime_overrides": Described(
        "runtime_overrides.json", "The parameters in force, nested.", _runtime
    ),
    "bridge_state": Described(
        "bridge_state.json", "What a live target must remember.", _of(BridgeState)
    ),
    "timing": Described("timing.jsonl", "A line: how long an iteration took.", _of(Timing)),
    "export": Described(
        "--soak-export-json", "A line: a metric, or an iteration.", _of(MetricRow, IterationRow)
    ),
    "gate": Described(
        "gate --json",
        "Verdict and criteria of a run, or how far it is.",
        _of(GateOutput, RunningOutput, UnjudgedOutput),
    ),
    "verify": Described(
        "verify --json",
        "The verification of the changes of a run.",
        _of(VerifyOutput, UnjudgedOutput),
    ),
    "list": Described(
        "list --json",
        "The runs of a soak directory.",
        _list,
    ),
    "view": Described("report --json", "A run as its page shows it.", _of(RunView)),
}
"""Name to what it describes."""
