"""The pages for readers as data: their headings, tables, code blocks and links."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = ROOT / "docs"
README: Final = ROOT / "README.md"
PAGES: Final = sorted(DOCS.glob("*.md"))

_FENCE = re.compile(r"^(?P<fence>```+)[^\n]*\n.*?^(?P=fence)$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(`+)(?:(?!`).)+?\1")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)


def prose(text: str) -> str:
    """A page without its blocks of code."""
    return _FENCE.sub("", text)


def links(text: str) -> list[str]:
    """The targets of all links and pictures of a page, in order; none of those in code."""
    return _LINK.findall(_CODE.sub("", prose(text)))


def anchor(heading: str) -> str:
    """The end of a link to a heading, as GitHub makes it."""
    shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)  # of a link its text
    return re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")


def anchors(text: str) -> set[str]:
    """The anchors of a page; a heading that is there again has a number at its end."""
    seen: Counter[str] = Counter()
    ends = set()
    for heading in _HEADING.findall(prose(text)):
        name = anchor(heading)
        ends.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return ends


def rows(text: str) -> list[list[str]]:
    r"""The cells of every row of every table, without the rows of dashes; ``\|`` is a bar."""
    lines = [line for line in prose(text).splitlines() if line.startswith("|")]
    cells = [
        [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in lines
    ]
    return [row for row in cells if any(cell.strip("-: ") for cell in row)]
