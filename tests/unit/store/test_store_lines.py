"""Files that grow by whole lines."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.store.errors import StoreError
from pytest_soak.store.lines import LineFile, append_lines, append_paragraphs


def test_lines_are_there_at_once_and_are_appended(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    log = LineFile(path)
    log.write("| profile_apply | OK | PROFILE=S1 |")
    assert path.read_text() == "| profile_apply | OK | PROFILE=S1 |\n"
    log.close()
    log.close()
    again = LineFile(path)
    again.write_json({"b": 1.0, "a": "ä"})
    assert path.read_text("utf-8").splitlines()[1:] == ['{"a":"ä","b":1}']
    assert path.stat().st_mode & 0o111 == 0


def test_one_call_is_one_line(tmp_path: Path) -> None:
    log = LineFile(tmp_path / "run.log")
    log.write("a\nb\r\nc \udcff")
    assert (tmp_path / "run.log").read_bytes() == b"a\\nb\\r\\nc \\udcff\n"


def test_the_line_of_a_killed_process_is_ended_first(tmp_path: Path) -> None:
    path = tmp_path / "timing.jsonl"
    path.write_bytes(b'{"a":1}\n{"b"')
    LineFile(path).write("next")
    assert path.read_bytes() == b'{"a":1}\n{"b"\nnext\n'


def test_nothing_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int) -> None:
        raise AssertionError("synced")

    monkeypatch.setattr(os, "fsync", refuse)
    monkeypatch.setattr(os, "fdatasync", refuse)
    LineFile(tmp_path / "run.log").write("a")


def test_errors_name_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = LineFile(tmp_path / "run.log")
    with pytest.raises(StoreError, match=r"cannot write .*run\.log"):
        log.write_json({"a": float("inf")})

    def full(*args: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(StoreError, match=r"run\.log: No space left; free some space"):
            log.write("a")
    log.close()
    with pytest.raises(StoreError, match="it is closed"):
        log.write("a")
    (tmp_path / "link").symlink_to(tmp_path / "run.log")
    with pytest.raises(StoreError, match="it is a link"):
        LineFile(tmp_path / "link")


def test_several_lines_are_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[int] = []
    write = os.write

    def counted(descriptor: int, data: bytes) -> int:
        writes.append(len(data))
        return write(descriptor, data)

    log = LineFile(tmp_path / "run.log")
    monkeypatch.setattr(os, "write", counted)
    log.write("a\nb", "c")
    log.write()
    log.close()
    append_lines(log.path, "d")
    assert log.path.read_bytes() == b"a\\nb\nc\nd\n"
    assert writes == [7, 2]


def test_paragraphs_are_set_apart_from_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "summary"
    append_paragraphs(path, "## a\n")
    append_paragraphs(path, "## ü \udcff\n")
    assert path.read_bytes() == "## a\n\n\n## ü \\udcff\n".encode()


def test_paragraphs_go_to_regular_files_only(tmp_path: Path) -> None:
    for bad in (tmp_path, tmp_path / "no" / "folder"):
        with pytest.raises(StoreError, match="cannot"):
            append_paragraphs(bad, "x")
