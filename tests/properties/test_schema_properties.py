"""The schemas of drawn profiles: what is valid stays valid, and the schema is never stricter."""

from __future__ import annotations

import copy
import json
from collections import Counter
from functools import cache
from typing import Any

from fastjsonschema import JsonSchemaValueException
from fastjsonschema import compile as compiled
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_soak.canonical import canonical_json
from pytest_soak.profile.schema import document_schema
from tests.properties.drawn import TIGHT, profile_with
from tests.properties.shapes import SHAPES
from tests.properties.test_profile_properties import TABLE, quick, trees
from tests.unit.schemas.check import check_error, schema_error
from tests.unit.schemas.full_profiles import documents

FULL = documents()
SHORT: dict[str, Any] = {
    "kpis": {"p95_ms": "totals.p95_ms"},
    "gate": {"criteria": {"p95_ms": "<= 120"}},
}
BASES = {**FULL, "short": SHORT}


@cache
def resolved_validator() -> Any:
    return compiled(document_schema(), use_default=False)


# -- resolved profiles ---------------------------------------------------------------------------

shares = st.tuples(st.floats(0.0, 0.4), st.floats(0.6, 1.0))
bounds = st.dictionaries(st.sampled_from(sorted(TABLE)), shares, max_size=3).map(
    lambda drawn: {
        key: (
            TABLE[key].minimum + low * TABLE[key].span,
            TABLE[key].minimum + high * TABLE[key].span,
        )
        for key, (low, high) in drawn.items()
    }
)
guards = st.fixed_dictionaries(
    {},
    optional={
        "panic": st.fixed_dictionaries({"after": st.integers(1, 9), "pause": st.integers(0, 9)}),
        "freeze": st.fixed_dictionaries({"after": st.integers(1, 9)}),
        "cooldown": st.fixed_dictionaries({"large": st.floats(0.01, 2.0)}),
        "hold_last": st.integers(0, 5),
        "clip_ratio": st.floats(0.0, 1.0),
        "pin": st.sampled_from([{"for": "run"}, {"for": 0}, {"for": 7}]),
    },
)


@quick
@given(guards | st.just(TIGHT), bounds, st.sampled_from(sorted(SHAPES)), st.integers(0, 5))
def test_every_drawn_profile_is_valid(
    drawn: dict[str, Any], limits: dict[str, Any], shape: str, warmup: int
) -> None:
    chosen = SHAPES[shape]
    free = {key: ends for key, ends in limits.items() if key not in chosen}
    profile = profile_with(drawn, free, chosen, warmup)
    resolved_validator()(as_json(profile.document))


def as_json(document: Any) -> Any:
    """As a journal has it."""

    return json.loads(canonical_json(document))


# -- files ---------------------------------------------------------------------------------------

values = st.sampled_from(
    [
        *(None, True, False, 0, 1, -1, 2, 0.5, 1e9, 1.0, 24, "", "x", "> 1", "$most", "$none"),
        *("<= $least", "up", "mean", "run", "workers", "p95_ms", "GROW", "totals.x", "1e3"),
        *([], [1], ["> 1", "< 2"], ["> 1"], ["workers"], [0, 1], [None, 1]),
        *({}, {"p95_ms": "> 1"}, {"p95_ms": None}, {"workers": {"add": 1}}, {"for": 2}),
        *({"read": "totals.x"}, {"limit": "<= 1"}, {"over": 2}, {"parameter": "workers"}),
    ]
)


@settings(quick, max_examples=400)
@given(
    st.sampled_from(sorted(BASES)),
    st.lists(st.integers(0, 30), min_size=1, max_size=7),
    values | trees,
    st.booleans(),
)
def the_schema_is_never_stricter(base: str, path: list[int], value: Any, removes: bool) -> None:
    document = copy.deepcopy(BASES[base])
    node: Any = document
    for step in path[:-1]:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys or not isinstance(node[keys[step % len(keys)]], (dict, list)):
            break
        node = node[keys[step % len(keys)]]
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    if not keys:
        return
    key = keys[path[-1] % len(keys)]
    if removes:
        del node[key]
    else:
        node[key] = value
    if not is_json(document):
        return
    by_check, by_schema = check_error(document), schema_error(document)
    ANSWERS[bool(by_check), bool(by_schema)] += 1
    assert not by_schema or by_check, by_schema


ANSWERS: Counter[tuple[bool, bool]] = Counter()
"""How often the check and the schema refused."""


def is_json(document: Any) -> bool:
    """A file as JSON has no text with a lone surrogate, and no number that is none."""
    try:
        canonical_json(document)
    except (ValueError, TypeError, RecursionError):
        return False
    return True


def test_the_schema_refuses_nothing_that_profile_check_accepts() -> None:
    """Of the drawn files some are refused by both, some by the check alone, and some by neither."""
    ANSWERS.clear()
    the_schema_is_never_stricter()
    assert ANSWERS[True, True] > 40
    assert ANSWERS[True, False] > 10
    assert ANSWERS[False, False] > 10
    assert ANSWERS[False, True] == 0


def test_an_invalid_resolved_profile_is_seen() -> None:
    document = as_json(profile_with({}, {}).document)
    document["rules"]["ADVERSE"]["dwell"] = 0
    try:
        resolved_validator()(document)
    except JsonSchemaValueException:
        return
    raise AssertionError("a dwell of 0 is valid")
