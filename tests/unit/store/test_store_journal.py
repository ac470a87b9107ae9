"""The journal: its lines, a torn tail, and its closing after a failed write."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.store import records as records_module
from pytest_soak.store.errors import StoreError
from pytest_soak.store.journal import Journal, read_journal
from pytest_soak.store.records import Records

ENTRIES: list[dict[str, Any]] = [
    {"type": "start", "schema": 1, "lane": {"id": "ä", "seed": 1}},
    {"type": "observation", "iteration": 1, "report": {"totals": {"net_bps": 1e-07, "x": 2.5e20}}},
    {"type": "decision", "iteration": 1, "values": {"a": 60.0}, "note": 'tab\tand \x1f "quotes"'},
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal.jsonl"
    journal = Journal.create(path)
    journal.append(ENTRIES[0])
    journal.append(*ENTRIES[1:])
    journal.close()
    return path


def numbered(entries: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    return tuple({**entry, "seq": number} for number, entry in enumerate(entries))


def test_what_was_appended_is_read(path: Path) -> None:
    assert read_journal(path) == Records(numbered(ENTRIES), torn=0, size=path.stat().st_size)


def test_checks_without_their_decision_are_half_a_write(path: Path) -> None:
    """Both are one write; a resume repeats the checks with the missing decision."""
    before = path.read_bytes()
    journal = Journal.open(path)
    journal.append({"type": "checks", "n": 1}, {"type": "decision", "n": 2})
    journal.close()
    whole = path.read_bytes()
    Journal.open(path).close()
    assert path.read_bytes() == whole
    path.write_bytes(whole[:-9])  # the decision is torn
    assert [entry["type"] for entry in read_journal(path).entries[-1:]] == ["checks"]
    journal = Journal.open(path)
    journal.close()
    assert path.read_bytes() == before
    assert journal.entries == numbered(ENTRIES)


def test_a_line_is_the_canonical_json_with_its_number_and_checksum(path: Path) -> None:
    for number, line in enumerate(path.read_bytes().splitlines()):
        fields = json.loads(line)
        check = fields.pop("check")
        body = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert fields["seq"] == number
        assert check == hashlib.sha256(body.encode()).hexdigest()[:16]
        fields["check"] = check
        whole = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert line == whole.encode()


def test_a_reopened_journal_goes_on_with_the_next_number(path: Path) -> None:
    journal = Journal.open(path)
    assert journal.entries == numbered(ENTRIES)
    journal.append({"type": "done", "iteration": 1})
    journal.append({"type": "done", "iteration": 2})
    journal.close()
    assert [entry["seq"] for entry in read_journal(path).entries] == [0, 1, 2, 3, 4]


def test_a_new_journal_is_empty_and_overwrites_nothing(path: Path, tmp_path: Path) -> None:
    Journal.create(tmp_path / "other").close()
    assert read_journal(tmp_path / "other") == Records((), torn=0, size=0)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"cannot create .*something else has that name"):
        Journal.create(path)
    assert path.read_bytes() == before
    with pytest.raises(StoreError, match=r"cannot open .*No such file"):
        Journal.open(tmp_path / "absent")


def test_one_append_is_one_write_and_one_sync(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal.open(path)
    calls: list[str] = []
    for name in ("open", "write", "fdatasync", "fsync", "stat", "lstat", "fstat", "scandir"):
        real = getattr(os, name)

        def call(*args: Any, name: str = name, real: Any = real, **kwargs: Any) -> Any:
            calls.append(name)
            return real(*args, **kwargs)

        monkeypatch.setattr(os, name, call)
    journal.append({"type": "a"}, {"type": "b"}, {"type": "c"})
    assert calls == ["lstat", "fstat", "write", "fdatasync"]


def test_fsync_serves_where_there_is_no_fdatasync(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(path)
    synced: list[int] = []
    monkeypatch.delattr(os, "fdatasync")
    monkeypatch.setattr(os, "fsync", synced.append)
    journal.append({"type": "a"})
    assert len(synced) == 1


@pytest.mark.parametrize("function", ["write", "fdatasync"])
@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "I/O error"), KeyboardInterrupt()], ids=["fault", "interrupt"]
)
def test_after_a_failed_append_the_journal_is_closed_for_good(
    path: Path, monkeypatch: pytest.MonkeyPatch, function: str, error: BaseException
) -> None:
    journal = Journal.open(path)
    calls = 0

    def fail(*args: Any) -> int:
        nonlocal calls
        calls += 1
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, function, fail)
        with pytest.raises(StoreError if isinstance(error, OSError) else KeyboardInterrupt):
            journal.append({"type": "lost"})
    assert calls == 1
    size = path.stat().st_size
    with pytest.raises(StoreError, match="an earlier write to it was not finished"):
        journal.append({"type": "later"})
    journal.close()
    assert path.stat().st_size == size


def test_a_full_disk_leaves_a_torn_tail_that_the_next_open_cuts_off(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = path.read_bytes()
    journal = Journal.open(path)
    real, calls = os.write, 0

    def write_a_little(descriptor: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise OSError(errno.ENOSPC, "No space left")
        return real(descriptor, bytes(data[:10]))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write_a_little)
        with pytest.raises(StoreError, match=r"cannot append to .*free some space"):
            journal.append({"type": "lost"})
    assert read_journal(path).torn == 10
    assert path.stat().st_size == len(good) + 10  # reading changes nothing
    journal = Journal.open(path)
    assert journal.contents == Records(numbered(ENTRIES), torn=10, size=len(good))
    assert path.read_bytes() == good
    journal.append({"type": "found"})
    assert read_journal(path).entries[-1] == {"type": "found", "seq": 3}


def test_short_writes_are_continued(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal.open(path)
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, bytes(data[:3])))
    journal.append({"type": "a"}, {"type": "b"})
    assert [entry["type"] for entry in read_journal(path).entries[3:]] == ["a", "b"]


def test_the_cut_is_synced_before_anything_is_appended(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with path.open("ab") as stream:
        stream.write(b'{"torn')
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(5, "I/O")))
        with pytest.raises(StoreError, match="cannot cut the torn tail off"):
            Journal.open(path)


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "a", "value": float("nan")},
        {"type": "a", "value": object()},
        {"type": "a", "check": "0"},
        {"iteration": 1},
        {"type": 3},
    ],
    ids=["nan", "object", "check", "no_type", "type"],
)
def test_an_entry_that_is_none_is_refused_and_the_journal_stays_open(
    path: Path, entry: dict[str, Any]
) -> None:
    journal = Journal.open(path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"journal.jsonl"):
        journal.append({"type": "good"}, entry)
    assert path.read_bytes() == before
    journal.append({"type": "good"})
    assert read_journal(path).entries[-1]["seq"] == 3


def with_check(body: str) -> bytes:
    """A line of ``body``, which need not be canonical JSON, with a valid checksum."""
    check = hashlib.sha256(body.encode()).hexdigest()[:16]
    return body.replace('"seq"', f'"check":"{check}","seq"', 1).encode() + b"\n"


@pytest.mark.parametrize(
    "body",
    [
        '{"seq":0,"type":"a","x":NaN}',
        '{"seq":0,"type":"a","x":Infinity}',
        '{"seq":0,"type":"a","x":"\\ud800"}',
        '{"seq":0,"type":5}',
        '{"seq":0}',
        '{"seq":0,"type":"a","x":' + "[" * 101 + "]" * 101 + "}",
        '{"seq":0,"type":"a","x":' + "[" * 9000 + "]" * 9000 + "}",
        '{"seq":0,"type":"a","x":' + "9" * 5000 + "}",
    ],
)
def test_what_no_session_wrote_is_damage_whatever_its_checksum(tmp_path: Path, body: str) -> None:
    path = tmp_path / "journal"
    good = '{"seq":0,"type":"a","x":"a text with \\\\ud800 in it"}'
    path.write_bytes(with_check(good))
    assert len(read_journal(path).entries) == 1
    path.write_bytes(with_check(body) * 2)
    with pytest.raises(StoreError, match="line 1 is damaged"):
        read_journal(path)


def test_a_line_beyond_the_cap_is_neither_written_nor_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(path)
    monkeypatch.setattr(records_module, "MAX_LINE_BYTES", 500)
    with pytest.raises(StoreError, match=r"'a' has .* bytes, at most 500"):
        journal.append({"type": "a", "text": "x" * 600})
    os.truncate(path, 2**33)
    with pytest.raises(StoreError, match="a line of it has no end"):
        read_journal(path)


def test_a_closed_journal_takes_nothing(path: Path) -> None:
    journal = Journal.open(path)
    journal.close()
    journal.close()
    with pytest.raises(StoreError, match="it is closed"):
        journal.append({"type": "a"})


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: b"\n",
        lambda line: b"{}\n",
        lambda line: b"[1]\n",
        lambda line: b"\0" * (len(line) - 1) + b"\n",
        lambda line: line.replace(b",", b", ", 1),
        lambda line: line.replace(b"e-07", b"E-07"),
        lambda line: line.replace(b'"iteration":1', b'"iteration":2'),
        lambda line: line.replace(b'"check"', b'"chekc"'),
        lambda line: b"[" * 100_000 + b"\n",
    ],
    ids=["empty", "no_check", "list", "zeros", "space", "exponent", "number", "key", "deep"],
)
def test_a_bad_line_stops_the_reader_unless_it_is_the_last(path: Path, damage: Any) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    bad = damage(lines[1])
    path.write_bytes(lines[0] + bad + lines[2])
    with pytest.raises(StoreError, match=r"journal\.jsonl line 2 is damaged"):
        read_journal(path)
    path.write_bytes(lines[0] + bad)
    assert read_journal(path) == Records(numbered(ENTRIES)[:1], torn=len(bad), size=len(lines[0]))


def test_a_tail_of_zeros_is_torn(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    for tail in (b"\0" * 4096, lines[1][:20] + b"\0" * 50, b"\0" * 50 + lines[1][50:]):
        path.write_bytes(lines[0] + tail)
        assert read_journal(path) == Records(
            numbered(ENTRIES)[:1], torn=len(tail), size=len(lines[0])
        )


def test_a_last_line_with_another_end_is_not_taken(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])  # the newline is missing: the write was torn
    assert read_journal(path).entries == numbered(ENTRIES)[:2]
    path.write_bytes(whole[:-1] + b" ")  # another character replaces it: damage
    with pytest.raises(StoreError, match="line 3 is damaged"):
        read_journal(path)


def test_a_damaged_newline_of_an_acknowledged_line_is_no_torn_tail(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:-1] + b"\x0b" + lines[2])
    with pytest.raises(StoreError, match="line 2 is damaged"):
        read_journal(path)
    path.write_bytes(lines[0] + lines[1][:-1] + b"\0" * 100)
    assert read_journal(path).torn == len(lines[1]) + 99


@pytest.mark.parametrize("order", [(0, 2), (0, 0), (1,), (0, 1, 1)], ids=str)
def test_a_good_line_out_of_order_stops_the_reader_even_as_the_last(
    path: Path, order: tuple[int, ...]
) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[number] for number in order))
    with pytest.raises(StoreError, match=f"line {len(order)} has seq {order[-1]}"):
        read_journal(path)


def test_a_journal_is_a_regular_file(path: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(StoreError, match="it is a link"):
        Journal.open(tmp_path / "link")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(StoreError, match="no regular file"):
        read_journal(tmp_path / "fifo")
