"""Panels of the review page that open below their buttons, in a real browser."""

from __future__ import annotations

from functools import partial

import pytest
from playwright.sync_api import Browser, Locator, expect
from pytest_django.live_server_helper import LiveServer

from tests import builders
from tests.e2e.review_site import sign_in
from tests.servers.stack import eventually

pytestmark = pytest.mark.django_db(transaction=True)

ABOVE_THE_BAR = """(button) => {
    const bar = document.querySelector(".decide").getBoundingClientRect();
    scrollBy(0, button.getBoundingClientRect().bottom - bar.top + 8);
}"""
"""Scrolls until a button is just above the decisions, where nothing below it can be seen."""


def is_uncovered(button: Locator) -> bool:
    """Tell whether the middle of a button is what a finger would touch there."""
    script = """(button) => {
        const box = button.getBoundingClientRect();
        const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
        return button.contains(top);
    }"""
    uncovered: bool = button.evaluate(script)
    return uncovered


def test_phone__panels_open_above_the_decisions_one_at_a_time(
    browser: Browser, live_server: LiveServer
) -> None:
    first, *_others = builders.scenes()
    viewport = {"width": 390, "height": 844}
    may = ("view_enhancedvariant", "review_enhancedvariant", "change_enhancementjob")
    user = builders.reviewer("ada", *may)
    site = sign_in(browser, live_server, user, viewport=viewport, has_touch=True)
    page = site.open_review(first)
    opened = page.locator("details.confirm[open]")
    for button in ("Other scenes…", "Correct the cut-out…", "Run again…"):
        summary = page.locator("summary", has_text=button)
        summary.evaluate(ABOVE_THE_BAR)
        summary.tap()
        expect(opened).to_have_count(1)
        expect(opened.locator("summary")).to_have_text(button)
        last = opened.locator("button").last
        expect(last).to_be_in_viewport(ratio=1)
        eventually(partial(is_uncovered, last), seconds=5)
    page.keyboard.press("Escape")
    expect(opened).to_have_count(0)
    expect(summary).to_be_focused()
    site.close()
