"""Retired words stay out of names, messages, comments, docstrings and pages (docs/glossary.md)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = [
    ROOT / "hatch_build.py",
    *sorted(
        path
        for folder in ("pytest_soak", "tests", "benchmarks", "examples", "docs", ".ci")
        for path in (ROOT / folder).rglob("*.py")
    ),
]
TEXTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "profiles").glob("*.yaml"),
        *(ROOT / "examples").rglob("*.md"),
        *(ROOT / "examples").rglob("*.yaml"),
    ]
)

NO_VARIABLES = frozenset({"one", "found", "each", "said", "told", "made", "known"})
"""Words that do not say what a variable is; the name is a noun."""

RETIRED = {
    "room": "headroom",
    "held": "withheld",
    "owed": "pending rollback",
    "wanted": "requested",
    "told": "reported",
    "rests": "suspended",
    "standing": "rule_status",
    "course": "MarketPath",
    "tape": "FillLog",
    "desk": "OrderState",
    "walk": "EventLoop",
    "judged": "RunResult, IterationVerdict",
}
"""Part of a name, in lower case, to the word that replaced it."""

ALSO_VARIABLES = frozenset({"course", "walk", "judged"})
"""Retired as the name of a class or module; as that of a variable they are ordinary words."""

SENTENCES = frozenset({"rests", "course", "tape", "walk", "judged"})
"""Allowed in the names of test functions, which are sentences."""

ALLOWED_NAMES = {"LockHeld"}
"""Names in which a retired word has its ordinary meaning: a lock is held."""

RETIRED_NAMES = {
    "Window": "KpiWindow, LaneWindow, Region or ActiveSpan",
    "taken_back": "rolled_back",
    "paused_hold": "paused_until",
    "hold_until": "paused_until",
    "share_of_blocks": "block_ratio",
    "no_data_share": "no_data_ratio",
    "clip_share": "clip_ratio",
}
"""Whole names to those that replaced them."""

RETIRED_TEXT = {
    # Terms.
    r"\brooms?\b": "headroom",
    r"(?<!lock is )\bheld\b(?! lock)": "withheld (of a lock: the lock is held)",
    r"\bowed\b": "pending rollback",
    r"\bwanted\b": "requested",
    r"\btold\b": "reported, given, shown",
    r"\b(?:taken|takes|take|took|taking) back\b": "rolled back",
    r"\bpanic hold\b|\bhold after (?:a|the) panic\b": "panic pause",
    r"\b(?:the|this) house\b|\bstations?\b": "architecture, package, module, step",
    # Keys of YAML and JSON, names of metrics.
    r"\bpanic\.hold\b|\bhold: ?[0-9]": "panic.pause",
    r"\b(?:hold_until|hold_until_iter|held_until)\b": "paused_until, paused_until_iter",
    r"\bno_data_share\b": "no_data_ratio",
    r"\bclip_share\b": "clip_ratio",
    r"\bshare_of_blocks\b": "block_ratio",
    r"\b(?:soak_delta_)?held_ratio\b": "withheld_ratio",
    r"\bowed_rollbacks?\b": "pending_rollbacks",
    r"\btaken_back\b": "rolled_back",
    r"\bwanted_apply_ratio\b": "requested_apply_ratio",
    # Personifications and riddles.
    r"\bwhoever\b|\bwho(?:se)? (?:asks?|knows?|says?|tells?|wants?)\b": "imports, uses, requests",
    r"\b(?:is|are|was|were) asked\b": "is called, is read, is requested",
    r"\b(?:somebody|someone|nobody)\b": "the user, another process, nothing",
    r"\bone's own\b": "your own",
    # Documents that are not in the repository.
    r"\b(?:SPEC|JUDGE|FAULTS) §": "a page of docs/",
}
"""Words of texts, as patterns, to those that replaced them."""

_RETIRED_TEXT = re.compile("|".join(f"(?:{pattern})" for pattern in RETIRED_TEXT))
_PARTS = re.compile(r"_|(?<=[a-z0-9])(?=[A-Z])")

EXEMPT = {
    "test_words.py",  # the tables themselves
    "CHANGELOG.md",  # lists what was renamed
}


def identifiers(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The names of variables, attributes, arguments and functions, each with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield node.lineno, name
            case ast.keyword(arg=str(name)) | ast.ExceptHandler(name=str(name)):
                yield node.lineno, name
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield node.lineno, name
            case ast.alias(asname=str(name)):
                yield 0, name


def retired_part(name: str) -> str | None:
    """The retired part of a name, in lower case; None if it has none."""
    is_class = name.lstrip("_")[:1].isupper() and not name.isupper()
    allowed = SENTENCES if name.startswith("test_") else frozenset() if is_class else ALSO_VARIABLES
    parts = [part.lower() for part in _PARTS.split(name)]
    retired = [part for part in parts if part in RETIRED and part not in allowed]
    return retired[0] if retired and name not in ALLOWED_NAMES else None


def retired_identifiers(path: Path) -> list[str]:
    """The retired names in a module, and the names that are no nouns, with line and new word."""
    findings = []
    where = path.relative_to(ROOT)
    stem = retired_part(path.stem.title().replace("_", ""))
    if stem is not None:
        findings.append(f"{where}: the name of the file: {stem} is now {RETIRED[stem]}")
    for line, name in identifiers(ast.parse(path.read_text("utf-8"))):
        part = retired_part(name)
        if name.strip("_") in NO_VARIABLES:
            findings.append(f"{where}:{line}: {name}: use a noun")
        elif name in RETIRED_NAMES:
            findings.append(f"{where}:{line}: {name} is now {RETIRED_NAMES[name]}")
        elif part is not None:
            findings.append(f"{where}:{line}: {name}: {part} is now {RETIRED[part]}")
    return findings


def retired_text(path: Path) -> list[str]:
    """The retired words in all lines of a file, comments and docstrings included."""
    content = path.read_text("utf-8")
    if _RETIRED_TEXT.search(content) is None:
        return []
    return [
        f"{path.relative_to(ROOT)}:{number}: {match[0]!r}: use {new}"
        for number, line in enumerate(content.splitlines(), start=1)
        for pattern, new in RETIRED_TEXT.items()
        for match in re.finditer(pattern, line)
    ]


@pytest.mark.parametrize("path", [*CODE, *TEXTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_retired_word(path: Path) -> None:
    if path.name in EXEMPT:
        return
    names = retired_identifiers(path) if path.suffix == ".py" else []
    assert [*names, *retired_text(path)] == []


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("headroom", None),
        ("withheld_ratio", None),
        ("room", "room"),
        ("held_ratio", "held"),
        ("Room", "room"),
        ("OrderDesk", "desk"),
        ("MarketCourse", "course"),
        ("_Walk", "walk"),
        ("course", None),
        ("COURSES", None),
        ("walk", None),
        ("judged", None),
        ("_judged", None),
        ("LockHeld", None),
        ("Judged", "judged"),
        ("test_a_quote_rests_in_the_book", None),
        ("test_it_is_told", "told"),
    ],
)
def test_a_retired_word_is_a_whole_part_of_a_name(name: str, part: str | None) -> None:
    assert retired_part(name) == part


@pytest.mark.parametrize(
    "text",
    ["ends the room", "it is told", "a key that is held", "hold: 4", "whoever asks", "SPEC §5"],
)
def test_a_retired_word_is_found_in_a_text(text: str) -> None:
    assert _RETIRED_TEXT.search(text)


@pytest.mark.parametrize(
    "text", ["headroom", "the lock is held", "a held lock", "threshold: 4", "withheld", "hold_last"]
)
def test_an_ordinary_word_is_not_found(text: str) -> None:
    assert _RETIRED_TEXT.search(text) is None
