"""Going from page to page faster than they load, without a network, and with something unsaved."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Dialog, Page, Route, expect

from shopimg.models import EnhancedVariant, ReviewDecision
from shopimg.states import Decision, ReviewState
from tests import builders
from tests.e2e.review_site import ReviewSite, drafts, review_path, sign_in
from tests.servers.chromium import close
from tests.servers.stack import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site(browser: Browser, live_server) -> Iterator[ReviewSite]:
    viewport = {"width": 1280, "height": 720}
    opened = sign_in(browser, live_server, builders.reviewer(), viewport=viewport)
    yield opened
    close(opened.context)


def held(page: Page, variant: EnhancedVariant) -> list[Route]:
    """Hold back whatever asks for a page, until the routes are continued."""
    routes: list[Route] = []
    page.route(f"**{review_path(variant)}", lambda route: routes.append(route))
    return routes


def visit_slowly(site: ReviewSite, first: EnhancedVariant, slow: EnhancedVariant) -> list[Route]:
    routes = held(site.page, slow)
    site.page.goto(site.server.url + review_path(first))
    eventually(lambda: (site.page.wait_for_timeout(50), routes)[1], seconds=10)
    return routes


def gone_on(site: ReviewSite, first: EnhancedVariant) -> Page:
    """Look at the first page and then at the second one."""
    page = site.open_review(first)
    page.keyboard.press("ArrowRight")
    expect(page.locator("#review h1")).to_have_text("Photo 1")
    page.wait_for_load_state("networkidle")
    return page


def heading(page: Page) -> str:
    return page.locator("#review h1").inner_text()


def look(page: Page) -> None:
    """Look at a page for longer than a key that is pressed twice."""
    page.wait_for_timeout(400)


def test_page__that_comes_late_does_not_take_the_place_of_what_was_chosen(
    site: ReviewSite,
) -> None:
    first, second, third = drafts(3)
    routes = visit_slowly(site, first, second)
    page = site.page
    page.keyboard.press("ArrowRight")
    page.locator(f'#strip a[data-pk="{third.pk}"]').click()
    expect(page.locator("#review h1")).to_have_text("Photo 2")
    for route in routes:
        route.continue_()
    page.wait_for_timeout(500)
    assert heading(page) == "Photo 2"
    assert page.url.endswith(review_path(third))


def test_page__that_is_asked_for_twice_is_connected_once(site: ReviewSite) -> None:
    first, second, _ = drafts(3)
    routes = visit_slowly(site, first, second)
    page = site.page
    before = page.evaluate("history.length")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    for route in routes:
        route.continue_()
    expect(page.locator("#review h1")).to_have_text("Photo 1")
    page.locator("#tool-difference").click()
    assert page.locator("#stage[data-heat]").count() == 1
    assert page.evaluate("history.length") == before + 1


def test_network__that_is_gone_loses_no_word_about_lost_decisions(site: ReviewSite) -> None:
    page = site.open_review(drafts(6)[0])
    page.wait_for_load_state("networkidle")
    site.context.set_offline(True)
    for _ in range(4):
        look(page)
        page.keyboard.press("a")
    unsaved = page.locator("#notices [data-unsaved]")
    expect(unsaved.first).to_be_visible()
    expect(page.locator("#notices [data-unreachable]")).to_have_count(1)
    lost = unsaved.count()
    assert lost >= 2
    assert page.locator("#review h1").count() == 1, "the page stays"
    site.context.set_offline(False)
    unsaved.first.get_by_role("link").click()
    expect(page.locator("#review h1")).to_have_text("Photo 0")
    assert unsaved.count() == lost - 1
    assert not ReviewDecision.objects.exists()
    look(page)
    page.keyboard.press("a")
    eventually(ReviewDecision.objects.exists, seconds=10)


def test_history__back_and_forward_while_a_page_loads_leaves_what_is_shown(
    site: ReviewSite,
) -> None:
    first, second = drafts(2)
    page = gone_on(site, first)
    routes = held(page, first)
    page.evaluate("history.back()")
    eventually(lambda: (page.wait_for_timeout(50), routes)[1], seconds=10)
    page.evaluate("history.forward()")
    page.wait_for_timeout(200)
    for route in routes:
        route.continue_()
    page.wait_for_timeout(500)
    assert heading(page) == "Photo 1"
    assert page.url.endswith(review_path(second))


def test_history__back_to_a_page_that_is_not_to_be_had_leaves_what_is_shown(
    site: ReviewSite,
) -> None:
    first, second = drafts(2)
    page = gone_on(site, first)
    site.context.set_offline(True)
    page.evaluate("history.back()")
    expect(page.locator("#notices [data-unreachable]")).to_be_visible()
    assert heading(page) == "Photo 1"
    assert page.url.endswith(review_path(second))
    site.context.set_offline(False)
    page.evaluate("history.back()")
    expect(page.locator("#review h1")).to_have_text("Photo 0")
    expect(page.locator("#notices [data-unreachable]")).to_have_count(0)


def test_decision__whose_next_page_failed_to_load_asks_nothing(site: ReviewSite) -> None:
    first, second, _ = drafts(3)
    asked: list[Dialog] = []
    page = site.page
    page.on("dialog", lambda dialog: (asked.append(dialog), dialog.accept()))
    page.route(
        f"**{review_path(second)}",
        lambda route: (
            route.fulfill(status=500)
            if route.request.resource_type == "fetch"
            else route.continue_()
        ),
    )
    site.open_review(first)
    look(page)
    page.locator("#approve").click()
    expect(page.locator("#review h1")).to_have_text("Photo 1")
    assert asked == []
    assert ReviewDecision.objects.filter(decision=Decision.APPROVE).count() == 1


def test_key__that_is_pressed_twice_decides_once(site: ReviewSite) -> None:
    page = site.open_review(drafts(3)[0])
    page.wait_for_load_state("networkidle")
    look(page)
    page.keyboard.press("a")
    page.wait_for_timeout(60)
    page.keyboard.press("a")
    expect(page.locator("#review h1")).to_have_text("Photo 1")
    look(page)
    page.wait_for_load_state("networkidle")
    assert EnhancedVariant.objects.filter(state=ReviewState.PUBLISHED).count() == 1


def test_key__decides_while_the_divider_has_the_focus(site: ReviewSite) -> None:
    page = site.open_review(drafts(2)[0])
    look(page)
    page.locator("#cut").focus()
    at = page.locator("#cut").input_value()
    page.keyboard.press("ArrowRight")
    assert page.locator("#cut").input_value() != at
    assert heading(page) == "Photo 0"
    page.keyboard.press("a")
    expect(page.locator("#review h1")).to_have_text("Photo 1")


def test_letter_keys__can_be_turned_off(site: ReviewSite) -> None:
    page = site.open_review(drafts(2)[0])
    look(page)
    page.keyboard.press("?")
    page.get_by_label("Keys of one letter or number act").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    page.keyboard.press("?")
    page.wait_for_timeout(300)
    assert page.locator("dialog[open]").count() == 0
    assert heading(page) == "Photo 0"
    page.keyboard.press("ArrowRight")
    expect(page.locator("#review h1")).to_have_text("Photo 1")
    page.reload()
    page.locator("#open-help").click()
    expect(page.get_by_label("Keys of one letter or number act")).not_to_be_checked()


def test_skip_link__leads_to_the_content_without_loading_it_again(site: ReviewSite) -> None:
    page = site.open_review(drafts(2)[0])
    page.evaluate("window.marker = 1")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_timeout(300)
    assert page.evaluate("window.marker") == 1
    assert page.evaluate("document.activeElement.id") == "content-start"


def test_strokes__that_are_not_saved_are_asked_about(site: ReviewSite) -> None:
    (other,), scene = drafts(1), builders.scenes()[0]
    page = site.open_review(other)
    page.wait_for_load_state("networkidle")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#open-mask-editor")).to_be_attached()
    page.keyboard.press("e")
    sheet = page.locator("#mask-editor .sheet")
    expect(sheet).to_be_visible()
    page.wait_for_timeout(300)
    box = sheet.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 40)
    page.mouse.up()
    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    page.go_back()
    page.wait_for_timeout(300)
    assert asked == ["What you painted is not saved. Leave all the same?"]
    assert page.url.endswith(review_path(scene))
    expect(page.locator("#mask-editor")).to_be_visible()
    page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.go_back()
    expect(page.locator("#review h1")).to_have_text("Photo 0")
    assert asked[1:] == ["confirm"]


def test_difference__of_a_picture_that_is_missing_is_none(site: ReviewSite) -> None:
    draft = drafts(1)[0]
    site.page.route("**/pictures/after/", lambda route: route.fulfill(status=404))
    page = site.open_review(draft)
    expect(page.locator("#tool-difference")).to_be_disabled()
    page.keyboard.press("d")
    assert page.locator("#stage[data-heat]").count() == 0


def test_name__of_the_photo_can_be_read_beside_everything_else(site: ReviewSite) -> None:
    draft = drafts(1)[0]
    photo = draft.source
    type(photo).objects.update(name="Teapot of blue stoneware")
    page = site.open_review(draft)
    box = page.locator("#review h1").bounding_box()
    assert box is not None
    assert box["width"] >= 150
