"""The row below the cursor: drawn in place, around the writes of others, and gone at the end."""

from __future__ import annotations

import errno
import os
import random
from typing import Any

import pytest

from pytest_soak.session.status_row import StatusRow, Terminal, terminal_of
from tests.screen import Screen


class Stream:
    """A stream whose writes reach the screen, until pytest captures them."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.captured: list[str] | None = None

    def write(self, text: str) -> int:
        if self.captured is None:
            self.screen.feed(text)
        else:
            self.captured.append(text)
        return len(text)

    def flush(self) -> None:
        pass


class FakeTerminal:
    """Writes to the screen, whatever is captured; may be gone."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.is_gone = False
        self.is_closed = False
        self.columns = stream.screen.width

    def width(self) -> int:
        return self.columns

    def has_stream(self) -> bool:
        return self.stream.captured is None

    def write(self, text: str) -> None:
        if self.is_gone:
            raise OSError(errno.EIO, "Input/output error")
        self.stream.screen.feed(text)

    def close(self) -> None:
        self.is_closed = True


class Drawn:
    """A row on a screen, its text given by the test."""

    def __init__(self, width: int = 40, height: int = 6) -> None:
        self.screen = Screen(width, height)
        self.stream = Stream(self.screen)
        self.terminal = FakeTerminal(self.stream)
        self.text = "row 1"
        make: Any = StatusRow
        self.row: StatusRow = make(self.stream, self.terminal, lambda width: self.text[:width])
        self.row.open(beats=False)


def test_the_row_is_below_what_is_written_and_follows_it() -> None:
    it = Drawn()
    it.stream.write("soak ")
    it.row.draw()
    assert it.screen.lines == ["soak", "row 1"]
    it.stream.write(".")
    it.stream.write(".")
    assert it.screen.lines == ["soak ..", "row 1"]
    it.text = "row"
    it.row.draw()
    assert it.screen.lines == ["soak ..", "row"]
    it.stream.write(" [ 50%]\nmore\n")
    assert it.screen.lines == ["soak .. [ 50%]", "more", "", "row"]


def test_nothing_is_left_at_the_end() -> None:
    it = Drawn()
    it.stream.write("a\nb")
    it.row.draw()
    it.row.close()
    assert it.screen.lines == ["a", "b"]
    assert "write" not in vars(it.stream)
    assert it.terminal.is_closed
    it.stream.write("c")
    it.row.draw()
    it.row.close()
    assert it.screen.lines == ["a", "bc"]


def test_the_screen_is_that_of_a_session_without_a_row() -> None:
    """Whatever is written, whenever the row is drawn, on a screen that scrolls."""
    for seed in range(60):
        rng = random.Random(seed)
        it, plain = Drawn(), Screen(40, 6)
        for _ in range(rng.randrange(1, 60)):
            text = rng.choice([".", "w", "\x1b[32m.\x1b[0m", "\n", "x" * rng.randrange(90), "a\nb"])
            it.stream.write(text)
            plain.feed(text)
            it.text = "=" * rng.randrange(80)
            if rng.random() < 0.5:
                it.row.draw()
        it.row.close()
        it.stream.write("end\n")
        plain.feed("end\n")
        assert it.screen.lines == plain.lines, seed


def test_it_is_not_drawn_where_the_next_character_wraps() -> None:
    it = Drawn(width=20)
    it.stream.write("x" * 19)
    it.row.draw()
    it.stream.write("x")
    it.row.draw()
    assert it.screen.lines == ["x" * 20]
    it.stream.write("y")
    assert it.screen.lines == ["x" * 20, "y", "row 1"]


def test_while_pytest_captures_the_row_reaches_the_terminal_alone() -> None:
    it = Drawn()
    it.stream.write("soak ")
    it.stream.captured = []
    it.row.draw()
    it.stream.write("printed by a test")
    it.text = "row 2"
    it.row.draw()
    assert it.stream.captured == ["printed by a test"]
    assert it.screen.lines == ["soak", "row 2"]


def test_a_narrower_terminal_gets_a_row_that_fits() -> None:
    it = Drawn()
    it.text = "=" * 39
    it.row.draw()
    it.terminal.columns = it.screen.width = 30
    it.stream.write(".")
    assert it.screen.lines == [".", "=" * 29]
    it.terminal.columns = 10  # too narrow for any
    it.row.draw()
    assert it.screen.lines == ["."]


def test_a_terminal_that_is_gone_ends_the_row_and_nothing_else() -> None:
    it = Drawn()
    it.row.draw()
    it.terminal.is_gone = True
    it.row.draw()
    it.row.draw()
    it.stream.captured = []
    it.stream.write("x")
    assert it.stream.captured == ["x"]
    it.row.close()


def test_a_lost_terminal_at_the_end_raises_nothing() -> None:
    it = Drawn()
    it.row.draw()
    it.terminal.is_gone = True
    it.row.close()
    assert "write" not in vars(it.stream)


def test_a_forked_child_writes_as_without_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    it = Drawn()
    it.row.draw()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    it.stream.write("x")
    it.row.draw()
    assert it.screen.lines == ["x", "row 1"]


def test_a_terminal_is_known_by_its_device() -> None:
    pty: Any = pytest.importorskip("pty")
    ours, output = pty.openpty()
    with os.fdopen(output, "w", encoding="utf-8") as stream:
        terminal = terminal_of(stream)
        assert isinstance(terminal, Terminal)
        assert terminal.width() == 80
        assert terminal.has_stream()
        terminal.write("φ")
        assert os.read(ours, 10) == "φ".encode()
        copy, nowhere = os.dup(output), os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, output)
        assert not terminal.has_stream()  # as while pytest captures
        terminal.write("x")
        assert os.read(ours, 10) == b"x"
        os.dup2(copy, output)
        os.close(ours)
        with pytest.raises(OSError, match="Input/output"):
            terminal.write("x")
        terminal.close()
        os.close(copy)
        os.close(nowhere)


def test_the_width_is_that_of_the_terminal_also_while_pytest_captures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pty: Any = pytest.importorskip("pty")
    termios: Any = pytest.importorskip("termios")
    monkeypatch.delenv("COLUMNS", raising=False)
    ours, output = pty.openpty()
    with os.fdopen(output, "w", encoding="utf-8") as stream:
        terminal = terminal_of(stream)
        assert terminal is not None
        for size, width in (((40, 132), 132), ((40, 50), 50), ((1, 132), 0), ((0, 0), 80)):
            termios.tcsetwinsize(output, size)
            assert terminal.width() == width
        termios.tcsetwinsize(output, (40, 132))
        monkeypatch.setenv("COLUMNS", "60")  # the choice of the user
        assert terminal.width() == 60
        terminal.close()
    os.close(ours)


def test_a_file_is_no_terminal(tmp_path: Any) -> None:
    with (tmp_path / "log").open("w") as stream:
        assert terminal_of(stream) is None
    assert terminal_of(stream) is None  # closed
