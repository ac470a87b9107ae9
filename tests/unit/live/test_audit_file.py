"""Audit events read on from a position: each row once, whatever the bot does with the file."""

from __future__ import annotations

import dataclasses
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_soak.json_types import converted
from pytest_soak.live.audit_file import LONGEST_LINE, AuditFile, Position
from pytest_soak.live.channels import ChannelFault
from pytest_soak.loop.blocks import count_audit, count_rows, count_tally


def line(number: int) -> str:
    return json.dumps({"event": "FILL", "number": number}) + "\n"


def append(folder: Path, text: str, name: str = "audit.jsonl") -> None:
    with (folder / name).open("a", newline="") as file:
        file.write(text)


def read(audit: AuditFile) -> list[Any]:
    """The numbers of the rows, by an object that continues from the position as stored."""
    stored = json.loads(json.dumps(dataclasses.asdict(audit.position)))
    later = AuditFile(Path(audit.place), converted(stored, Position))
    later.gaps = audit.gaps
    rows = [row["number"] if isinstance(row, dict) else row for row in later.rows()]
    audit.position, audit.gaps = later.position, later.gaps
    return rows


@pytest.fixture
def audit(tmp_path: Path) -> AuditFile:
    """It has been read up to its second row."""
    append(tmp_path, line(1) + line(2))
    audit = AuditFile(tmp_path / "audit.jsonl")
    assert audit.skip() == 2
    return audit


def test_what_is_appended_is_read_once(tmp_path: Path, audit: AuditFile) -> None:
    assert read(audit) == []
    append(tmp_path, line(3))
    assert read(audit) == [3]
    assert read(audit) == []
    append(tmp_path, line(4) + line(5))
    assert audit.skip() == 2
    assert read(audit) == []


def test_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    audit = AuditFile(tmp_path / "audit.jsonl")
    assert audit.skip() == 0
    assert audit.position == Position()
    append(tmp_path, line(1))
    assert read(audit) == [1]


def test_a_last_line_counts_when_it_is_complete(tmp_path: Path, audit: AuditFile) -> None:
    append(tmp_path, line(3) + line(4)[:-1])
    assert read(audit) == [3]
    assert read(audit) == []
    append(tmp_path, "\n")
    assert read(audit) == [4]


@pytest.mark.parametrize("name", ["audit.jsonl.1", "audit-2026-11-29.jsonl", "x"])
def test_the_rest_of_a_rotated_file_is_read_first(
    tmp_path: Path, audit: AuditFile, name: str
) -> None:
    append(tmp_path, line(3) + line(4)[:-1])
    (tmp_path / "audit.jsonl").rename(tmp_path / name)
    assert read(audit) == [3]
    (tmp_path / "audit.jsonl").touch()  # by a tool: the bot writes to the old file
    append(tmp_path, "\n" + line(5), name)
    assert read(audit) == [4, 5]
    append(tmp_path, line(6)[:-1], name)
    append(tmp_path, line(7))
    assert read(audit) == [6, 7]
    assert read(audit) == []
    assert audit.gaps == 0


def rotate(folder: Path, number: int) -> None:
    """As logrotate does; the new file has one row."""
    for old in (5, 4, 3, 2, 1, 0):
        name = folder / (f"audit.jsonl.{old}" if old else "audit.jsonl")
        if name.exists():
            name.rename(folder / f"audit.jsonl.{old + 1}")
    append(folder, line(number))


def test_files_that_were_rotated_in_between_are_read_in_their_order(
    tmp_path: Path, audit: AuditFile
) -> None:
    append(tmp_path, line(3))
    for number in (4, 5, 6):
        rotate(tmp_path, number)
    append(tmp_path, line(0), "audit.jsonl.10")
    assert read(audit) == [3, 4, 5, 6]
    assert audit.gaps == 0


def test_it_may_be_rotated_while_it_is_read(tmp_path: Path, audit: AuditFile) -> None:
    append(tmp_path, line(3))
    rotate(tmp_path, 4)
    rotate(tmp_path, 5)
    numbers = []
    for row in audit.rows():
        numbers.append(row["number"])
        if row["number"] == 3:
            rotate(tmp_path, 6)
    assert numbers == [3, 4, 5]
    assert read(audit) == [6]
    assert audit.gaps == 0


