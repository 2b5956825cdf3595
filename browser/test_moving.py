"""Mouse, touch and keyboard on the timeline, and what is searched for and shown in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

WHOLE = (0.0, 1.0)


def view(page: Page) -> tuple[float, float]:
    """Return which part of the run is shown, as shares of it, from the window in the overview."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    left, width, x, wide = page.evaluate(
        "(() => { const one = document.querySelector('#overview .view'); const all = one.parentNode.clientWidth; return ["
        "gutter(all), all, one.x.baseVal.value, one.width.baseVal.value]; })()"
    )
    return round((x - left - 0.5) / (width - left), 2), round((x + wide + 0.5 - left) / (width - left), 2)


@pytest.fixture
def page(opened: Callable[..., Page]) -> Page:
    """Return the red run's page with the timeline on the screen."""
    page = opened()
    page.evaluate(
        "document.documentElement.style.scrollBehavior = 'auto'; document.getElementById('timeline').scrollIntoView()"
    )
    assert view(page) == WHOLE
    return page


def middle(page: Page) -> tuple[float, float]:
    """Return a place in the timeline where nothing is."""
    box = page.locator("#stage").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + 24


def test_keys_zoom_move_and_go_back(page: Page) -> None:
    """As the line below the timeline says."""
    page.focus("#stage")
    page.keyboard.press("+")
    page.keyboard.press("+")
    left, right = view(page)
    assert right - left == pytest.approx(0.36, abs=0.02)
    page.keyboard.press("ArrowRight")
    assert view(page)[0] > left
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert view(page)[0] < left
    page.keyboard.press("-")
    assert view(page)[1] - view(page)[0] == pytest.approx(0.6, abs=0.02)
    page.keyboard.press("Escape")
    assert view(page) == WHOLE


def test_keys_go_through_what_is_shown(page: Page) -> None:
    """↓ picks and tells, Enter zooms, Escape first lets go and then shows the whole run."""
    page.focus("#stage")
    page.keyboard.press("ArrowDown")
    first = page.inner_text("#item")
    assert "provider" in first
    page.keyboard.press("ArrowDown")
    assert page.inner_text("#item") != first
    page.keyboard.press("ArrowUp")
    assert page.inner_text("#item") == first
    page.keyboard.press("Enter")
    assert view(page)[1] < 0.1
    page.keyboard.press("Escape")
    assert not page.locator("#item").is_visible()
    assert view(page)[1] < 0.1
    page.keyboard.press("Escape")
    assert view(page) == WHOLE


def test_the_keyboard_comes_to_everything_and_shows_where_it_is(page: Page) -> None:
    """In the order in which it is read, without a trap, with an outline that can be seen."""
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0); getSelection().removeAllRanges()")
    page.evaluate("document.body.tabIndex = -1; document.body.focus()")
    seen: list[dict[str, Any]] = []
    for _ in range(150):
        page.keyboard.press("Tab")
        at = page.evaluate(
            "(() => { const one = document.activeElement; const style = getComputedStyle(one); const box = one.getBoundingClientRect();"
            "return {id: one.id, tag: one.tagName, text: one.textContent.trim().slice(0, 30),"
            "outline: style.outlineStyle === 'none' ? 0 : parseFloat(style.outlineWidth), seen: box.width > 0 && box.height > 0}; })()"
        )
        if at["tag"] == "BODY":
            break
        seen.append(at)
    assert not [at for at in seen if at["outline"] < 2 or not at["seen"]]
    assert seen[0]["text"] == "Skip to the verdict"
    ids = [at["id"] for at in seen if at["id"]]
    wanted = ["theme", "query", "closer", "farther", "whole", "stage", "tests-query"]
    assert [one for one in ids if one in wanted] == wanted
    assert seen[-1]["text"].endswith("files of evidence"), "the end of the page was reached"


def test_the_skip_link_leads_to_the_verdict(page: Page) -> None:
    """It is the first thing that Tab comes to."""
    page.evaluate("document.body.tabIndex = -1; document.body.focus()")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "summary"


