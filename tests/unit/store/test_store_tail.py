"""Files that grow are read on: what is read in pieces is what is read at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_soak.store.errors import StoreError
from pytest_soak.store.journal import Journal, read_journal
from pytest_soak.store.records import Record
from pytest_soak.store.tail import JournalTail, TimingTail


def entry(number: int) -> dict[str, object]:
    return {"type": "x", "n": number}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal.jsonl"
    journal = Journal.create(path)
    journal.append(*map(entry, range(6)))
    journal.close()
    return path


@pytest.mark.parametrize("size", [1, 7, 40, 97, 10_000])
def test_pieces_of_any_size_give_every_entry_once(path: Path, tmp_path: Path, size: int) -> None:
    whole, growing = path.read_bytes(), tmp_path / "growing.jsonl"
    growing.write_bytes(b"")
    tail = JournalTail(growing)
    entries: list[Record] = []
    for first in range(0, len(whole), size):
        with growing.open("ab") as stream:
            stream.write(whole[first : first + size])
        entries += tail.read().entries
    assert tuple(entries) == read_journal(path).entries
    assert tail.read().entries == ()


def test_the_first_read_and_no_other_begins_anew(path: Path) -> None:
    tail = JournalTail(path)
    assert tail.read().restarted
    journal = Journal.open(path)
    journal.append(entry(6))
    journal.close()
    new = tail.read()
    assert not new.restarted
    assert [item["n"] for item in new.entries] == [6]


def test_a_file_that_was_replaced_is_read_from_the_begin(path: Path, tmp_path: Path) -> None:
    tail = JournalTail(path)
    tail.read()
    other = tmp_path / "other.jsonl"
    journal = Journal.create(other)
    journal.append(*map(entry, range(100, 120)))
    journal.close()
    other.replace(path)
    new = tail.read()
    assert new.restarted
    assert [item["n"] for item in new.entries] == list(range(100, 120))


def test_a_file_that_was_cut_and_went_on_is_read_from_the_begin(path: Path) -> None:
    """A resumed session cuts the last line off and writes another one in its place."""
    tail = JournalTail(path)
    tail.read()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:5]))
    journal = Journal.open(path)
    journal.append(*map(entry, range(50, 60)))
    journal.close()
    new = tail.read()
    assert new.restarted
    assert [item["n"] for item in new.entries] == [*range(5), *range(50, 60)]


def test_damage_names_the_line_and_is_found_again(path: Path) -> None:
    damaged = path.read_bytes().replace(b'"n":3', b'"n":4')
    path.write_bytes(damaged)
    tail = JournalTail(path)
    for _ in range(2):
        with pytest.raises(StoreError, match="line 4 is damaged"):
            tail.read()


def test_a_line_that_is_left_out_is_damage(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], *lines[3:]]))
    with pytest.raises(StoreError, match="line 3 has seq 3, 2 is next"):
        JournalTail(path).read()


def test_times_are_read_on_and_bad_lines_left_out(tmp_path: Path) -> None:
    path = tmp_path / "timing.jsonl"
    tail = TimingTail(path)
    tail.read()
    assert (tail.seconds, tail.last_utc) == ({}, None)
    path.write_text('{"iteration":1,"seconds":0.5,"utc":"a"}\nno json\n[1]\n{"iteration":2,')
    tail.read()
    assert (tail.seconds, tail.last_utc) == ({1: 0.5}, "a")
    with path.open("a") as stream:
        stream.write('"seconds":"x","utc":"b"}\n{"iteration":3,"seconds":2,"utc":null}\n')
    tail.read()
    assert (tail.seconds, tail.last_utc) == ({1: 0.5, 3: 2.0}, "b")