def test_it_may_be_rotated_after_it_was_opened(
    tmp_path: Path, audit: AuditFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rotated() -> Any:
        monkeypatch.undo()
        rotate(tmp_path, 5)
        return find()

    rotate(tmp_path, 4)
    find = audit._rotated
    monkeypatch.setattr(audit, "_rotated", rotated)
    assert [row["number"] for row in audit.rows()] == [4]
    assert [row["number"] for row in audit.rows()] == [5]


def test_a_rotated_file_that_is_gone_is_a_gap(tmp_path: Path, audit: AuditFile) -> None:
    append(tmp_path, line(3), "new")
    (tmp_path / "new").replace(tmp_path / "audit.jsonl")
    assert read(audit) == [3]
    assert audit.gaps == 1
    (tmp_path / "audit.jsonl").unlink()
    assert read(audit) == []
    assert audit.gaps == 1


def test_a_file_in_between_that_is_gone_is_a_gap(tmp_path: Path, audit: AuditFile) -> None:
    (tmp_path / "audit.jsonl").rename(tmp_path / "audit.jsonl.3")
    append(tmp_path, line(5), "audit.jsonl.1")
    append(tmp_path, line(6))
    assert read(audit) == [5, 6]
    assert audit.gaps == 1


def test_a_rotated_file_with_other_content_is_a_gap(tmp_path: Path, audit: AuditFile) -> None:
    (tmp_path / "audit.jsonl").rename(tmp_path / "audit.jsonl.1")
    (tmp_path / "audit.jsonl.1").write_text(line(8) * 3)
    append(tmp_path, line(3))
    assert read(audit) == [3]
    assert audit.gaps == 1


@pytest.mark.parametrize("more", [0, 1, 20])
def test_a_truncated_file_begins_anew(tmp_path: Path, audit: AuditFile, more: int) -> None:
    numbers = [*range(100, 100 + more)]
    os.truncate(tmp_path / "audit.jsonl", 0)
    append(tmp_path, "".join(map(line, numbers)))
    assert read(audit) == numbers
    append(tmp_path, line(3))
    assert read(audit) == [3]
    assert audit.gaps == 1


def test_a_new_file_with_an_old_inode_begins_anew(tmp_path: Path, audit: AuditFile) -> None:
    text = (tmp_path / "audit.jsonl").read_text()
    (tmp_path / "audit.jsonl").write_text(text.replace("1", "8") + line(3))
    assert read(audit) == [8, 2, 3]


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda place: place.symlink_to("x.1")])
def test_what_is_no_file_is_a_fault(tmp_path: Path, audit: AuditFile, make: Any) -> None:
    (tmp_path / "audit.jsonl").rename(tmp_path / "x.1")
    make(tmp_path / "audit.jsonl")
    for action in (audit.skip, lambda: read(audit)):
        with pytest.raises(ChannelFault) as caught:
            action()
        assert caught.value.name == "not_a_file"
    (tmp_path / "audit.jsonl").rename(tmp_path / "x.2")
    append(tmp_path, line(3))
    assert read(audit) == [3]


@pytest.mark.parametrize("size", [LONGEST_LINE - 1, LONGEST_LINE, LONGEST_LINE + 1, 200_000])
def test_a_long_line_is_one_unreadable_row(tmp_path: Path, size: int) -> None:
    text = json.dumps({"event": "FILL", "text": ""})
    text = text.replace('""', '"' + "x" * (size - len(text)) + '"')
    append(tmp_path, line(1) + text + "\n" + line(2) + text)
    audit = AuditFile(tmp_path / "audit.jsonl")
    counts = count_rows(audit.rows())
    is_read = size <= LONGEST_LINE
    assert (counts["rows"], counts["unreadable"]) == (3, 0 if is_read else 1)
    if not is_read:
        assert "a line of more than 65,536 bytes" in counts["example"]
    append(tmp_path, "\n" + line(3))
    assert AuditFile(tmp_path / "audit.jsonl", audit.position).skip() == 2


def test_unreadable_rows_are_counted(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").write_bytes(
        b'{"event": "BLOCK", "reason": "risk"}\r\n\n  \r\n{"event": \n[1]\n3\n\xff\n"\xff"\n'
        + b"[" * 60_000 + b'\n{"event": NaN}\nnull\n"text"\n\x00\n'
    )  # fmt: skip
    audit = AuditFile(tmp_path / "audit.jsonl")
    counts = count_rows(audit.rows())
    assert (counts["rows"], counts["unreadable"], counts["blocks"]) == (11, 10, {"risk": 1})
    assert read(audit) == []


def test_a_device_may_have_another_number_later(tmp_path: Path, audit: AuditFile) -> None:
    append(tmp_path, line(3))
    audit.position = dataclasses.replace(audit.position, device=audit.position.device + 1)
    assert read(audit) == [3]
    audit.position = dataclasses.replace(audit.position, device=audit.position.device + 1)
    (tmp_path / "audit.jsonl").rename(tmp_path / "audit.jsonl.1")
    append(tmp_path, line(4))
    assert read(audit) == [4]
    assert audit.gaps == 0


