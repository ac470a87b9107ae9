"""Texts of strangers in every field of a page: they are shown, and nothing of them runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_soak.report.page.page import report_page
from pytest_soak.report.view.model import RunView
from pytest_soak.stored_view import stored_view
from pytest_soak.vendored import uplot
from tests.browser import probes
from tests.browser.chromium import NARROW, OpenedPage, open_page
from tests.browser.conftest import Open
from tests.browser.hostile import HOSTILE, LONG, MARKUP, hostile_view
from tests.browser.pages import Pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Structures = Mapping[str, Mapping[str, int]]

TEXTS = {"markup": HOSTILE, "long": LONG, "markup and long": HOSTILE + LONG, "empty": ""}
STRANGE = "img, iframe, object, embed, base, form, template, [onerror], [onload], [onfocus]"


def check(opened: OpenedPage) -> None:
    """Nothing ran, was requested, or became an element."""
    assert opened.page.evaluate("window.pwned") is None
    assert (opened.dialogs, opened.popups, opened.requests) == ([], [], [])
    assert (opened.messages, opened.exceptions) == ([], [])
    assert opened.page.locator(STRANGE).count() == 0
    assert opened.page.locator("a[href]:not([href^='#'])").count() == 0


def page_text(view: RunView, text: str) -> str:
    """The page of a view with ``text`` in every field, and in the explanations."""
    spoilt = hostile_view(view, text)
    explained = {(lane.id, 1): f"{text}\n{text}" for lane in spoilt.lanes}
    return report_page(spoilt, explained=explained, uplot=uplot(), absent=text)


def structure(opened: OpenedPage) -> dict[str, int]:
    """How many elements of each kind the page has, where a hostile text could add one."""
    kinds = ("script", "style", "title", "svg", "meta", "main", "h1")
    return {kind: opened.page.locator(kind).count() for kind in kinds}


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_a_run_of_strangers(shared: Open, *, scripts: bool) -> None:
    opened = shared("hostile", scripts=scripts)
    check(opened)
    assert "window.pwned=1" in opened.page.locator("body").inner_text()


@pytest.fixture(scope="module")
def harmless(
    browser: Browser, pages: Pages, tmp_path_factory: pytest.TempPathFactory
) -> Structures:
    """The elements of a page without a hostile text, by run."""
    counted: dict[str, dict[str, int]] = {}
    for run in ("eventful", "lanes"):
        path = tmp_path_factory.mktemp("harmless") / "page.html"
        path.write_text(page_text(stored_view(pages.directory(run)), "harmless"), "utf-8")
        opened = open_page(browser, path)
        counted[run] = structure(opened)
        opened.close()
    return counted


@pytest.mark.parametrize(
    ("run", "kind"), [*(("eventful", kind) for kind in TEXTS), ("lanes", "markup and long")]
)
def test_a_view_with_a_hostile_text_in_every_field(
    fresh: Open, pages: Pages, tmp_path: Path, harmless: Structures, run: str, kind: str
) -> None:
    path = tmp_path / "page.html"
    path.write_text(page_text(stored_view(pages.directory(run)), TEXTS[kind]), "utf-8")
    opened = fresh(path)
    probes.see_all(opened.page)
    check(opened)
    assert structure(opened) == harmless[run]
    if "markup" in kind:
        assert MARKUP[:40] in opened.page.locator("body").inner_text()
    opened.look("light", NARROW)
    probes.next_frames(opened.page)
    probes.none(probes.sideways_scroll(opened.page))
