"""Entries and records: each type there and back, what is refused, and the JSON Schema."""

from __future__ import annotations

import json
import math
from typing import Any, get_args

import msgspec
import pytest

from pytest_soak.canonical import canonical_json
from pytest_soak.loop.entries import Entry, EntryError, Start, entry_of, record_of, start_entry
from pytest_soak.loop.model import Decision, Halt
from pytest_soak.profile.scenarios import Scheduled
from pytest_soak.protocol import Lane, Swept
from tests.unit.loop.lanes import Drive, as_written, edge_report, shipped, starts
from tests.unit.loop.test_state import busy


def journal() -> list[dict[str, Any]]:
    """Every type of entry, with a panic, an audit, recorded values and reported effects."""
    drive = busy()
    drive.observe({**edge_report(), "audit": [{"event": "BLOCK", "reason": "risk"}]})
    return drive.entries


def test_every_type_is_read_as_what_was_written() -> None:
    entries = [entry_of(record) for record in journal()]
    assert {type(entry) for entry in entries} == {*get_args(Entry)}
    for entry, record in zip(entries, journal(), strict=True):
        assert canonical_json(record_of(entry)) == canonical_json(record)
        assert entry_of(as_written(record_of(entry))) == entry


def test_a_start_has_sweep_and_scenarios_only_if_there_are_any() -> None:
    profile, values = shipped(), starts(shipped())
    swept = Swept("tail_age_ms", 650.0, 600.0)
    storm = Scheduled("storm", 3, 0.0, 60.0, 2.0, "judge", None)
    for sweep, scenarios in [((), ()), ((swept,), (storm,))]:
        lane = Lane("lane", "steady", "BTCUSDT", 1, 300.0, 9, sweep=sweep)
        entry = start_entry(
            lane, profile, "mock", values, scenarios, mock=True, tune=True, dry_run=False
        )
        record = as_written(record_of(entry))
        assert ("sweep" in record["lane"], "scenarios" in record) == (bool(sweep), bool(scenarios))
        assert entry_of(record) == entry
        for name, wrong in [("gate", "never"), ("strength", math.inf), ("at", True)]:
            spoilt = [{**record["scenarios"][0], name: wrong}] if scenarios else [{}]
            with pytest.raises(EntryError, match=r"scenarios\.0"):
                entry_of({**record, "scenarios": spoilt})


def test_fields_of_a_later_version_are_ignored() -> None:
    for record in journal():
        assert entry_of({**record, "later": [1]}) == entry_of(record)


def decided() -> dict[str, Any]:
    return next(record for record in journal() if record.get("outcomes"))


OPTIONAL = {
    ("by_rules",),
    ("attributed",),
    ("panic", "pins"),
    ("proposed", "kpis"),
    ("lane", "sweep"),
    ("lane", "symbol"),
    ("scenarios",),
    ("audit", "others"),
    ("audit", "left_out"),
}


def paths(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to every field of the types, not to the keys of mappings."""
    ways = []
    if isinstance(value, dict) and not {*way} & MAPPINGS:
        ways += [(*way, key) for key in value]
        ways += [deeper for key, item in value.items() for deeper in paths(item, (*way, key))]
    if isinstance(value, list):
        ways += [
            deeper for place, item in enumerate(value) for deeper in paths(item, (*way, place))
        ]
    return ways


MAPPINGS = {
    *("profile", "values", "report", "target_state", "recorded", "keys", "events", "blocks"),
    *("withheld", "waiting", "requested", "moves"),
}
"""Fields whose keys are no fields."""


def test_no_field_may_be_missing() -> None:
    read = 0
    for record in journal():
        for way in paths(record):
            names = tuple(part for part in way if isinstance(part, str))
            computed = names in [("attributed", "verdict"), ("attributed", "beyond_doubt")]
            if names in OPTIONAL or computed or way == ("type",):
                continue
            spoilt = json.loads(json.dumps(record))
            place = spoilt
            for part in way[:-1]:
                place = place[part]
            del place[way[-1]]
            with pytest.raises(EntryError, match=f"'{way[-1]}' is missing|schema null"):
                entry_of(spoilt)
            read += 1
    assert read > 200


def test_the_union_has_a_json_schema() -> None:
    schema = msgspec.json.schema(Entry)
    kinds = {way["$ref"].rpartition("/")[2] for way in schema["anyOf"]}
    assert kinds == {entry_type.__name__ for entry_type in get_args(Entry)}
    decision = schema["$defs"]["Decision"]
    assert decision["properties"]["type"] == {"enum": ["decision"]}
    assert {"type", "iteration", "verdict", "outcomes"} <= {*decision["required"]}
    assert schema["discriminator"]["propertyName"] == "type"
    json.dumps(schema)


def test_a_decision_and_a_halt_are_entries_themselves() -> None:
    assert Decision in get_args(Entry)
    assert record_of(Halt(3, "error", "x")) == {
        "type": "halt",
        "iteration": 3,
        "kind": "error",
        "text": "x",
    }
    drive = Drive()
    assert isinstance(entry_of(drive.entries[0]), Start)
