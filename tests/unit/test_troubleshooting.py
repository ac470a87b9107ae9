"""docs/troubleshooting.md has an entry for every text that the code can print, and no other."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import pytest

from pytest_soak.session.hook_criteria import _RESERVED, _RESERVED_PREFIXES
from tests.printed_texts import (
    Text,
    names_of_reports,
    sentences_of,
    texts_of_errors,
    words,
)
from tests.troubleshooting import LEAST_WORDS, PAGE, Entry, bare, entries

LONGEST = 8
"""Lines of an entry."""

WHOLE = (
    *("gate/kpi.py", "gate/drifts.py", "gate/delta.py", "gate/criteria.py", "gate/recovery.py"),
    *("gate/result.py", "gate/echo.py", "gate/window.py", "gate/judge.py"),
    *("gate/statistic.py", "gate/relative.py", "gate/weaker.py"),
    *("session/judging.py", "session/hook_criteria.py", "session/selection.py"),
    *("loop/verdict.py", "loop/kpis.py", "lane/driver.py", "store/errors.py", "json_types.py"),
    *("session/left_threads.py", "session/soak.py", "session/runs.py", "session/controller.py"),
    *("session/summary.py", "loop/tuner.py", "store/journal.py", "sealed.py", "settings.py"),
    *("profile/warnings.py", "profile/rule_warnings.py", "profile/limit_warnings.py"),
    "loop/missing.py",
)
"""Modules of which every sentence is a part of a verdict's reason, of a halt or of a refusal."""

FAULT_KINDS = frozenset(
    {"ChannelFault", "LiveHalt", "ProcessError", "LinkLost", "_fault", "_error", "not_delivered"}
)
FAULT_FOLDERS = ("live/", "processes/")
"""What these print there begins with the name of a fault, and docs/live.md has the table of them
(tests/unit/live/test_fault_docs.py)."""

NOT_PRINTED = {
    "statistics/": "its arguments are of the gate, which has checked them",
    "report/": "its arguments are of the package",
    "live/http_client.py": "it becomes the text of a fault",
    "processes/link.py": "it becomes the text of a fault",
}
"""Modules whose errors are not shown as they are."""

BESIDE = {
    "cli.py": (
        "pytest-soak: … cannot be read: … (…)",
        "RUNNING: since …; the run is not sealed yet",
        "not sealed: …",
    ),
    "offline.py": (
        "state: …, not judged; the figures so far:",
        "; its process hung and was ended, … has its stacks",
    ),
    "report/missing_kpis.py": ("no data for … KPI… that … read, in iteration …:",),
    "store/rundir.py": ("does not exist", "is a file", "no directory"),
}
"""Single texts of modules that have others too, such as helps."""

NOT_FOR_PEOPLE = frozenset(
    {
        *("| target | ENDED | … |", "| profile_apply | OK | PROFILE=… |"),
        *("lane … is only opened", "the target was not started"),
        *("draft 07 has no …", "definitions of the same name: …"),
    }
)
"""Lines of a log, and assertions of the package itself."""

PARTS = frozenset(
    {
        *(" and … more", ", and … more", "… and … more", "  and … more", " (and … more lanes)"),
        *("line …, column …: ", "line …, column …: …", "something of type …"),
        *(": run …, process …", "more iterations", "at least", "at most", " (nearest: …)"),
        *("before: …", "entry …", "iteration …", ", iteration …", "iteration… … (…)"),
        *("n_eff …", "limit …", "drift:…: …", ", crosses … …", "profile …", "replay: … …"),
        *("variable …", "variable …: …", "journal: … (…): …", "… tests", "… thread…"),
        *(
            "artifacts: …",
            "report: …",
            "what to do: …",
            "more than …",
            "a number",
            "a mapping",
            "a value",
            "a doctest",
        ),
    }
)
"""Parts that a text has beside what it is about."""


