"""The pages hang together: every link leads somewhere, every page is in the index once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.pages import DOCS, PAGES, README, ROOT, anchor, anchors, links, rows

LINKED = [
    *sorted(ROOT.glob("*.md")),
    *PAGES,
    *sorted((ROOT / "examples").glob("*/*.md")),
    *sorted((ROOT / "tests").rglob("*.md")),
]
COMMANDS = (
    "pip install . && pytest --soak-iterations=24 --soak-mock",
    "pip install '.[test]' && pytest -n auto",
)


def dead(page: Path) -> list[str]:
    """The links of a page to a file, a folder or a heading that is not there."""
    text = page.read_text("utf-8")
    findings = []
    for link in links(text):
        if re.match(r"[a-z]+:", link):
            continue  # another site
        name, _, end = link.partition("#")
        goal = (page.parent / name).resolve() if name else page
        if not goal.exists() or not goal.is_relative_to(ROOT):
            findings.append(f"{link}: there is no such file")
        elif end and end not in anchors(goal.read_text("utf-8")):
            findings.append(f"{link}: there is no such heading")
    return findings


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert not dead(page)


def test_a_dead_link_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.unit.test_pages.ROOT", tmp_path)
    page = tmp_path / "page.md"
    (tmp_path / "other.md").write_text("# One `word`, two\n\n## Again\n\n## Again\n")
    good = "[a](other.md#one-word-two) [b](other.md#again-1) [c](https://x.y) [d](#here)\n# Here\n"
    page.write_text(f"{good}\n`[e](none.md)`\n\n```\n[f](none.md)\n```\n")
    assert dead(page) == []
    page.write_text("[a](none.md) [b](other.md#no) ![c](none.svg) [d](#no) [e](../..)")
    assert [line.partition(":")[0] for line in dead(page)] == [
        "none.md", "other.md#no", "none.svg", "#no", "../..",
    ]  # fmt: skip


def test_anchors_are_those_of_github() -> None:
    assert anchor("FAIL: no_data") == "fail-no_data"
    assert anchor("`--soak-summary`, and what it writes") == "--soak-summary-and-what-it-writes"
    assert anchor("See [the gate](gate.md)") == "see-the-gate"


def test_a_bar_in_a_cell_is_no_border() -> None:
    assert rows("| a | b |\n|---|:-:|\n| `x\\|y` | z |") == [["a", "b"], ["`x|y`", "z"]]


def test_the_index_has_every_page_once_with_a_sentence() -> None:
    index = (DOCS / "index.md").read_text("utf-8")
    linked = [link for link in links(index) if "/" not in link and "#" not in link]
    assert sorted(linked) == [page.name for page in PAGES if page.name != "index.md"]
    for line in index.splitlines():
        if re.match(r"- |\d\. ", line):
            assert re.search(r"\]\([^)]+\)\*{0,2}: [A-Z\d`].{15,}\.$", line), line


def test_the_readme_is_short_and_has_the_commands_of_ci() -> None:
    lines = README.read_text("utf-8").splitlines()
    assert len(lines) <= 110
    for command in COMMANDS:
        assert lines.count(command) == 1
    assert not [line for line in lines if line.startswith("| `--")], (
        "options are in docs/options.md"
    )
    assert "docs/index.md" in links("\n".join(lines))


def test_every_picture_is_shown_and_is_small() -> None:
    shown = {
        (page.parent / link).resolve()
        for page in (README, *PAGES)
        for link in links(page.read_text("utf-8"))
    }
    pictures = [path for path in (DOCS / "images").iterdir() if path.suffix in (".png", ".svg")]
    assert len(pictures) > 5
    assert [path.name for path in pictures if path not in shown] == []
    assert [path.name for path in pictures if path.stat().st_size > 200_000] == []
