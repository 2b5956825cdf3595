"""A browser, and the pages of made runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.reports.chromium import chromium
from benchmarks.reports.large import large
from platform_e2e.report import html
from tests.fakes.made_run import hostile, of_alerts, red

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return headless Chromium."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the pages of made runs by name."""
    runs = tmp_path_factory.mktemp("runs") / "artifacts"
    return {
        "red": html.write(red(runs / "2026-11-23T02-13-20Z-e2e-6f1d20aa")),
        "hostile": html.write(hostile(runs / "hostile")),
        "large": html.write(large(runs / "large", tests=2000, minutes=30)),
        "alerts": html.write(of_alerts(runs / "alerts")),
        "empty": html.write(runs),
    }


@pytest.fixture
def opened(browser: Browser, reports: dict[str, Path]) -> Iterator[Callable[..., Page]]:
    """Return what opens a page; an error of its script, and anything that it asks the network for, fails the test."""
    contexts = []
    troubles: list[str] = []

    def open_(name: str = "red", *, width: int = 1280, height: int = 850, ready: bool = True, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
        page.on("dialog", lambda dialog: troubles.append(dialog.message))
        own = reports[name].as_uri()
        page.on("request", lambda asked: None if asked.url.startswith(own) else troubles.append(asked.url))
        page.goto(own)
        if ready:
            page.wait_for_selector("html[data-ready]")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not troubles
