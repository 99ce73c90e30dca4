"""The review page in a real browser: deciding by keyboard, comparing, and not losing anything."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from shopimg.models import EnhancedVariant, ReviewDecision
from shopimg.services import reviews
from shopimg.states import ReviewState
from tests import builders
from tests.e2e.review_site import ReviewSite, drafts, review_path, sign_in
from tests.servers.stack import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def is_decided(variant: EnhancedVariant, state: str) -> bool:
    return EnhancedVariant.objects.filter(pk=variant.pk, state=state).exists()


def cut_off(picture: Locator) -> set[str]:
    """Return how much of a picture is hidden, at each edge that is not whole."""
    return set(re.findall(r"[\d.]+", picture.evaluate("p => getComputedStyle(p).clipPath")))


def shows(page: Page, title: str) -> None:
    expect(page.locator("#review h1")).to_have_text(title)


def test_keyboard__decides_a_whole_queue_without_touching_anything_else(site: ReviewSite) -> None:
    first, second, third = drafts(3)
    page = site.open_review(first)
    shows(page, "Photo 0")
    page.keyboard.press("a")
    shows(page, "Photo 1")
    eventually(lambda: is_decided(first, ReviewState.PUBLISHED), seconds=10)
    page.keyboard.press("r")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    shows(page, "Photo 2")
    eventually(lambda: is_decided(second, ReviewState.REJECTED), seconds=10)
    assert ReviewDecision.objects.get(variant=second).reason == "text"
    page.wait_for_timeout(300)  # sooner it would be a key that is pressed twice
    page.keyboard.press("a")
    page.wait_for_url("**/admin/shopimg/enhancedvariant/")
    expect(page.get_by_text("All done")).to_be_visible()
    assert is_decided(third, ReviewState.PUBLISHED)


def test_keyboard__arrows_look_around_without_deciding(site: ReviewSite) -> None:
    first, second = drafts(2)
    page = site.open_review(first)
    page.keyboard.press("ArrowRight")
    shows(page, "Photo 1")
    assert page.url.endswith(review_path(second))
    page.keyboard.press("ArrowLeft")
    shows(page, "Photo 0")
    assert ReviewDecision.objects.count() == 0


def test_keyboard__letters_in_a_note_are_letters(site: ReviewSite) -> None:
    first, _second = drafts(2)
    page = site.open_review(first)
    page.keyboard.press("r")
    page.keyboard.press("6")
    page.fill("#reject-note", "a bad z")
    page.keyboard.press("a")
    page.keyboard.press("Escape")
    expect(page.locator("#reject-dialog")).to_be_hidden()
    shows(page, "Photo 0")
    assert ReviewDecision.objects.count() == 0


def test_keyboard__question_mark_lists_the_keys(site: ReviewSite) -> None:
    page = site.open_review(drafts(1)[0])
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Approve and open the next picture")
    page.keyboard.press("a")  # nothing is decided behind a dialog
    assert ReviewDecision.objects.count() == 0
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_decision__taken_by_somebody_else_is_said_with_a_way_back(site: ReviewSite) -> None:
    first, _second = drafts(2)
    karl = builders.reviewer("karl")
    page = site.open_review(first)
    reviews.reject(EnhancedVariant.objects.get(pk=first.pk), by=karl, reason="shape")
    page.keyboard.press("a")
    notice = page.locator('#notices [data-level="bad"]')
    expect(notice).to_contain_text("Rejected by karl")
    site.complaints.clear()  # browsers log every answer that is not a success
    notice.get_by_role("link").click()
    shows(page, "Photo 0")
    expect(page.locator(".review-head .shopimg-badge")).to_have_text("Rejected")
    assert ReviewDecision.objects.count() == 1


def test_decision__next_pictures_are_there_before_it(site: ReviewSite) -> None:
    first, second = drafts(2)
    asked: list[str] = []
    site.page.on("request", lambda request: asked.append(request.url))
    page = site.open_review(first)
    wanted = [url for url in asked if f"{second.pk}/pictures/after/" in url]
    assert len(wanted) == 1
    asked.clear()
    page.keyboard.press("a")
    shows(page, "Photo 1")
    assert page.locator("#stage .after img").evaluate("image => image.complete")
    assert not [url for url in asked if f"{second.pk}/pictures/after/" in url]


def test_decision__pressed_twice_is_sent_once(site: ReviewSite) -> None:
    first, second = drafts(2)
    held: list[Route] = []
    sent: list[str] = []
    site.page.route(
        f"**{review_path(second)}", lambda route: held.append(route)
    )  # a name that the library can mark
    site.page.on("request", lambda r: sent.append(r.url) if r.method == "POST" else None)
    site.page.goto(site.server.url + review_path(first))
    page = site.page
    expect(page.locator("#tool-zoom")).to_be_visible()
    eventually(lambda: (page.wait_for_timeout(50), held)[1], seconds=10)
    page.keyboard.press("a")
    page.keyboard.press("a")
    held[0].continue_()
    shows(page, "Photo 1")
    eventually(lambda: is_decided(first, ReviewState.PUBLISHED), seconds=10)
    assert len(sent) == 1
    assert is_decided(second, ReviewState.AWAITING_REVIEW)


def test_back_button__shows_what_was_decided(site: ReviewSite) -> None:
    first, _second = drafts(2)
    page = site.open_review(first)
    page.keyboard.press("a")
    shows(page, "Photo 1")
    eventually(lambda: is_decided(first, ReviewState.PUBLISHED), seconds=10)
    page.go_back()
    shows(page, "Photo 0")
    expect(page.locator(".review-head .shopimg-badge")).to_have_text("Published")
    page.keyboard.press("a")  # there is nothing left to approve
    assert ReviewDecision.objects.filter(variant=first).count() == 2


def test_rollback__takes_the_picture_out_and_undo_brings_it_back(site: ReviewSite) -> None:
    variant = reviews.approve(drafts(1)[0], by=builders.reviewer("karl"))
    page = site.open_review(variant)
    page.locator("#rollback").click()
    expect(page.get_by_text("Shoppers see the original again.")).to_be_visible()
    assert is_decided(variant, ReviewState.SUPERSEDED)
    page.locator("#undo").click()
    expect(page.get_by_text("Undone. Shoppers see this picture again.")).to_be_visible()
    assert is_decided(variant, ReviewState.PUBLISHED)


def test_stage__divider_follows_pointer_and_arrow_keys(site: ReviewSite) -> None:
    page = site.open_review(drafts(1)[0])
    box = page.locator("#stage .pair").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 40)
    page.mouse.up()
    assert page.locator("#cut").input_value() == "25"
    page.locator("#cut").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#cut").input_value() == "26"
    assert page.locator("#stage .pair").evaluate("p => p.style.getPropertyValue('--cut')") == "26%"


def test_stage__holding_b_shows_the_upload(site: ReviewSite) -> None:
    page = site.open_review(drafts(1)[0])
    stage = page.locator("#stage")
    page.keyboard.down("b")
    expect(stage).to_have_attribute("data-peek", "")
    assert cut_off(page.locator("#stage .before")) == {"0"}
    page.keyboard.up("b")
    expect(stage).not_to_have_attribute("data-peek", "")
    assert cut_off(page.locator("#stage .after")) == {"0"}


def test_stage__z_shows_one_pixel_on_one_pixel(site: ReviewSite) -> None:
    variant = builders.finished(builders.photo(), [builders.enhanced((3000, 2000))])[0]
    page = site.open_review(variant)
    pair = page.locator("#stage .pair")
    page.keyboard.press("z")
    expect(page.locator("#tool-zoom")).to_have_attribute("aria-pressed", "true")
    assert pair.evaluate("p => [p.offsetWidth, p.offsetHeight]") == [3000, 2000]
    before = pair.bounding_box()
    page.keyboard.press("Shift+ArrowRight")
    after = pair.bounding_box()
    assert before is not None
    assert after is not None
    assert after["x"] == pytest.approx(before["x"] - 80, abs=1)
    page.keyboard.press("z")
    assert pair.evaluate("p => p.offsetWidth") < 1280


def test_stage__d_measures_where_the_pictures_differ(site: ReviewSite) -> None:
    photo = builders.photo(builders.picture((64, 48), (100, 100, 100), kind="PNG"), "mug.png")
    page = site.open_review(builders.draft(photo, colour=(120, 100, 100)))
    page.keyboard.press("d")
    legend = page.locator("#stage .legend")
    expect(legend).to_be_visible()
    mean = float((legend.inner_text().split("mean ")[1]).split(",")[0])
    assert mean == pytest.approx(20, abs=2)  # what the JPEG made of 20
    red, green, blue, alpha = page.locator("#stage .heat").evaluate(
        "heat => [...heat.getContext('2d').getImageData(9, 9, 1, 1).data]"
    )
    assert (alpha, red > green, blue > green) == (255, True, True)
    page.keyboard.press("d")
    expect(page.locator("#stage .heat")).to_be_hidden()


def test_without_scripts__forms_decide_and_lead_on(
    browser: Browser, live_server: LiveServer
) -> None:
    first, second = drafts(2)
    user = builders.reviewer()
    site = sign_in(browser, live_server, user, java_script_enabled=False)
    page = site.open_review(first)
    page.locator("#approve").click()
    shows(page, "Photo 1")
    assert is_decided(first, ReviewState.PUBLISHED)
    page.get_by_label("Product changed").check()
    page.locator("#reject-form button.yes").click()
    expect(page.get_by_text("All done")).to_be_visible()
    assert is_decided(second, ReviewState.REJECTED)
    site.close()


def test_phone__opens_at_the_top_with_decisions_in_reach(
    browser: Browser, live_server: LiveServer
) -> None:
    first, _second = drafts(2)
    viewport = {"width": 390, "height": 844}
    site = sign_in(browser, live_server, builders.reviewer(), viewport=viewport, has_touch=True)
    page = site.open_review(first)
    assert page.evaluate("scrollY") == 0
    approve = page.locator("#approve")
    expect(approve).to_be_in_viewport()
    page.evaluate("scrollTo(0, 400)")
    approve.tap()
    shows(page, "Photo 1")
    expect(page.locator("#review h1")).to_be_in_viewport()
    expect(page.locator("#notices p")).to_contain_text("Approved and published")
    notice, button = page.locator("#notices p").bounding_box(), approve.bounding_box()
    assert notice is not None
    assert button is not None
    assert notice["y"] + notice["height"] < button["y"]
    site.close()
