"""Profiles of random content: round trips, decimal arithmetic, no error but ProfileError."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable
from copy import deepcopy
from decimal import Decimal
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_soak.canonical import canonical_json
from pytest_soak.profile.build import SECTIONS, build
from pytest_soak.profile.errors import Invalid, ProfileError
from pytest_soak.profile.parameter import round_value
from pytest_soak.profile.parameters import apply_deltas, flatten, nest
from pytest_soak.profile.resolve import Source, resolve
from pytest_soak.profile.yaml_text import LOADERS, parse
from pytest_soak.store.sources import read_source

BASE = resolve("market_maker", read_source).profile
TABLE = BASE.parameters
KEYS = sorted(TABLE)

quick = settings(max_examples=150, derandomize=True, deadline=None)
names = st.sampled_from(
    [*SECTIONS, *KEYS, *BASE.kpis, *(rule.name for rule in BASE.rules), "extends", "when", "moves",
     "start", "min", "max", "path", "criteria", "panic", "revert_to", "evidence", "over", "margin",
     "base_spread_bps_delta", "order", "<<", "", "é"]
)  # fmt: skip
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-5, 10**400)
    | st.floats()
    | st.sampled_from(["> 0.5", "market_maker", "steady", "./x.yaml", "> 1e999", "{net_bps}", "up"])
    | st.text(max_size=6)
)
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(names | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
documents = st.dictionaries(names, trees, max_size=4)


def reader(data: bytes) -> Callable[[str, str | None], Source]:
    def read(reference: str, referrer: str | None) -> Source:
        if reference == "it":
            return Source("it", data)
        return read_source(reference, None if referrer in (None, "it") else referrer)

    return read


@quick
@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode("utf-8")))
def test_no_bytes_raise_anything_but_a_profile_error(data: bytes) -> None:
    with contextlib.suppress(ProfileError):
        resolve("it", reader(data))
    for loader in LOADERS:
        with contextlib.suppress(Invalid):
            parse(data, loader)


@quick
@given(documents, st.booleans())
def test_no_yaml_raises_anything_but_a_profile_error(document: Any, extends: bool) -> None:
    if extends:
        document = {**document, "extends": "steady"}
    data = yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "backslashreplace")
    try:
        resolved = resolve("it", reader(data))
    except ProfileError:
        return
    assert build(resolved.profile.document) == resolved.profile


paths = st.lists(st.integers(0, 30), min_size=1, max_size=5)


@quick
@given(paths, trees)
def test_no_document_raises_anything_but_a_profile_error(path: list[int], value: Any) -> None:
    document = json.loads(canonical_json(BASE.document))
    node: Any = document
    for step in path[:-1]:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys or not isinstance(node[keys[step % len(keys)]], (dict, list)):
            break
        node = node[keys[step % len(keys)]]
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    if keys:
        node[keys[path[-1] % len(keys)]] = value
    try:
        profile = build(document)
    except ProfileError:
        return
    assert build(profile.document) == profile
    assert build(json.loads(canonical_json(profile.document))) == profile


decimals = st.decimals(min_value="-0.01", max_value="0.01", places=6, allow_nan=False)
"""Steps of which a chain of three keeps each of the keys below inside its bounds."""


@quick
@given(st.dictionaries(st.sampled_from(["base_spread_bps", "tail_age_ms", "max_delta_ratio"]),
                       st.lists(decimals, min_size=1, max_size=3), max_size=3))  # fmt: skip
def test_deltas_add_up_in_decimal_through_a_chain(deltas: dict[str, list[Decimal]]) -> None:
    files = {"p3": "extends: S1\n", "p2": "extends: p3\n", "p1": "extends: p2\n"}
    expected = {key: Decimal(repr(parameter.start)) for key, parameter in S1.items()}
    for key, moves in deltas.items():
        for name, move in zip(files, moves, strict=False):
            files[name] += f"{key}_delta: {move:f}\n"
            expected[key] += Decimal(repr(float(move)))

    def read(reference: str, referrer: str | None) -> Source:
        if reference in files:
            return Source(reference, files[reference].encode())
        return read_source(reference)

    resolved = resolve("p1", read)
    for key, parameter in resolved.profile.parameters.items():
        assert parameter.start == float(expected[key])
    assert resolved.profile.document["parameters"].keys() == TABLE.keys()


S1 = resolve("S1", read_source).profile.parameters

values = st.fixed_dictionaries(
    {
        key: st.floats(parameter.minimum, parameter.maximum).map(round_value)
        for key, parameter in TABLE.items()
    }
)


@quick
@given(values, st.dictionaries(st.sampled_from(KEYS), st.floats(-1, 1), max_size=4))
def test_nesting_is_lossless_and_deltas_are_all_or_nothing(
    flat: dict[str, float], deltas: dict[str, float]
) -> None:
    flat = {
        key: min(max(value, TABLE[key].minimum), TABLE[key].maximum) for key, value in flat.items()
    }
    nested = nest(flat, TABLE, {"cooldown_iters": 2})
    assert flatten(nested, TABLE) == flat
    untouched = deepcopy(nested)
    try:
        new, count = apply_deltas(nested, deltas, TABLE)
    except ValueError:
        assert nested == untouched
        assert any(
            not TABLE[key].minimum <= flat[key] + delta <= TABLE[key].maximum
            for key, delta in deltas.items()
        )
        return
    after = flatten(new, TABLE)
    assert count == sum(after[key] != flat[key] for key in flat)
    assert new is nested
    assert new["tuner"] == untouched["tuner"]
    for key, value in after.items():
        assert TABLE[key].minimum <= value <= TABLE[key].maximum
        if key not in deltas:
            assert math.copysign(1, value) * value == math.copysign(1, flat[key]) * flat[key]
    assert apply_deltas(dict(flat), deltas, TABLE)[0] == after
