"""Logs with a largest size: what is written, rotated, followed and shown; and the way into them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_soak.processes.log_file import LONGEST_LINE, CappedLog, LogReader, last_lines
from pytest_soak.processes.output import RATE, Output


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bot.log"


def test_a_full_file_is_kept_and_an_old_one_is_not(path: Path) -> None:
    log = CappedLog(path, max_bytes=10, keep=2)
    for number in range(8):
        log.write(b"line %d\n" % number)
    log.close()
    assert path.read_text() == "line 7\n"
    assert path.with_name("bot.log.1").read_text() == "line 6\n"
    assert path.with_name("bot.log.2").read_text() == "line 5\n"
    assert len(list(path.parent.iterdir())) == 3


def test_lines_stay_whole_and_a_long_one_is_split(path: Path) -> None:
    log = CappedLog(path, max_bytes=10, keep=9)
    log.write(b"abc\ndefg\nhijklm\n" + b"x" * 25 + b"\nend\n")
    log.close()
    files = [path.with_name(f"bot.log.{number}") for number in range(9, 0, -1)]
    texts = [file.read_text() for file in [*files, path] if file.exists()]
    assert texts[:2] == ["abc\ndefg\n", "hijklm\n"]
    assert all(len(text) <= 10 for text in texts)
    assert "".join(texts) == "abc\ndefg\nhijklm\n" + "x" * 25 + "\nend\n"


def test_without_older_files_the_present_one_begins_anew(path: Path) -> None:
    log = CappedLog(path, max_bytes=10, keep=0)
    for number in range(3):
        log.write(b"line %d\n" % number)
    log.close()
    assert [file.name for file in path.parent.iterdir()] == ["bot.log"]
    assert path.read_text() == "line 2\n"


def test_an_old_log_is_continued_up_to_its_size(path: Path) -> None:
    path.write_text("old\n")
    log = CappedLog(path, max_bytes=10, keep=1)
    log.write(b"new\n")
    log.write(b"newer\n")
    log.close()
    assert path.with_name("bot.log.1").read_text() == "old\nnew\n"
    assert path.read_text() == "newer\n"


def test_a_link_in_the_place_of_a_log_is_refused(path: Path) -> None:
    victim = path.with_name("victim")
    victim.write_text("precious")
    path.symlink_to(victim)
    with pytest.raises(OSError, match="symbolic"):
        CappedLog(path, 10, 1).write(b"text")
    assert victim.read_text() == "precious"


def test_a_reader_begins_at_its_start_and_follows_rotations(path: Path) -> None:
    path.write_text("old\n")
    path.with_name("bot.log.1").write_text("older\n")
    reader = LogReader(path)
    log = CappedLog(path, max_bytes=10, keep=5)
    assert list(reader.lines()) == []
    log.write(b"a\nb")
    assert list(reader.lines()) == ["a"]
    for number in range(4):  # several rotations between two looks
        log.write(b"c%d\r\nline %d" % (number, number))
    log.write(b"\n")
    expected = ["bc0", "line 0c1", "line 1c2", "line 2c3", "line 3"]
    assert list(reader.lines()) == expected
    assert list(reader.lines()) == []
    reader.close()
    log.close()


def test_a_reader_goes_on_with_what_is_left_when_its_file_is_gone(path: Path) -> None:
    log = CappedLog(path, max_bytes=8, keep=1)
    reader = LogReader(path)
    for number in range(5):
        log.write(b"line %d\n" % number)
    assert list(reader.lines()) == ["line 0", "line 3", "line 4"]
    reader.close()
    log.close()


def test_a_line_without_end_takes_no_memory(path: Path) -> None:
    reader = LogReader(path)
    path.write_bytes(b"x" * 300_000 + b"\ny\n")
    assert list(reader.lines()) == ["x" * LONGEST_LINE, "y"]
    reader.close()


def test_last_lines_come_from_the_file_before_too(path: Path) -> None:
    assert last_lines(path, 20) == ()
    path.with_name("bot.log.1").write_text("a\nb\nc\n")
    path.write_bytes(b"d\r\n\xff")
    assert last_lines(path, 3) == ("c", "d", "\N{REPLACEMENT CHARACTER}")
    path.unlink()
    assert last_lines(path, 2) == ("b", "c")
    path.write_bytes(b"x" * 1_000_000)
    assert len(last_lines(path, 1)[0]) == LONGEST_LINE


def test_output_goes_into_the_log_within_a_rate(path: Path) -> None:
    reading, writing = os.pipe()
    log = CappedLog(path, max_bytes=100_000_000, keep=0)
    output = Output(reading, log)
    os.set_blocking(writing, False)
    moved, pause_s = 0, 0.0
    while not pause_s and moved < 2 * RATE:
        moved += os.write(writing, b"x" * 60_000)
        pause_s = output.pump()
    assert 0.0 < pause_s <= 0.1
    assert moved <= RATE * 0.1 + 120_000
    os.write(writing, b"end")
    os.close(writing)
    output.finish()
    assert output.is_at_end
    assert path.stat().st_size == moved + 3
    output.close()
    log.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_output_that_the_disk_does_not_take_is_dropped(path: Path) -> None:
    reading, writing = os.pipe()
    log = CappedLog(Path("/dev/full"), max_bytes=1_000, keep=0)
    output = Output(reading, log)
    os.write(writing, b"text")
    assert output.pump() == 0.0
    assert output.problem == "No space left on device"
    os.close(writing)
    output.finish()
    assert output.is_at_end
    output.close()
    log.close()
