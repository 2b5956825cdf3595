"""Every text has the contrast that WCAG 2.2 asks of level AA, in both schemes, with everything open."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

SMALL, LARGE, DRAWN = 4.5, 3.0, 3.0
"""Least ratios: of text, of text from 24 px or bold from 18.66 px, and of what is drawn (success criteria 1.4.3 and 1.4.11)."""

LOOK = """
() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const over = (top, below) => { const a = top[3] ?? 1; return [0, 1, 2].map((at) => top[at] * a + below[at] * (1 - a)); };
  const ratio = (one, other) => { const [a, b] = [light(one), light(other)].sort((x, y) => y - x); return (a + 0.05) / (b + 0.05); };
  const below = (node) => {
    const layers = [];
    for (let at = node; at instanceof Element; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if ((colour[3] ?? 1) > 0) layers.push(colour);
      if ((colour[3] ?? 1) === 1) break;
    }
    return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
  };
  const found = [];
  const look = (node, words, colour, ground, style) => {
    const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
    found.push({ words, ratio: ratio(over(numbers(colour), ground), ground), large: size >= 24 || (bold && size >= 18.66), colour, ground: String(ground) });
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    const words = walker.currentNode.textContent.trim();
    if (!words || ["SCRIPT", "STYLE", "NOSCRIPT"].includes(node.tagName) || !node.getClientRects().length) continue;
    const style = getComputedStyle(node);
    if (node instanceof SVGElement) {
      const on = [...node.classList].find((name) => name.startsWith("on-"));
      const bar = on && document.querySelector(`.f-${on.slice(3)}`);
      look(node, words, style.fill, bar ? numbers(getComputedStyle(bar).fill) : below(node), style);
    } else look(node, words, style.color, below(node), style);
  }
  for (const field of document.querySelectorAll("input")) {
    const style = getComputedStyle(field, "::placeholder");
    look(field, field.placeholder, style.color, below(field), style);
  }
  const drawn = [...document.querySelectorAll("#lanes path, #plots [class^=f-], #plots .trend")].map((node) => {
    const style = getComputedStyle(node);
    return { words: node.getAttribute("class"), ratio: ratio(numbers(style.fill === "none" ? style.stroke : style.fill), below(node.parentElement)) };
  });
  return { found, drawn };
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_text_can_be_read(opened: Callable[..., Page], scheme: Any, width: int) -> None:
    """Computed from what the browser made of the styles."""
    page = opened(width=width, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((box) => (box.open = true))")
    page.locator("#groups button[aria-pressed=false]").first.click()
    page.wait_for_selector("#list button")
    page.locator("#list button").first.click()
    page.wait_for_selector("#item:not([hidden])")
    seen = page.evaluate(LOOK)
    assert len(seen["found"]) > 300
    assert not [one for one in seen["found"] if one["ratio"] < (LARGE if one["large"] else SMALL)]
    assert len(seen["drawn"]) > 20
    assert not [one for one in seen["drawn"] if one["ratio"] < DRAWN]


def test_the_theme_can_be_chosen_whatever_the_system_says(opened: Callable[..., Page]) -> None:
    """Auto follows the system; light and dark do not; the choice outlasts the page."""
    page = opened(color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.click("#theme")
    assert page.inner_text("#theme") == "Theme: light"
    light = page.evaluate(background)
    assert light != dark
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.evaluate(background) == light
    page.click("#theme")
    assert page.evaluate(background) == dark
    page.emulate_media(color_scheme="light")
    assert page.evaluate(background) == dark
    page.click("#theme")
    assert page.evaluate(background) == light
