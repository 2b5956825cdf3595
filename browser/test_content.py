"""What a person reads on a screen, on a phone, on paper and without a script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from benchmarks.report import MOST_BYTES, MOST_SECONDS
from benchmarks.reports.chromium import opened as timed

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SENTENCES = (
    "asks for 10.89.0.240, which lies in no pool",
    "no Prometheus selects servicemonitor/sealed-secrets -n monitoring",
    "Git does not say spec.template.spec.syncPolicy.automated.selfHeal: true",
)
REMEDIES = (
    "correct the annotation metallb.io/loadBalancerIPs",
    "give the ServiceMonitor the labels",
    "add selfHeal: true",
)


def test_the_first_screen_has_the_verdict_every_cause_and_every_remedy(opened: Callable[..., Page]) -> None:
    """Before anybody scrolls, on a screen of a usual laptop."""
    page = opened()
    for words in (
        "3 of 5 promises are broken",
        *SENTENCES,
        *REMEDIES,
        "Since the last green run",
        "platform at 19bde1c40a52",
    ):
        box = page.get_by_text(words).first.bounding_box()
        assert box is not None, words
        assert box["y"] + box["height"] <= 850, words


def test_a_log_is_shown_when_it_is_opened_and_not_before(opened: Callable[..., Page]) -> None:
    """Its end, how much of it that is, and a link to the file."""
    page = opened()
    log = page.locator("details.log", has_text="controller")
    assert log.locator("pre").count() == 0
    log.locator("summary").click()
    assert "IP allocation failed" in log.locator("pre").inner_text()
    assert "the last 60 of 300 lines" in log.inner_text()
    assert str(log.locator("a").get_attribute("href")).startswith("./evidence/metallb-system/logs/")


def test_a_promise_lists_its_objects_with_expected_and_observed_the_failed_first(opened: Callable[..., Page]) -> None:
    """And the search finds a test in whichever promise it is."""
    page = opened()
    page.locator("#promise-2 summary").click()
    first = page.locator("#promise-2 tbody tr").first
    for words in ("servicemonitor/sealed-secrets -n monitoring", "a Prometheus selects it", "none does", "failed"):
        assert words in first.inner_text()
    assert page.locator("#promise-2 tbody tr").count() == 8
    page.fill("#tests-query", "environment/staging")
    expect(page.locator("#tests-found")).to_have_text("1 of 47 tests")
    assert page.locator("#promise-5 tbody tr").count() == 1
    assert not page.locator("#promise-2").get_attribute("open")


def test_a_failure_is_seen_on_the_timeline(opened: Callable[..., Page]) -> None:
    """From its cause the timeline opens at the test, which is picked and told of."""
    page = opened()
    page.locator("#cause-1 .see").click()
    page.wait_for_selector("#item:not([hidden])")
    assert "service/chat -n chat-prod" in page.inner_text("#item")
    assert page.evaluate("document.activeElement.id") == "stage"


def test_what_was_measured_is_drawn_and_told_in_words(opened: Callable[..., Page]) -> None:
    """A plot that nobody can see says the same."""
    page = opened()
    titles = page.locator("#plots h3").all_inner_texts()
    assert {
        "Time until a change was healed",
        "How long tests took",
        "The longest waits",
        "Phases",
        "Trend: heal",
    } <= set(titles)
    assert (
        page.locator("#plots svg").first.get_attribute("aria-label")
        == "heal times of 6: 310 ms to 1.1 s, median 445 ms"
    )


def test_markup_in_names_does_nothing(opened: Callable[..., Page]) -> None:
    """With everything open that can be opened."""
    page = opened("hostile")
    page.evaluate("document.querySelectorAll('details').forEach((box) => (box.open = true))")
    page.locator("#groups button[aria-pressed=false]").first.click()
    page.locator("#list button").first.click()
    page.wait_for_selector("#item:not([hidden])")
    assert page.evaluate("window.hit") is None
    assert page.locator("img").count() == 0
    assert "<img src=x" in page.inner_text("#causes")


@pytest.mark.parametrize("width", [390, 320])
@pytest.mark.parametrize("name", ["red", "hostile", "alerts"])
def test_nothing_is_wider_than_a_phone(opened: Callable[..., Page], name: str, width: int) -> None:
    """With every part open."""
    page = opened(name, width=width, height=800)
    page.evaluate("document.querySelectorAll('details').forEach((box) => (box.open = true))")
    page.wait_for_selector("#list button")
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_each_alert_has_a_line_with_its_way(opened: Callable[..., Page]) -> None:
    """On a phone each field says what it is."""
    page = opened("alerts")
    assert page.locator("#alerts tbody tr").count() == 2
    first = page.locator("#alerts tbody tr").first
    assert first.locator("td").all_inner_texts() == [
        "yes", "yes", "", "yes", "on-call", "3.0 s", "1 min 03 s", "", "1 min 04 s", "4.2 s",
    ]  # fmt: skip
    small = opened("alerts", width=390)
    label = small.evaluate("getComputedStyle(document.querySelector('#alerts td'), '::before').content")
    assert label == '"Parsed"'


def test_on_paper_it_is_light_and_without_what_only_a_screen_can_use(opened: Callable[..., Page]) -> None:
    """Also when the screen is dark."""
    page = opened(color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for selector in (".top", ".controls", ".copy", ".see", "#how"):
        assert not page.locator(selector).first.is_visible(), selector
    assert page.locator("#lanes path").count() > 10


def test_without_a_script_causes_and_promises_are_there(opened: Callable[..., Page]) -> None:
    """What is drawn says why it is not."""
    page = opened(ready=False, java_script_enabled=False)
    for words in (*SENTENCES, *REMEDIES, "which your browser has not run"):
        assert page.get_by_text(words).first.is_visible(), words
    assert not page.locator("#theme").is_visible()


def test_an_empty_run_has_a_page_that_says_what_it_lacks(opened: Callable[..., Page]) -> None:
    """A run that was killed before it wrote anything."""
    page = opened("empty")
    assert "run.json is missing" in page.inner_text("main")
    assert "Nothing was recorded." in page.inner_text("#timeline")


def test_two_thousand_tests_and_thirty_minutes_are_open_in_time(browser: Browser, reports: dict[str, Path]) -> None:
    """The best of three: what else this machine does is not the page's."""
    assert reports["large"].stat().st_size < MOST_BYTES
    assert min(timed(browser, reports["large"])["ready"] for _ in range(3)) < MOST_SECONDS
