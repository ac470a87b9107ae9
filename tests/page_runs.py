"""Runs a page as a reader would: writes its files, calls its commands, compares what they print.

A block without a language has commands, one a line. A block ``text`` after it is what the last of
them prints, in order; a line ``…`` stands for any lines, and ``…`` within a line for any
characters. A block of any other language is a file, named in its first line (``# pool.yaml``).
Blocks ``sh`` install the package, or start what the test starts itself, and are left out.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest

from tests.pages import DOCS

ANY: Final = "…"
_BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"(?:#|//) (?P<name>\S+\.\w+)\n")


@dataclass(frozen=True)
class Step:
    """One block of a page."""

    language: str
    text: str

    @property
    def name(self) -> str:
        """The name of the file that the block is."""
        match = _NAME.match(self.text)
        assert match, f"a file needs its name in its first line: {self.text[:60]!r}"
        return match["name"]


@dataclass(frozen=True)
class Printed:
    """A command with its exit code and everything that it printed."""

    command: str
    code: int
    text: str


def steps(page: str) -> list[Step]:
    """The blocks of a page in order, without those that install the package."""
    text = (DOCS / page).read_text("utf-8")
    every = [Step(match["language"], match["text"]) for match in _BLOCK.finditer(text)]
    return [step for step in every if step.language != "sh"]


def follow(
    page: str,
    pytester: pytest.Pytester,
    comparable: Callable[[str], str] = str.rstrip,
    adapted: Callable[[str], str] = str,
) -> list[Printed]:
    """Follow a page from its first to its last block, in the folder of the test.

    ``comparable`` makes of a line what is compared, on the page and in the output alike.
    ``adapted`` makes of a block what is followed, for a number that the test must choose.
    """
    printed: list[Printed] = []
    for given in steps(page):
        step = replace(given, text=adapted(given.text))
        if not step.language:
            printed += [called(pytester, line) for line in step.text.splitlines()]
        elif step.language == "text":
            difference = missing(step.text, printed[-1].text, comparable)
            assert not difference, f"{printed[-1].command}\n{difference}\n{printed[-1].text}"
        else:
            (pytester.path / step.name).write_text(step.text, "utf-8")
    return printed


def called(pytester: pytest.Pytester, line: str) -> Printed:
    """Call one line of a shell with the Python of this session first on PATH."""
    before = f"export LC_ALL=C.UTF-8 PATH='{Path(sys.executable).parent}':$PATH"
    done = pytester.run("bash", "-c", f"{before}; {line}")
    return Printed(line, int(done.ret), f"{done.stdout.str()}\n{done.stderr.str()}")


def missing(expected: str, output: str, comparable: Callable[[str], str]) -> str:
    """What of the expected lines is not in the output; empty if everything is, in order."""
    lines = [comparable(line) for line in output.splitlines()]
    place, may_skip = 0, False
    for line in expected.splitlines():
        if line.strip() == ANY:
            may_skip = True
            continue
        pattern = re.compile(".*".join(map(re.escape, comparable(line).split(ANY))))
        last = len(lines) if may_skip else min(place + 1, len(lines))
        places = [at for at in range(place, last) if pattern.fullmatch(lines[at])]
        if not places:
            return f"not printed, after line {place}: {line}"
        place, may_skip = places[0] + 1, False
    return ""
