"""Open a page in headless Chromium and measure how long that takes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from platform_e2e import shell
from platform_e2e.errors import BrokenHarness

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
"""What distributions call it."""

OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
"""As root it needs --no-sandbox; the others keep it from talking to anybody."""


def program() -> Path:
    """Return Chromium's path.

    Raises:
        BrokenHarness: there is none.
    """
    found = next((path for path in map(shell.which, NAMES) if path), None)
    if found is None:
        raise BrokenHarness(
            "no Chromium is on the PATH, so no page can be opened",
            "apt-get install --no-install-recommends chromium",
        )
    return Path(found)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium and end it."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where pages are opened

    executable = program()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(OPTIONS))
        try:
            yield browser
        finally:
            browser.close()


def opened(browser: Browser, page: Path) -> dict[str, float]:
    """Return the seconds from the request of a page until its first paint, and until all of it is set up.

    Args:
        browser: that is running.
        page: a file.
    """
    tab = browser.new_page(viewport={"width": 1280, "height": 850})
    try:
        tab.goto(page.absolute().as_uri())
        tab.wait_for_selector("html[data-ready]", timeout=60_000)
        times = tab.evaluate(
            "() => ({ready: window.readyAt, paint: performance.getEntriesByName('first-contentful-paint')[0].startTime})"
        )
        return {"paint": times["paint"] / 1000, "ready": times["ready"] / 1000}
    finally:
        tab.close()
