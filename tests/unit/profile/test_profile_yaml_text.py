"""Hostile YAML is an error, with either of PyYAML's scanners."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pytest_soak.profile.errors import Invalid
from pytest_soak.profile.yaml_text import LOADERS, parse

BOMB = "a0: &a0 {k: v}\n" + "".join(
    f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
MERGE = "base: {a: 1}\nother:\n  <<: {a: 2}\n"

# The scanner itself may refuse thousands of levels before this package checks the depth.
HOSTILE = [
    ("[" * 50_000, "nest(ed|ing)"),
    ("{a: " * 50_000, "nest(ed|ing)"),
    ("- " * 50_000, "nest(ed|ing)"),
    ("? " * 50_000, "a key is a text"),
    ("a: " + "[" * 50 + "]" * 50, "nested deeper than 50 levels"),
    (BOMB, "the anchor &a0 is not allowed"),
    ("a: *x\n", r"the alias \*x is not allowed"),
    (MERGE, "the merge key << is not allowed; use 'extends'"),
    ('"<<": {a: 1}\n', "the merge key <<"),
    ("a: 1\nb: 2\na: 3\n", "line 3, column 1: the key 'a' is there twice"),
    ("[a]: 1\n", "a key is a text"),
    ("a: !!python/object/apply:os.system [ls]\n", "the tag"),
    ("a: !mine 3\n", "the tag '!mine' is not allowed"),
    ("a: !!set {x}\n", "the tag"),
    ("a: !!int x\n", "invalid literal"),
    ("a: !!bool maybe\n", "neither true nor false"),
    ("a: !!str [x]\n", "expected a scalar node"),
    ("a: 1\n---\nb: 2\n", "a second document begins"),
    ("a: [1\n", "line "),
    ("a: \x07\n", "is not YAML"),
    ("a: " + "9" * 5000, "limit"),
]


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    ("text", "message"), HOSTILE, ids=[f"{at:02}" for at, _ in enumerate(HOSTILE)]
)
def test_hostile_text_is_refused(text: str, message: str, loader: Any) -> None:
    with pytest.raises(Invalid) as caught:
        parse(text.encode(), loader)
    problem = caught.value.problem
    assert re.search(message, problem) or (message == "is not YAML" and "line" in problem)


@pytest.mark.parametrize("loader", LOADERS)
def test_scalars_are_those_of_yaml_1_2(loader: Any) -> None:
    text = b"{a: yes, b: 1:30, c: 010, d: 1e3, e: 2020-01-01, f: true, g: , h: -.5, i: 0x10, j: e1}"
    assert parse(text, loader) == {
        "a": "yes",
        "b": "1:30",
        "c": 10,
        "d": 1000.0,
        "e": "2020-01-01",
        "f": True,
        "g": None,
        "h": -0.5,
        "i": "0x10",
        "j": "e1",
    }


def test_fifty_levels_are_fine_and_a_byte_order_mark_too() -> None:
    assert parse(b"\xef\xbb\xbfa: " + b"[" * 49 + b"]" * 49)
    assert parse(b"a: !!str 5\n") == {"a": "5"}
    assert parse(b"") is None


def test_bytes_that_are_no_text_or_too_many() -> None:
    with pytest.raises(Invalid, match="is not UTF-8 text"):
        parse(b"a: \xff")
    with pytest.raises(Invalid, match="is not UTF-8 text"):
        parse("a: 1".encode("utf-16"))
    with pytest.raises(Invalid, match="1,000,001 bytes"):
        parse(b" " * 1_000_001)
