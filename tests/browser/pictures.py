"""Pictures of the page of every run, to look at.

``python -m tests.browser.pictures DIR [RUN …]`` writes ``DIR/RUN-THEME-WIDTH-N.png``: slices of the
whole page from top to bottom, light and dark, wide and narrow; ``static`` is without scripts,
``print`` as on paper. Runs that were made before are taken from ``DIR/runs``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser import probes
from tests.browser.chromium import NARROW, WIDE, Theme, chromium, missing, open_page
from tests.browser.pages import Pages
from tests.browser.runs import RUNS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SLICE = 1500
"""Height of a picture in CSS pixels."""
MOST_SLICES = 8
"""Of one page; the rest of a very long table is like its beginning."""
VIEWS: Sequence[tuple[str, Theme, int, bool]] = (
    ("light-wide", "light", WIDE, True),
    ("dark-wide", "dark", WIDE, True),
    ("light-narrow", "light", NARROW, True),
    ("dark-narrow", "dark", NARROW, True),
    ("static-light-wide", "light", WIDE, False),
)
PAPER = 720
"""Width of A4 less its margins, at 96 px an inch."""


def take(browser: Browser, path: Path, folder: Path, name: str) -> int:
    """All pictures of one page; how many."""
    taken = 0
    for view, theme, width, scripts in VIEWS:
        opened = open_page(browser, path, theme=theme, width=width, scripts=scripts)
        if scripts:
            probes.see_all(opened.page)
        taken += _slices(opened.page, folder / f"{name}-{view}")
        opened.close()
    opened = open_page(browser, path)
    with probes.all_details_open(opened.page):
        taken += _slices(opened.page, folder / f"{name}-open-light-wide")
    opened.page.set_viewport_size({"width": PAPER, "height": 1000})
    opened.page.emulate_media(media="print")
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    taken += _slices(opened.page, folder / f"{name}-print")
    opened.close()
    return taken


def _slices(page: Page, stem: Path) -> int:
    size: dict[str, int] = page.evaluate(
        "({width: innerWidth, height: document.scrollingElement.scrollHeight})"
    )
    number = 0
    for top in range(0, size["height"], SLICE):
        if number == MOST_SLICES:
            break
        number += 1
        height = min(SLICE, size["height"] - top)
        clip = {"x": 0, "y": top, "width": size["width"], "height": height}
        page.screenshot(
            path=f"{stem}-{number}.png",
            full_page=True,
            timeout=120_000,  # a page of many screens is drawn without a graphics card
            clip=clip,  # type: ignore[arg-type]
        )
    return number


def main(arguments: Sequence[str]) -> None:
    if not arguments:
        raise SystemExit("usage: python -m tests.browser.pictures DIR [RUN …]")
    reason = missing()
    if reason and "axe" not in reason.lower():
        raise SystemExit(reason)
    folder, names = Path(arguments[0]), arguments[1:] or list(RUNS)
    folder.mkdir(parents=True, exist_ok=True)
    pages = Pages(folder / "runs")
    pages.folder.mkdir(exist_ok=True)
    with chromium() as browser:
        for name in names:
            print(f"{name}: {take(browser, pages.page(name), folder, name)} pictures")


if __name__ == "__main__":
    main(sys.argv[1:])
