"""The panels where scripts run: values under the cursor, zoom, keys, and the way back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.browser import probes
from tests.browser.chromium import OpenedPage, open_page
from tests.browser.conftest import Open
from tests.browser.pages import Pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_COLOURS = """
(canvas) => {
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const counts = new Map();
  for (const pixel of new Uint32Array(data.buffer)) {
    counts.set(pixel, (counts.get(pixel) || 0) + 1);
  }
  const [most] = [...counts].reduce((one, other) => (other[1] > one[1] ? other : one));
  return [counts.size, most & 255, (most >> 8) & 255, (most >> 16) & 255];
}
"""
DRAWN = ("eventful", "long", "live", "short", "lanes")


def colours(page: Page, panel: int = 0) -> tuple[int, int]:
    """How many colours a plot has, and red, green and blue of the most frequent one together."""
    count, *most = page.locator(".plot-box canvas").nth(panel).evaluate(_COLOURS)
    return int(count), sum(map(int, most))


def hover(page: Page, share: float, panel: int = 0) -> None:
    """Point at this share of the width of a panel's plot."""
    box = page.locator(".plot-box .u-over").nth(panel).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)


def iteration(page: Page, panel: int = 0) -> int:
    """The iteration whose value a panel shows; 0 if it shows none."""
    text = page.locator(".readout").nth(panel).inner_text()
    match = re.match(r"iteration ([0-9]+): ", text)
    return int(match[1]) if match else 0


@pytest.fixture(scope="module")
def opened(browser: Browser, pages: Pages) -> Iterator[OpenedPage]:
    """The page of 40 iterations, with all of its plots drawn."""
    opened = open_page(browser, pages.page("eventful"))
    probes.see_all(opened.page)
    yield opened
    opened.close()


@pytest.fixture
def page(opened: OpenedPage) -> Page:
    """That page as it was when it was opened, with the first row of its panels in the window."""
    opened.look("light")
    first = opened.page.locator(".plot-box").first
    first.focus()
    opened.page.keyboard.press("Escape")
    first.blur()
    opened.page.mouse.move(0, 0)
    first.scroll_into_view_if_needed()
    return opened.page


@pytest.mark.parametrize("name", DRAWN)
def test_every_panel_is_drawn(shared: Open, name: str) -> None:
    opened = shared(name)
    probes.see_all(opened.page)
    panels = opened.page.locator(".panel .picture")
    plots = opened.page.locator(".plot-box canvas")
    assert plots.count() == panels.count() > 0
    assert all(colours(opened.page, panel)[0] > 3 for panel in range(plots.count()))
    probes.none(opened.requests, opened.messages, opened.exceptions)


def test_the_value_under_the_cursor_is_shown_in_every_panel(page: Page) -> None:
    hover(page, 0.5)
    texts = page.locator(".readout").all_inner_texts()
    assert 18 <= iteration(page) <= 23
    assert {text.partition(":")[0] for text in texts} == {f"iteration {iteration(page)}"}
    assert len(set(texts)) > 3
    assert re.fullmatch(r"iteration [0-9]+: 0\.8[0-9]+, PASS", texts[0])


def test_dragging_zooms_and_a_double_click_shows_all(page: Page) -> None:
    hover(page, 0.02)
    assert iteration(page) == 1
    hover(page, 0.5)
    page.mouse.down()
    hover(page, 0.8)
    page.mouse.up()
    hover(page, 0.05, 1)
    assert 19 <= iteration(page, 1) <= 23, "all panels of the lane are zoomed"
    hover(page, 0.05)
    assert 19 <= iteration(page) <= 23
    page.mouse.dblclick(*_middle(page))
    hover(page, 0.02)
    assert iteration(page) == 1


def _middle(page: Page) -> tuple[float, float]:
    box = page.locator(".plot-box .u-over").first.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_keys_read_the_values_and_zoom(page: Page) -> None:
    page.locator(".plot-box").first.focus()
    keys = {"Home": 1, "ArrowRight": 2, "PageDown": 12, "ArrowLeft": 11, "End": 40}
    for key, number in keys.items():
        page.keyboard.press(key)
        assert iteration(page) == number, key
    for _ in range(3):
        page.keyboard.press("+")
    hover(page, 0.05)
    assert iteration(page) > 30
    page.keyboard.press("Escape")
    hover(page, 0.02)
    assert iteration(page) == 1


def test_the_page_keeps_other_keys(page: Page) -> None:
    page.locator(".plot-box").first.focus()
    before = page.evaluate("scrollY")
    page.keyboard.press("Space")
    probes.until(page, f"scrollY > {before}")


def test_the_static_pictures_come_back(page: Page) -> None:
    button = page.locator("#static")
    assert page.locator(".panel svg.plot:visible").count() == 0
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    assert page.locator(".plot-box:visible").count() == 0
    assert page.locator(".panel svg.plot:visible").count() > 0
    page.keyboard.press("Enter")
    assert page.locator(".plot-box:visible").count() > 0


def test_another_colour_scheme_draws_again(page: Page) -> None:
    assert colours(page)[1] > 600
    page.emulate_media(color_scheme="dark")
    probes.until(page, "matchMedia('(prefers-color-scheme: dark)').matches")
    # The event reaches the page in one of the next frames.
    for _ in range(probes.MOST_FRAMES):
        if colours(page)[1] < 200:
            return
        probes.next_frames(page)
    raise AssertionError(f"the plot has the colours of the light scheme: {colours(page)}")


def test_a_plot_is_as_wide_as_its_panel(page: Page) -> None:
    page.set_viewport_size({"width": 700, "height": 900})
    probes.until(
        page,
        "[...document.querySelectorAll('.plot-box:not([hidden]) .uplot')].every("
        "(plot) => plot.getBoundingClientRect().width <= plot.closest('.picture').clientWidth + 1)",
    )
    probes.none(probes.sideways_scroll(page))


def test_on_paper_the_pictures_are_static_and_all_is_open(page: Page) -> None:
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".plot-box:visible").count() == 0
    assert page.locator("details:not(.figures):not([open])").count() == 0
    probes.none(probes.broken_pictures(page))
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator(".plot-box:visible").count() > 0
    assert page.locator("details[open]").count() == 0


@pytest.mark.parametrize("name", ["short", "live"])
def test_printing_a_page_that_was_not_scrolled(fresh: Open, pages: Pages, name: str) -> None:
    """Details that open bring panels near the window, where their plots would be drawn."""
    page = fresh(pages.page(name)).page
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    probes.next_frames(page)
    probes.none(probes.broken_pictures(page))