def test_a_file_that_cannot_be_read_is_a_fault(
    tmp_path: Path, audit: AuditFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("pytest_soak.live.audit_file._tail", fail)
    with pytest.raises(ChannelFault, match="cannot be read: Input/output error") as caught:
        audit.skip()
    assert caught.value.name == "unreachable"


def test_it_ends_though_the_bot_writes_on(tmp_path: Path, audit: AuditFile) -> None:
    append(tmp_path, line(0))
    for row in audit.rows():
        append(tmp_path, line(row["number"] + 1) * 10_000)
    assert read(audit) == [1] * 10_000


def test_rows_that_were_not_taken_are_read_again(tmp_path: Path, audit: AuditFile) -> None:
    append(tmp_path, line(3) + line(4))
    next(audit.rows())
    assert read(audit) == [3, 4]


def test_memory_is_bounded(tmp_path: Path) -> None:
    append(tmp_path, line(1) * 200_000 + "x" * 10_000_000)
    audit = AuditFile(tmp_path / "audit.jsonl")
    tracemalloc.start()
    try:
        assert audit.skip() == 200_000
        assert count_rows(audit.rows())["rows"] == 0
        assert count_rows(AuditFile(tmp_path / "audit.jsonl").rows())["rows"] == 200_000
        assert count_tally(AuditFile(tmp_path / "audit.jsonl").tally())["rows"] == 200_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


actions = st.lists(
    st.sampled_from(["write", "half", "rotate", "create", "read"])
    | st.tuples(st.just("many"), st.integers(1, 400)),
    max_size=25,
)


@settings(deadline=None)
@given(actions)
def test_whatever_the_bot_does_each_row_is_read_once(
    tmp_path_factory: pytest.TempPathFactory, actions: list[Any]
) -> None:
    folder = tmp_path_factory.mktemp("audit")
    audit = AuditFile(folder / "audit.jsonl")
    written, numbers, rotations, half = 0, [], 0, ""
    has_file = False

    def flush() -> None:
        nonlocal half
        append(folder, half)
        half = ""

    for action in [*actions, "read"]:
        if action == "write" or isinstance(action, tuple):
            flush()
            count = action[1] if isinstance(action, tuple) else 1
            append(folder, "".join(map(line, range(written, written + count))))
            written, has_file = written + count, True
        elif action == "half":
            flush()
            text = line(written)
            written, has_file = written + 1, True
            append(folder, text[:9])
            half = text[9:]
        elif action == "rotate" and has_file and (folder / "audit.jsonl").stat().st_size:
            flush()
            numbers += read(audit)  # else the name of a file in between is not known
            rotations += 1
            (folder / "audit.jsonl").rename(folder / f"audit-{rotations}.jsonl")
            has_file = False
        elif action == "create":
            append(folder, "")
            has_file = True
        elif action == "read":
            numbers += read(audit)
    flush()
    assert numbers + read(audit) == [*range(written)]
    assert audit.gaps == 0


@given(st.lists(st.integers(0, 3) | st.text(alphabet='{"}\n x', max_size=5), max_size=30))
def test_the_counts_are_those_of_a_list(
    tmp_path_factory: pytest.TempPathFactory, parts: list[Any]
) -> None:
    folder = tmp_path_factory.mktemp("audit")
    text = "".join(part if isinstance(part, str) else line(part) for part in parts)
    append(folder, text)
    rows: list[Any] = []
    for one_line in text.split("\n")[:-1]:
        if one_line.strip():
            try:
                rows.append(json.loads(one_line))
            except ValueError:
                rows.append(one_line + "\n")
    assert count_rows(AuditFile(folder / "audit.jsonl").rows()) == count_audit(rows)


events = st.sampled_from(["PLACE", "BLOCK", "BLOK", "NOTE", "", None, 3, ["x"]])
reasons = st.sampled_from(["risk", "", None, 3, {"a": 1}]) | st.integers(0, 99).map("r{}".format)
broken = ["{}", "[]", "null", "3", "{", "", "\x00", '{"event": "FILL"}', "x" * 70_000]
lines = st.sampled_from(broken) | st.builds(
    lambda event, reason, more: json.dumps({"event": event, "reason": reason} | more),
    events,
    reasons,
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)


@given(st.lists(lines, max_size=8), st.integers(1, 90), st.sampled_from([None, ["risk", "r7"]]))
def test_a_tally_has_the_same_counts(
    tmp_path_factory: pytest.TempPathFactory,
    parts: list[str],
    times: int,
    listed: list[str] | None,
) -> None:
    folder = tmp_path_factory.mktemp("audit")
    many = [json.dumps({"event": "BLOCK", "reason": f"r{number}"}) for number in range(times)]
    append(folder, "\n".join([*parts, *many, *many, *parts, ""]))
    expected = AuditFile(folder / "audit.jsonl")
    audit = AuditFile(folder / "audit.jsonl")
    assert count_tally(audit.tally(), listed) == count_rows(expected.rows(), listed)
    assert audit.position == expected.position
