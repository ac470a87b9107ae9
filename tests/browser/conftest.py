"""The browser of these tests, and the pages of the runs; each is made once, when it is needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.chromium import WIDE, OpenedPage, Theme, chromium, missing, open_page
from tests.browser.pages import Pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Open = Callable[..., OpenedPage]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Skips the test without a browser; with ``SOAK_BROWSER=require`` it is an error."""
    reason = missing()
    if reason and os.environ.get("SOAK_BROWSER") == "require":
        raise RuntimeError(reason)
    if reason:
        pytest.skip(reason)
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def pages(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Pages:
    return Pages(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def fresh(browser: Browser) -> Iterator[Open]:
    """Opens a page that the test may change; it is closed after the test."""
    opened: list[OpenedPage] = []

    def open_fresh(path: Path, **options: object) -> OpenedPage:
        opened.append(open_page(browser, path, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield open_fresh
    for page in opened:
        page.close()


@pytest.fixture(scope="session")
def shared(browser: Browser, pages: Pages) -> Iterator[Open]:
    """Opens the page of a run by its name, once for all tests that only look at it.

    Theme and width are set anew for each test.
    """
    opened: dict[tuple[str, bool], OpenedPage] = {}

    def open_shared(
        name: str, theme: Theme = "light", width: int = WIDE, *, scripts: bool = True
    ) -> OpenedPage:
        key = (name, scripts)
        if key not in opened:
            opened[key] = open_page(browser, pages.page(name), scripts=scripts)
        opened[key].look(theme, width)
        return opened[key]

    yield open_shared
    for page in opened.values():
        page.close()