@cache
def texts() -> tuple[Text, ...]:
    """Every text that must have an entry."""
    of_errors = [
        text
        for text in texts_of_errors()
        if not text.module.startswith(tuple(NOT_PRINTED))
        and not (text.kind in FAULT_KINDS and text.module.startswith(FAULT_FOLDERS))
    ]
    of_modules = [text for module in WHOLE for text in sentences_of(module)]
    beside = [
        text
        for module, given in BESIDE.items()
        for text in sentences_of(module)
        if text.text in given
    ]
    every = (*names_of_reports(), *beside, *of_modules, *of_errors)
    once = {(text.module, text.text): text for text in every}
    return tuple(text for text in once.values() if text.text not in PARTS | NOT_FOR_PEOPLE)


def is_of(piece: str, text: str) -> bool:
    """Whether a text of the page is the text, or a part of it that is not of every other."""
    if bare(piece) == bare(text):
        return True
    return bare(piece) in text and len(words(piece)) >= LEAST_WORDS


@cache
def best(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """The entries that have a text, and how they have it: as it is, else its longest piece."""
    pieces = [(p, entry) for entry in entries() for p in entry.printed if is_of(p, text)]
    chosen = [pair for pair in pieces if pair[0] == text]
    longest = max((len(bare(piece)) for piece, _ in pieces), default=0)
    chosen = chosen or [pair for pair in pieces if len(bare(pair[0])) == longest]
    return frozenset(entry.heading for _, entry in chosen), frozenset(piece for piece, _ in chosen)


@cache
def used() -> frozenset[str]:
    """The texts of the page that are those of the code."""
    return frozenset(piece for text in texts() for piece in best(text.text)[1])


@pytest.mark.parametrize("module", sorted({text.module for text in texts()}))
def test_every_text_of_a_module_has_one_entry(module: str) -> None:
    of_module = [text for text in texts() if text.module == module]
    headings = {text: best(text.text)[0] for text in of_module}
    missing = [f"{text.place}: {text.text}" for text, given in headings.items() if not given]
    assert missing == [], f"no entry of {PAGE.name} has these texts"
    several = {text.text: sorted(given) for text, given in headings.items() if len(given) > 1}
    assert several == {}, "these texts are in several entries"


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.anchor)
def test_every_text_of_an_entry_is_printed(entry: Entry) -> None:
    assert entry.printed
    assert [piece for piece in entry.printed if piece not in used()] == []


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.anchor)
def test_an_entry_is_short_and_in_the_index(entry: Entry) -> None:
    assert len(entry.lines) <= LONGEST
    assert any(not line.startswith(">") for line in entry.lines), "it explains nothing"
    index = PAGE.read_text("utf-8").partition("\n## ")[0]
    assert f"](#{entry.anchor})" in index


def test_the_index_leads_to_entries_only() -> None:
    index = PAGE.read_text("utf-8").partition("\n## ")[0]
    links = Counter(re.findall(r"\]\(#([^)]+)\)", index))
    assert links == Counter(entry.anchor for entry in entries())


def test_the_single_texts_are_there() -> None:
    for module, given in BESIDE.items():
        assert {*given} <= {text.text for text in sentences_of(module)}, module


def test_the_exceptions_are_there() -> None:
    """A text or module that is left out exists."""
    every = {text.text for module in WHOLE for text in sentences_of(module)}
    every |= {text.text for text in texts_of_errors()}
    assert sorted((PARTS | NOT_FOR_PEOPLE) - every) == []
    modules = {text.module for text in texts_of_errors()}
    for start in (*NOT_PRINTED, *FAULT_FOLDERS):
        assert any(module.startswith(start) for module in modules), start


def test_every_name_of_a_criterion_is_in_the_page() -> None:
    """Those that no hook may take; ``regression`` is kept for later."""
    page = PAGE.read_text("utf-8")
    names = {name.rstrip(":") for name in (*_RESERVED, *_RESERVED_PREFIXES)} - {"regression"}
    assert sorted(name for name in names if name not in page) == []
