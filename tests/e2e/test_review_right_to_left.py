"""Queue, review page and job list in a language that is written from right to left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Browser, Locator, expect
from pytest_django.live_server_helper import LiveServer

from shopimg.models import EnhancedVariant
from tests import builders
from tests.e2e.review_site import ReviewSite, review_path, sign_in

pytestmark = pytest.mark.django_db(transaction=True)

VIEWPORTS = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}


@pytest.fixture(params=VIEWPORTS)
def site(
    request: pytest.FixtureRequest, browser: Browser, live_server: LiveServer, settings: Any
) -> Iterator[ReviewSite]:
    """An administrator's browser, on a desk and on a phone."""
    settings.LANGUAGE_CODE = "ar"
    viewport = VIEWPORTS[request.param]
    user = User.objects.create_superuser("boss")
    opened = sign_in(browser, live_server, user, viewport=viewport)
    yield opened
    opened.close()


def drafts(count: int) -> list[EnhancedVariant]:
    made = []
    for number in range(count):
        photo = builders.photo(builders.picture((640, 480)), "a-long-name-of-a-photograph.jpg")
        type(photo).objects.filter(pk=photo.pk).update(name=f"Porcelain mug {number}, blue")
        made += builders.finished(photo, [builders.enhanced((1280, 960))])
    return made


def box_of(thing: Locator) -> dict[str, float]:
    box = thing.bounding_box()
    assert box is not None
    return dict(box)


def middle_of(thing: Locator) -> float:
    box = box_of(thing)
    return box["x"] + box["width"] / 2


def test_pages__are_mirrored_and_not_wider_than_the_window(site: ReviewSite) -> None:
    first, *_others = drafts(3)
    builders.photo(b"nothing")  # a job with a long error
    lists = ("enhancedvariant", "enhancementjob")
    paths = [reverse(f"admin:shopimg_{name}_changelist") for name in lists]
    for path in (*paths, review_path(first)):
        page = site.open(path)
        assert page.evaluate("document.documentElement.dir") == "rtl"
        shown, room = page.evaluate(
            "(({scrollWidth, clientWidth}) => [scrollWidth, clientWidth])(document.documentElement)"
        )
        assert shown == room, path


def test_stage__handle_is_under_the_pointer(site: ReviewSite) -> None:
    page = site.open_review(drafts(1)[0])
    box = box_of(page.locator("#stage .pair"))
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    page.mouse.down()
    for share in (0.25, 0.8):
        pointer = box["x"] + share * box["width"]
        page.mouse.move(pointer, box["y"] + 40)
        # The divider moves in steps of a hundredth of the picture.
        step = box["width"] / 100
        assert middle_of(page.locator("#stage .handle")) == pytest.approx(pointer, abs=step)
        assert middle_of(page.locator("#stage .line")) == pytest.approx(pointer, abs=step)
    page.mouse.up()


def test_keys__arrows_lead_where_they_point(site: ReviewSite) -> None:
    first, second = drafts(2)
    page = site.open_review(first)
    # The next picture is on the left.
    assert middle_of(page.locator("#next")) < middle_of(page.locator("#strip ol"))
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#review h1")).to_have_text("Porcelain mug 1, blue")
    assert page.url.endswith(review_path(second))
    page.keyboard.press("ArrowRight")
    expect(page.locator("#review h1")).to_have_text("Porcelain mug 0, blue")
    assert page.locator("#next span").evaluate("s => getComputedStyle(s).transform") == "none"


def test_buttons__can_be_reached(site: ReviewSite) -> None:
    page = site.open_review(drafts(1)[0])
    page.locator("#tool-zoom").click()
    expect(page.locator("#tool-zoom")).to_have_attribute("aria-pressed", "true")
    page.locator("#open-reject").click()
    expect(page.locator("#reject-dialog")).to_be_visible()
    page.get_by_label("Product changed").check()
    page.locator("#reject-form button.yes").click()
    expect(page.get_by_text("All done")).to_be_visible()


def test_before__is_left_of_after_as_the_arrow_between_them_points(site: ReviewSite) -> None:
    variant = drafts(1)[0]
    page = site.open_queue()
    before, after = page.locator(".shopimg-pair img").all()
    assert middle_of(before) < middle_of(after)
    page = site.open_review(variant)
    before, after = page.locator(".facts .shopimg-change").first.locator("bdi").all()
    assert (before.inner_text(), after.inner_text()) == ("640 × 480", "1280 × 960")
    assert middle_of(before) < middle_of(after)
