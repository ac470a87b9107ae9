"""Everything that a pointer does can be done by keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.chromium import THEMES, Theme
from tests.browser.conftest import Open
from tests.browser.pages import Pages

if TYPE_CHECKING:
    from playwright.sync_api import Page

MOST_STOPS = 400
"""More than any of these pages has."""

_FOCUSED = """
() => {
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  const style = getComputedStyle(at);
  const box = at.getBoundingClientRect();
  return {
    id: at.id,
    kind: at.tagName.toLowerCase(),
    names: [...at.classList],
    ring: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    seen: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight
      && box.right > 0 && box.left < innerWidth,
    html: at.outerHTML.slice(0, 120),
  };
}
"""


def stops(page: Page) -> list[dict[str, Any]]:
    """What the Tab key reaches, from the beginning of the page to its end."""
    reached: list[dict[str, Any]] = []
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        focused = page.evaluate(_FOCUSED)
        if focused is None:
            break
        reached.append(focused)
    return reached


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", ["eventful", "lanes"])
def test_each_stop_of_the_tab_key_is_seen(
    fresh: Open, pages: Pages, name: str, theme: Theme
) -> None:
    page = fresh(pages.page(name), theme=theme).page
    reached = stops(page)
    assert "skip" in reached[0]["names"]
    assert len(reached) < MOST_STOPS, "the focus does not leave the page"
    assert [item["html"] for item in reached if not item["ring"]] == []
    assert [item["html"] for item in reached if not item["seen"]] == []
    kinds = {item["kind"] for item in reached}
    assert {"a", "summary", "button"} <= kinds
    if name == "lanes":
        assert {"filter-verdict", "filter-text"} <= {item["id"] for item in reached}


def test_the_first_link_skips_to_the_figures(fresh: Open, pages: Pages) -> None:
    page = fresh(pages.page("eventful")).page
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_enter_opens_the_figures_of_a_panel(fresh: Open, pages: Pages) -> None:
    page = fresh(pages.page("eventful")).page
    summary = page.locator("details.figures > summary").first
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator("details.figures").first.get_attribute("open") is not None
    assert page.locator("details.figures table").first.is_visible()


def test_the_lanes_are_filtered_by_name_and_verdict(fresh: Open, pages: Pages) -> None:
    page = fresh(pages.page("lanes")).page
    rows = page.locator("#matrix tbody tr:visible")
    assert rows.count() == 18
    page.locator("#filter-text").focus()
    page.keyboard.type("ETHUSDT")
    assert rows.count() == 9
    assert page.locator("#filter-count").inner_text() == "9 of 18 lanes"
    page.locator("#filter-verdict").focus()
    page.keyboard.type("FAIL")
    assert rows.count() == 3
    page.locator("#filter-text").fill("no such lane")
    assert rows.count() == 0
    assert page.locator("#filter-count").inner_text() == "0 of 18 lanes"
