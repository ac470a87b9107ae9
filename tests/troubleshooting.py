"""docs/troubleshooting.md as data: its entries, and the texts that each explains."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tests import pages
from tests.printed_texts import HOLE, is_sentence

PAGE: Final = Path(__file__).parents[1] / "docs" / "troubleshooting.md"
LEAST_WORDS: Final = 4
"""A part of a text with fewer words could be of any other."""


@dataclass(frozen=True)
class Entry:
    """One entry: heading, the texts that are printed, and all of its lines."""

    section: str
    heading: str
    printed: tuple[str, ...]
    """As the page has them; ``…`` is a part that differs from case to case."""
    lines: tuple[str, ...]

    @property
    def anchor(self) -> str:
        """The end of a link to it."""
        return pages.anchor(self.heading)

    def explains(self, output: str) -> bool:
        """Whether a text of the entry is in what was printed, however its lines were wrapped."""
        flat = " ".join(output.split())
        long = [text for text in map(bare, self.printed) if is_sentence(text)]
        return any(re.search(pattern(text), flat) for text in long)


def bare(text: str) -> str:
    """A text without the parts that differ, and the punctuation, at its ends."""
    return text.strip(f"{HOLE} ;:,")


def pattern(text: str) -> str:
    """The regular expression of a text, in which ``…`` is anything."""
    return ".*?".join(map(re.escape, " ".join(text.split()).split(HOLE)))


@cache
def entries() -> tuple[Entry, ...]:
    """Every entry of the page, in its order."""
    every = []
    for section in re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        title = section.partition("\n")[0]
        for part in re.split(r"^### ", section, flags=re.MULTILINE)[1:]:
            heading, *lines = part.rstrip().splitlines()
            quoted = " ".join(line.removeprefix(">").strip() for line in lines if line[:1] == ">")
            printed = tuple(re.findall(r"`([^`]+)`", quoted))
            every.append(Entry(title, heading, printed, tuple(filter(None, lines))))
    return tuple(every)


def entry(heading: str) -> Entry:
    """The entry with a heading."""
    return next(item for item in entries() if item.heading == heading)
