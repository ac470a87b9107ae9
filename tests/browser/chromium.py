"""Debian's Chromium by Playwright: what it needs, and a page with all that it requested or wrote.

``SOAK_CHROMIUM`` is the program (``/usr/bin/chromium`` without it), ``SOAK_AXE`` the file
``axe.min.js`` of axe-core. Playwright's own browsers are not used.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Request, Route

CHROMIUM = Path(os.environ.get("SOAK_CHROMIUM", "/usr/bin/chromium"))
AXE_VERSION = "4.14.1"
AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
"""Of ``axe.min.js`` in that version of axe-core."""
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE, NARROW = 1280, 360
"""Widths of the window in CSS pixels: a desktop, a telephone."""
HEIGHT = 900

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")

JENKINS_POLICY = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';"
"""The header with which Jenkins serves the files of a build: no script, and no style sheet that is
part of the page."""


def missing() -> str:
    """What keeps the tests from running; empty if all is there."""
    if importlib.util.find_spec("playwright") is None:
        return "Playwright is not installed: pip install 'pytest-soak[browser]'"
    if not CHROMIUM.is_file():
        return f"{CHROMIUM} is missing: install Debian's package chromium, or set SOAK_CHROMIUM"
    axe = os.environ.get("SOAK_AXE", "")
    if not Path(axe).is_file():
        return f"SOAK_AXE={axe!r} is no file: set it to axe.min.js of axe-core {AXE_VERSION}"
    digest = hashlib.sha256(Path(axe).read_bytes()).hexdigest()
    if digest != AXE_SHA256:
        return f"SOAK_AXE={axe!r} is not axe.min.js of axe-core {AXE_VERSION}: SHA-256 {digest}"
    return ""


def axe_source() -> str:
    """The text of ``axe.min.js``; only where :func:`missing` is empty."""
    return Path(os.environ["SOAK_AXE"]).read_text("utf-8")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium without a window, until the block ends."""
    from playwright.sync_api import sync_playwright  # no part of the extra `test`

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=list(ARGUMENTS), handle_sigint=False
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class OpenedPage:
    """A page from a file, and what happened in it since it began to load."""

    page: Page
    path: Path
    requests: list[str] = field(default_factory=list)
    """All but the one for the file itself; none of them was answered."""
    messages: list[str] = field(default_factory=list)
    """Warnings and errors in the console, with those of the content security policy."""
    exceptions: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    popups: list[str] = field(default_factory=list)

    def look(self, theme: Theme, width: int = WIDE) -> None:
        """Another colour scheme and width of the window, on a screen."""
        self.page.emulate_media(media="screen", color_scheme=theme)
        self.page.set_viewport_size({"width": width, "height": HEIGHT})

    def close(self) -> None:
        self.page.context.close()


def open_page(
    browser: Browser,
    path: Path,
    *,
    theme: Theme = "light",
    width: int = WIDE,
    scripts: bool = True,
    policy: str = "",
) -> OpenedPage:
    """Open the file in a context of its own; it is loaded when this returns.

    ``policy``: the content security policy that a server sends with it, beside its own.
    """
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHT},
        color_scheme=theme,
        java_script_enabled=scripts,
        reduced_motion="reduce",
    )
    context.set_default_timeout(20_000)
    opened = OpenedPage(context.new_page(), path)
    _watch(context, opened, policy)
    opened.page.goto(path.as_uri(), wait_until="load")
    return opened


def _watch(context: BrowserContext, opened: OpenedPage, policy: str) -> None:
    own = opened.path.as_uri()

    def route(route: Route) -> None:
        if route.request.url == own and policy:
            headers = {"Content-Security-Policy": policy, "Content-Type": "text/html"}
            route.fulfill(body=opened.path.read_bytes(), headers=headers)
        elif route.request.url == own:
            route.continue_()
        else:
            route.abort()

    def requested(request: Request) -> None:
        if request.url.partition("#")[0] != own:
            opened.requests.append(request.url)

    context.route("**/*", route)
    context.on("request", requested)
    page = opened.page
    page.on(
        "console",
        lambda message: (
            opened.messages.append(f"{message.type}: {message.text}")
            if message.type in ("warning", "error")
            else None
        ),
    )
    page.on("pageerror", lambda error: opened.exceptions.append(str(error)))
    page.on("popup", lambda popup: opened.popups.append(popup.url))

    def dialog_opened(dialog: object) -> None:
        opened.dialogs.append(str(getattr(dialog, "message", "")))
        dialog.dismiss()  # type: ignore[attr-defined]

    page.on("dialog", dialog_opened)