def test_the_mouse_drags_zooms_and_picks(page: Page) -> None:
    """A plain wheel scrolls the page."""
    x, y = middle(page)
    page.mouse.move(x, y)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    left, right = view(page)
    assert 0.05 < right - left < 0.5
    page.mouse.down()
    page.mouse.move(x - 200, y, steps=4)
    page.mouse.up()
    assert view(page)[0] > left
    assert not page.locator("#item").is_visible(), "a drag picks nothing"
    page.click("#whole")
    assert view(page) == WHOLE
    before = page.evaluate("scrollY")
    page.mouse.move(x, y)
    page.mouse.wheel(0, 120)
    look = f"const look = () => (scrollY > {before} ? done() : requestAnimationFrame(look)); look();"
    page.evaluate(f"new Promise((done) => {{ {look} }})")
    assert view(page) == WHOLE


def test_a_click_picks_what_is_under_it_and_a_second_one_zooms_to_it(page: Page) -> None:
    """The long red bar of the wait that was in vain."""
    label = page.locator("#lanes text", has_text="test_service_monitor_is_scraped").bounding_box()
    assert label is not None
    page.mouse.move(label["x"] + 5, label["y"] + 4)
    assert page.locator("#tip").is_visible()
    page.mouse.click(label["x"] + 5, label["y"] + 4)
    assert "1:16.0" in page.inner_text("#item") or "1:15.8" in page.inner_text("#item")
    assert "Cause 2" in page.inner_text("#item")
    page.mouse.dblclick(label["x"] + 5, label["y"] + 4)
    assert view(page)[1] - view(page)[0] < 0.8


def test_two_fingers_zoom_and_one_moves(opened: Callable[..., Page]) -> None:
    """On a phone, where a finger that goes up or down scrolls the page."""
    page = opened(width=390, height=844, has_touch=True, is_mobile=True)
    page.evaluate(
        "document.documentElement.style.scrollBehavior = 'auto'; document.getElementById('stage').scrollIntoView({block: 'center'})"
    )
    session = page.context.new_cdp_session(page)
    y = 400

    def touch(kind: str, *xs: float) -> None:
        session.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": x, "y": y, "id": i} for i, x in enumerate(xs)]},
        )

    touch("touchStart", 150, 240)
    for by in (10, 30, 60):
        touch("touchMove", 150 - by, 240 + by)
    touch("touchEnd")
    left, right = view(page)
    assert 0.3 < right - left < 0.6
    touch("touchStart", 250)
    for by in (10, 40, 120):
        touch("touchMove", 250 - by)
    touch("touchEnd")
    assert view(page)[0] > left
    assert view(page)[1] - view(page)[0] == pytest.approx(right - left, abs=0.02)


def test_what_is_shown_can_be_chosen(page: Page) -> None:
    """A group goes and comes again; that of the tests' own Applications is there when it is asked for."""
    names = page.locator("#lanes text")
    assert names.filter(has_text="chat-staging").count() == 1
    assert names.filter(has_text="e2e-1c2d3e4f").count() == 0
    page.get_by_role("button", name="Applications", exact=True).click()
    page.get_by_role("button", name="Applications of tests").click()
    view(page)
    assert names.filter(has_text="chat-staging").count() == 0
    assert names.filter(has_text="e2e-1c2d3e4f").count() == 1


def test_a_search_dims_the_rest_lists_what_it_found_and_goes_there(page: Page) -> None:
    """Escape in the field ends it."""
    page.fill("#query", "AllocationFailed chat-prod")
    page.wait_for_selector("#lanes .dim")
    expect(page.locator("#listed-title")).to_have_text("1 match in view")
    page.click("#listed summary")
    page.wait_for_selector("#list button")
    assert "10.89.0.240" in page.inner_text("#list")
    page.focus("#query")
    page.keyboard.press("Enter")
    assert view(page)[1] - view(page)[0] < 0.1
    page.focus("#query")
    page.keyboard.press("Escape")
    expect(page.locator("#lanes .dim")).to_have_count(0)
    assert page.input_value("#query") == ""
