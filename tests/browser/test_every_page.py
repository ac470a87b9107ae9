"""What holds for the page of every run, in both colour schemes."""

from __future__ import annotations

import pytest

from tests.browser import probes
from tests.browser.chromium import JENKINS_POLICY, NARROW, THEMES, Theme
from tests.browser.conftest import Open
from tests.browser.pages import Pages
from tests.browser.runs import RUNS

ALIKE = ("mock", "short", "ending", "halted")
"""Runs whose pages have no element or class that others do not have; axe takes seconds for each."""
KILOBYTES = {"passing": 250, "failing": 250, "long": 600}
"""The most that the page of a run may have."""
SMALLEST_TEXT = 10.0
PAPER = 720
"""Width of A4 less its margins, at 96 px an inch."""

every_run = pytest.mark.parametrize("name", RUNS)
both_themes = pytest.mark.parametrize("theme", THEMES)


@every_run
def test_it_requests_nothing_and_runs_without_an_error(shared: Open, name: str) -> None:
    opened = shared(name)
    probes.see_all(opened.page)
    opened.look("dark")
    probes.none(opened.requests, opened.messages, opened.exceptions, opened.dialogs, opened.popups)


@pytest.mark.parametrize("name", [name for name in RUNS if name not in ALIKE])
def test_axe_finds_no_violation(shared: Open, name: str) -> None:
    """In the dark only the rules that look at colours can find another one."""
    opened = shared(name)
    with probes.all_details_open(opened.page):
        probes.none(probes.accessibility(opened.page))
        opened.look("dark")
        probes.none(probes.accessibility(opened.page, "color-contrast", "link-in-text-block"))


@every_run
def test_without_scripts_every_picture_is_whole(shared: Open, name: str) -> None:
    page = shared(name, scripts=False).page
    assert page.locator("svg").count() > 0
    probes.none(probes.broken_pictures(page))


@every_run
def test_without_a_style_sheet_the_pictures_still_can_be_read(
    fresh: Open, pages: Pages, name: str
) -> None:
    """Jenkins serves a file with a policy that forbids scripts and style sheets of its own."""
    page = fresh(pages.page(name), policy=JENKINS_POLICY).page
    probes.none(probes.broken_pictures(page))
    probes.none(probes.black_shapes(page))
    probes.none(probes.overlapping_texts(page))
    probes.none(probes.cut_texts(page))


@every_run
@both_themes
def test_the_texts_of_pictures_can_be_read(shared: Open, name: str, theme: Theme) -> None:
    page = shared(name, theme, scripts=False).page
    probes.none(probes.overlapping_texts(page))
    probes.none(probes.cut_texts(page))
    probes.none(probes.illegible_texts(page, SMALLEST_TEXT))


@every_run
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_a_narrow_window_scrolls_in_one_direction(
    shared: Open, name: str, *, scripts: bool
) -> None:
    page = shared(name, width=NARROW, scripts=scripts).page
    if scripts:
        probes.next_frames(page)
    probes.none(probes.sideways_scroll(page))


@every_run
def test_no_text_of_a_table_covers_another(shared: Open, name: str) -> None:
    probes.none(probes.overfull_cells(shared(name).page))


@every_run
def test_a_print_has_everything(shared: Open, name: str) -> None:
    page = shared(name, width=PAPER, scripts=False).page
    page.emulate_media(media="print")
    probes.none(probes.sideways_scroll(page))
    probes.none(probes.cut_elements(page))
    probes.none(probes.broken_pictures(page))


@pytest.mark.parametrize(("name", "limit"), KILOBYTES.items())
def test_the_file_is_small(pages: Pages, name: str, limit: int) -> None:
    assert pages.page(name).stat().st_size <= limit * 1000
