"""Properties of the store: any flipped bit, any truncation, any JSON value."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_soak.canonical import canonical_json, compute_json_hash, normal, printable_json
from pytest_soak.store.atomic import atomic_write_json, read_json_with_hash
from pytest_soak.store.errors import StoreError
from pytest_soak.store.journal import Journal, read_journal
from pytest_soak.store.reading import parse_json_strictly

quiet = settings(derandomize=True, deadline=None, max_examples=60, database=None)

texts = st.text(st.characters(codec="utf-8"), max_size=8)
values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
entries = st.builds(
    lambda fields, kind: {**fields, "type": kind},
    st.dictionaries(texts.filter(lambda key: key not in ("check", "seq")), values, max_size=4),
    texts,
)
journals = st.lists(entries, min_size=1, max_size=5)


@contextmanager
def stored(batch: list[dict[str, Any]]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "journal.jsonl"
        journal = Journal.create(path)
        for entry in batch:
            journal.append(entry)
        journal.close()
        yield path


def plain(batch: Any) -> list[bytes]:
    return [canonical_json(entry) for entry in batch]


def numbered(batch: list[dict[str, Any]]) -> list[bytes]:
    return plain({**entry, "seq": seq} for seq, entry in enumerate(batch))


@quiet
@given(journals)
def test_a_journal_gives_back_what_was_appended(batch: list[dict[str, Any]]) -> None:
    with stored(batch) as path:
        assert plain(read_journal(path).entries) == numbered(batch)


@quiet
@given(journals, st.data())
def test_a_flipped_bit_is_found(batch: list[dict[str, Any]], data: st.DataObject) -> None:
    """It stops the reader; in the last line, the reader may drop the line instead."""
    with stored(batch) as path:
        whole = path.read_bytes()
        last = whole.rfind(b"\n", 0, -1) + 1
        for place in data.draw(st.lists(st.integers(0, len(whole) * 8 - 1), max_size=20)):
            damaged = bytearray(whole)
            damaged[place // 8] ^= 1 << place % 8
            path.write_bytes(damaged)
            try:
                contents = read_journal(path)
            except StoreError:
                continue
            assert place // 8 >= last
            assert plain(contents.entries) == numbered(batch)[:-1]
            assert contents.torn == len(whole) - last
            assert contents.size == last


def test_every_bit_of_a_journal_counts() -> None:
    """Flips every bit of a journal with exponents, escapes and letters beyond ASCII."""
    batch: list[dict[str, Any]] = [
        {"type": "a", "x": 1e-07, "text": 'ä\x1f"\\'},
        {"type": "b", "big": 2.5e300, "deep": {"check": "no"}},
        {"type": "c", "z": None},
    ]
    with stored(batch) as path:
        whole = path.read_bytes()
        last = whole.rfind(b"\n", 0, -1) + 1
        for place in range(len(whole) * 8):
            damaged = bytearray(whole)
            damaged[place // 8] ^= 1 << place % 8
            path.write_bytes(damaged)
            try:
                contents = read_journal(path)
            except StoreError:
                continue
            assert place // 8 >= last, f"bit {place} went unseen"
            assert plain(contents.entries) == numbered(batch)[:-1]


@settings(quiet, max_examples=8)
@given(journals)
def test_cut_anywhere_a_prefix_is_left(batch: list[dict[str, Any]]) -> None:
    with stored(batch) as path:
        whole = path.read_bytes()
        ends = [place + 1 for place, byte in enumerate(whole) if byte == 10]
        for cut in range(len(whole) + 1):
            path.write_bytes(whole[:cut])
            contents = read_journal(path)
            complete = sum(end <= cut for end in ends)
            size = ends[complete - 1] if complete else 0
            assert plain(contents.entries) == numbered(batch)[:complete]
            assert (contents.size, contents.torn) == (size, cut - size)


@quiet
@given(journals, st.data())
def test_a_cut_journal_goes_on_as_if_never_cut(
    batch: list[dict[str, Any]], data: st.DataObject
) -> None:
    with stored(batch) as path:
        whole = path.read_bytes()
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
        journal = Journal.open(path)
        for entry in batch[len(journal.entries) :]:
            journal.append(entry)
        journal.close()
        assert path.read_bytes() == whole


@quiet
@given(values)
def test_a_written_value_is_read_back_with_its_hash(value: Any) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "a.json"
        state_hash, size = atomic_write_json(path, value)
        read, read_hash = read_json_with_hash(path)
        assert state_hash == read_hash == compute_json_hash(value) == compute_json_hash(read)
        assert size == path.stat().st_size
        assert canonical_json(read) == path.read_bytes()


@quiet
@given(values | st.floats(allow_nan=False, allow_infinity=False))
def test_canonical_json_is_what_the_standard_library_writes(value: Any) -> None:
    text = json.dumps(
        normal(value), sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False
    )
    assert canonical_json(value) == printable_json(text).encode()


@pytest.mark.parametrize("number", [1e-5, 1e-4, 5e-324, 0.1, 1e16, 2.0**53, -1.5e300, 10**1200])
def test_a_number_has_the_text_that_python_gives_it(number: float) -> None:
    assert canonical_json({"a": [number]}) == f'{{"a":[{number!r}]}}'.encode()


@quiet
@given(
    st.binary(max_size=40)
    | values.map(canonical_json)
    | st.lists(st.sampled_from(["{", "}", "[", "]", ",", ":", '"a"', '"\\ud800"', "1e999", "-0.0"]))
    .map("".join)
    .map(str.encode)
)
def test_the_strict_reader_gives_what_can_be_written_or_a_value_error(data: bytes) -> None:
    try:
        value = parse_json_strictly(data)
    except ValueError:
        return
    written = canonical_json(value)
    assert canonical_json(parse_json_strictly(written)) == written
