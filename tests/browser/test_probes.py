"""Every probe reports a page that has the fault it looks for, and none on a page without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser import probes
from tests.browser.chromium import JENKINS_POLICY
from tests.browser.conftest import Open

if TYPE_CHECKING:
    from playwright.sync_api import Page

    Probe = Callable[[Page], list[str]]

HEAD = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Page</title>'
    "<meta name=viewport content='width=device-width'>"
    "<style>body{background:#fff;color:#111;margin:0}text{font-size:12px}</style></head><body>"
)
SOUND = (
    "<main><h1>Page</h1><svg role=img width=300 height=100 viewBox='0 0 300 100'"
    " aria-labelledby='t d'><title id=t>P</title><desc id=d>Points</desc>"
    "<text x=10 y=20>first</text><text x=10 y=60>second</text>"
    "<path d='M0 0L90 90' fill='none' stroke='#111'/>"
    "</svg><p>text</p></main>"
)
PICTURE = "<svg width=300 height=100 viewBox='0 0 300 100'><title>P</title>{}</svg>"


def legible(page: Page) -> list[str]:
    return probes.illegible_texts(page, 10.0)


PROBES: dict[str, Probe] = {
    "axe": probes.accessibility,
    "overlap": probes.overlapping_texts,
    "cut text": probes.cut_texts,
    "legible": legible,
    "picture": probes.broken_pictures,
    "black": probes.black_shapes,
    "sideways": probes.sideways_scroll,
    "overfull": probes.overfull_cells,
    "cut element": probes.cut_elements,
}
FAULTS = [
    ("axe", "<main><h1>Page</h1><p style='color:#bbb'>pale</p></main>", "color-contrast"),
    ("axe", "<main><h1>Page</h1><img src='data:,'></main>", "image-alt"),
    ("axe", "<main><h1>Page</h1><svg role=img width=9 height=9></svg></main>", "svg-img-alt"),
    ("overlap", PICTURE.format("<text x=10 y=20>one</text><text x=15 y=22>two</text>"), "covers"),
    ("cut text", PICTURE.format("<text x=290 y=20>a long text</text>"), "is cut"),
    ("legible", PICTURE.format("<text x=10 y=20 fill='#ccc'>pale</text>"), "contrast"),
    ("legible", PICTURE.format("<text x=10 y=20 style='font-size:7px'>tiny</text>"), "7.0 px"),
    ("picture", PICTURE.format("<path d='M0 0L90 9'/>"), "no title and description"),
    ("picture", PICTURE.format(""), "nothing is drawn"),
    ("picture", PICTURE.format("<path d='M0 0L90 9'/><path d='M0 NaN'/>"), "d=M0 NaN"),
    ("picture", f"<div hidden>{PICTURE.format('<path/>')}</div>", "is not shown"),
    ("black", PICTURE.format("<path class=line d='M0 0L90 90L200 9'/>"), "black: <path"),
    ("sideways", "<p style='width:3000px'>wide</p>", "px wide"),
    (
        "overfull",
        "<table style='width:60px;table-layout:fixed'><tr><td>wwwwwwwwwwwwww<td>b</table>",
        "overfull: <td",
    ),
    ("cut element", "<p style='height:9px;overflow:hidden'>a<br>b<br>c</p>", "cut: <p"),
    ("cut element", "<p style='width:9px;overflow:auto'>wwwwwwwwww</p>", "cut: <p"),
]


@pytest.mark.parametrize("name", PROBES)
def test_a_sound_page_has_no_fault(fresh: Open, tmp_path: Path, name: str) -> None:
    (tmp_path / "page.html").write_text(HEAD + SOUND)
    assert PROBES[name](fresh(tmp_path / "page.html").page) == []


@pytest.mark.parametrize(("name", "body", "reported"), FAULTS)
def test_a_fault_is_reported(
    fresh: Open, tmp_path: Path, name: str, body: str, reported: str
) -> None:
    (tmp_path / "page.html").write_text(HEAD + body)
    texts = PROBES[name](fresh(tmp_path / "page.html").page)
    assert any(reported in text for text in texts), texts


def test_what_happens_in_a_page_is_seen(fresh: Open, tmp_path: Path) -> None:
    """Requests that the policy of a page forbids are messages in its console."""
    (tmp_path / "page.html").write_text(
        HEAD + "<img src='beside.png' alt='b'><script>console.warn('w'); alert('a');"
        "fetch('http://127.0.0.1:9/f').catch(() => 0); window.open('about:blank');"
        "throw new Error('e')</script>"
    )
    opened = fresh(tmp_path / "page.html")
    probes.until(opened.page, "document.readyState === 'complete'")
    assert {url.rpartition("/")[2] for url in opened.requests} == {"beside.png", "f"}
    assert "warning: w" in opened.messages
    assert opened.exceptions == ["e"]
    assert opened.dialogs == ["a"]


def test_what_a_policy_forbids_is_seen(fresh: Open, tmp_path: Path) -> None:
    policy = "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\">"
    (tmp_path / "page.html").write_text(HEAD + policy + "<script>window.pwned = 1</script>")
    opened = fresh(tmp_path / "page.html")
    assert any("Content Security Policy" in message for message in opened.messages)


def test_a_policy_of_the_server_is_in_force(fresh: Open, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(
        HEAD + "<style>p { color: #123456 }</style><p>text</p><script>window.ran = 1</script>"
    )
    page = fresh(tmp_path / "page.html", policy=JENKINS_POLICY).page
    colour = "getComputedStyle(document.querySelector('p')).color"
    assert page.evaluate("window.ran") is None
    assert page.evaluate(colour) == "rgb(0, 0, 0)"
    assert fresh(tmp_path / "page.html").page.evaluate(colour) == "rgb(18, 52, 86)"
