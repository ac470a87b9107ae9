"""The line of a record: its checksum is of the canonical JSON without it, wherever it stands."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.canonical import canonical_json
from pytest_soak.store.errors import StoreError
from pytest_soak.store.records import decode, encode


@pytest.mark.parametrize(
    "record",
    [
        {"type": "a"},
        {"type": "a", "audit": None, "iteration": 1, "report": {"check": "0", "z": [1.0, 2.5]}},
        {"type": "a", "chec": 1, "checks": {"check": '","check":"0"'}, "attributed": []},
        {"type": "a", "Zebra": "é\x1b", "check ": -0.0, "€": None},
    ],
    ids=["few", "nested", "neighbours", "text"],
)
def test_a_line_is_the_canonical_json_with_its_checksum(record: dict[str, Any]) -> None:
    body = canonical_json({**record, "seq": 7})
    check = hashlib.sha256(body).hexdigest()[:16]
    line = encode(Path("journal"), record, 7)
    assert line == canonical_json({**record, "seq": 7, "check": check}) + b"\n"
    assert decode(line)["seq"] == 7


def test_a_key_that_is_no_text_is_refused() -> None:
    with pytest.raises(StoreError, match="text keys, not 5"):
        encode(Path("journal"), {"type": "a", 5: 1}, 0)  # type: ignore[dict-item]


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize("levels", [101, 5000])
def test_too_many_levels_are_refused(levels: int) -> None:
    with pytest.raises(StoreError, match="more than 100 levels"):
        encode(Path("journal"), {"type": "a", "report": deep(levels)}, 0)


def test_many_values_in_few_levels_are_no_depth() -> None:
    many: list[object] = [{"a": [{}]} for _ in range(1000)]
    assert decode(encode(Path("journal"), {"type": "a", "report": many}, 0))["report"] == many
