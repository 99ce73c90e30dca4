"""Comparing in a real browser: in place, at the same zoom, by touch, on small windows."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from shopimg.contract import StepReport
from shopimg.models import EnhancedVariant, ReviewDecision
from tests import builders
from tests.e2e.review_site import ReviewSite, drafts, sign_in

pytestmark = pytest.mark.django_db(transaction=True)

SIZE = (400, 300)
PRODUCT = (100, 75, 300, 225)
FRAME = (600, 600)
BOX = (60, 300, 260, 450)
"""Where the product stands in its frame, of the size that it had."""
WHOLE = [-40.0, 225.0, 360.0, 525.0]
"""Where the whole upload would lie then."""


def encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def picture(size: tuple[int, int], ground: tuple[int, int, int], box: tuple[int, ...]) -> bytes:
    image = Image.new("RGB", size, ground)
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=(40, 90, 160))
    return encoded(image)


def framed(whole: list[float] | None = WHOLE, *, is_cut_out: bool = True) -> list[EnhancedVariant]:
    """Return three scenes of a product that was moved in its frame, and not changed."""
    photo = builders.photo(picture(SIZE, (200, 190, 180), PRODUCT), "mug.png")
    mask = Image.new("L", SIZE)
    ImageDraw.Draw(mask).rectangle((100, 75, 299, 224), fill=255)
    details = {"width": FRAME[0], "height": FRAME[1], "scale": 1.0, "box": list(BOX)}
    details |= {"picture": whole} if whole else {}
    made = [
        builders.EnhancedImage(
            role="scene",
            candidate=number,
            content=picture(FRAME, (90 + 50 * number, 120, 90), BOX),
            mime_type="image/png",
            width=FRAME[0],
            height=FRAME[1],
            steps=(StepReport("frame", 0.1, details),),
            digital_source_type="",
            weights={},
            mask=encoded(mask) if is_cut_out else b"",
        )
        for number in range(3)
    ]
    builders.request_enhancement(photo, builders.Order(recipe="scene"))
    return builders.finished(photo, made)


def box_of(page: Page, selector: str) -> dict[str, float]:
    box = page.locator(selector).first.bounding_box()
    assert box is not None
    return dict(box)


def painted(page: Page, *places: tuple[int, int]) -> list[int]:
    """Return how opaque the heat map is at some places."""
    # From a copy: reading a canvas itself over and over makes browsers complain.
    found: list[int] = page.locator("#stage .heat").evaluate(
        """(heat, places) => {
            const context = new OffscreenCanvas(600, 600).getContext("2d", {
                willReadFrequently: true,
            });
            context.drawImage(heat, 0, 0);
            return places.map((at) => context.getImageData(...at, 1, 1).data[3]);
        }""",
        [list(place) for place in places],
    )
    return found


def test_upload__lies_where_its_product_stands_in_the_scene(site: ReviewSite) -> None:
    page = site.open_review(framed()[0])
    pair, upload = box_of(page, "#stage .pair"), box_of(page, "#stage .before img")
    scale = pair["width"] / FRAME[0]
    assert upload["x"] - pair["x"] == pytest.approx(WHOLE[0] * scale, abs=0.5)
    assert upload["y"] - pair["y"] == pytest.approx(WHOLE[1] * scale, abs=0.5)
    assert upload["width"] == pytest.approx(SIZE[0] * scale, abs=0.5)
    page.keyboard.press("d")
    # The product has not changed; all around it is new, and is not compared.
    legend = page.locator("#stage .legend")
    expect(legend).to_contain_text("in the product: mean 0.0, 95 % under 0 of 255")
    assert painted(page, (160, 375), (30, 400), (30, 30)) == [255, 0, 0]
    page.keyboard.press("m")
    expect(page.locator("#stage .cover")).to_be_visible()
    upload = box_of(page, "#stage .before img")
    assert upload["width"] == pytest.approx(pair["width"], abs=0.5), "the mask is of the whole"


def test_difference__without_a_cut_out_is_of_what_the_upload_covers(site: ReviewSite) -> None:
    page = site.open_review(framed(is_cut_out=False)[0])
    page.keyboard.press("d")
    expect(page.locator("#stage .legend")).to_contain_text("95 % of the picture under")
    assert painted(page, (160, 375), (30, 400), (30, 30)) == [255, 255, 0]


def test_difference__is_measured_again_where_the_mask_was_not_to_be_had(site: ReviewSite) -> None:
    site.page.route("**/pictures/mask/", lambda route: route.fulfill(status=404))
    page = site.open_review(framed()[0])
    page.keyboard.press("d")
    expect(page.locator("#stage .failure")).to_be_visible()
    page.keyboard.press("d")
    page.unroute("**/pictures/mask/")
    page.keyboard.press("d")
    expect(page.locator("#stage .legend")).to_contain_text("in the product: mean 0.0")


def test_difference__of_a_product_that_was_moved_from_nobody_knows_where_is_none(
    site: ReviewSite,
) -> None:
    page = site.open_review(framed(whole=None)[0])
    expect(page.locator("#tool-difference")).to_be_disabled()
    expect(page.locator("#tool-difference")).to_have_attribute(
        "title", "The product was moved, and it is not known from where"
    )


def test_zoom__stays_from_candidate_to_candidate_in_the_same_place(site: ReviewSite) -> None:
    page = site.open_review(framed()[0])
    page.set_viewport_size({"width": 1000, "height": 500})
    page.keyboard.press("z")
    page.keyboard.press("Shift+ArrowDown")
    page.wait_for_timeout(100)
    before = page.locator("#stage .pair").evaluate("pair => pair.style.cssText")
    page.keyboard.press("2")
    expect(page.locator("#candidates [aria-current]")).to_have_attribute("data-number", "2")
    expect(page.locator("#tool-zoom")).to_have_attribute("aria-pressed", "true")
    after = page.locator("#stage .pair").evaluate("pair => pair.style.cssText")
    assert "translate(" in before
    assert after == before


def test_zoom__stays_for_the_next_photo_which_is_shown_from_its_middle(site: ReviewSite) -> None:
    page = site.open_review(drafts(2)[0])
    page.wait_for_load_state("networkidle")
    page.keyboard.press("z")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#review h1")).to_have_text("Photo 1")
    expect(page.locator("#tool-zoom")).to_have_attribute("aria-pressed", "true")
    assert page.locator("#stage .pair").evaluate("pair => pair.offsetWidth") == 128


@pytest.mark.parametrize(
    ("width", "height"), [(375, 667), (360, 640), (812, 375), (720, 450)], ids=str
)
def test_small_window__shows_the_warning_and_both_decisions_at_once(
    browser: Browser, live_server: LiveServer, width: int, height: int
) -> None:
    first, *_others = framed()
    quality = {"cutout_confidence": 0.67}
    EnhancedVariant.objects.filter(pk=first.pk).update(quality=quality)
    viewport = {"width": width, "height": height}
    site = sign_in(browser, live_server, builders.reviewer(), viewport=viewport, has_touch=True)
    page = site.open_review(first)
    expect(page.locator("#approve")).to_be_in_viewport(ratio=1)
    expect(page.locator("#open-reject")).to_be_in_viewport(ratio=1)
    expect(page.locator(".look")).to_be_in_viewport(ratio=1)
    look, stage = box_of(page, ".look"), box_of(page, "#stage")
    decide, approve = box_of(page, ".decide"), box_of(page, "#approve")
    assert look["y"] + look["height"] <= stage["y"] < decide["y"]
    assert approve["y"] + approve["height"] <= height
    strip, candidates = box_of(page, "#strip"), box_of(page, "#candidates")
    facts = box_of(page, ".review-side section")
    assert stage["y"] < candidates["y"] < strip["y"] < facts["y"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    site.close()


def test_finger__that_scrolls_leaves_the_divider_and_one_that_draws_it_takes_it_along(
    browser: Browser, live_server: LiveServer
) -> None:
    viewport = {"width": 390, "height": 700}
    site = sign_in(browser, live_server, builders.reviewer(), viewport=viewport, has_touch=True)
    page = site.open_review(drafts(1)[0])
    view = box_of(page, "#stage .view")
    session = page.context.new_cdp_session(page)

    def swipe(across: float, down: float) -> int:
        at = [view["x"] + 60, view["y"] + view["height"] / 2]
        for step in range(7):
            point = {"x": at[0] + across * step / 6, "y": at[1] + down * step / 6}
            kind = "touchMove" if step else "touchStart"
            event = {"type": kind, "touchPoints": [point]}
            session.send("Input.dispatchTouchEvent", event)
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        return int(page.locator("#cut").input_value())

    assert swipe(2, -120) == 50
    page.evaluate("scrollTo(0, 0)")
    assert swipe(100, 3) == pytest.approx(100 * 160 / view["width"], abs=12)
    site.close()


def test_strokes__that_are_not_saved_are_asked_about_before_a_decision(site: ReviewSite) -> None:
    page = site.open_review(framed()[0])
    page.wait_for_load_state("networkidle")
    page.keyboard.press("e")
    page.wait_for_timeout(500)
    sheet = box_of(page, "#mask-editor .sheet")
    page.mouse.move(sheet["x"] + 20, sheet["y"] + 20)
    page.mouse.down()
    page.mouse.move(sheet["x"] + 60, sheet["y"] + 40)
    page.mouse.up()
    page.keyboard.press("Escape")
    expect(page.locator("#mask-editor")).to_be_hidden()
    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    page.keyboard.press("a")
    page.wait_for_timeout(300)
    assert asked == ["What you painted is not saved. Leave all the same?"]
    assert not ReviewDecision.objects.exists()


def test_rejection__that_was_lost_keeps_its_reason_and_its_note(site: ReviewSite) -> None:
    page = site.open_review(drafts(2)[0])
    page.wait_for_load_state("networkidle")
    site.context.set_offline(True)
    page.keyboard.press("r")
    page.get_by_label("Text or logo changed").check()
    page.get_by_label("Note").fill("The S is gone")
    page.locator("#reject-form button.yes").click()
    again = page.locator("#notices [data-unsaved] a")
    expect(again).to_be_visible()
    site.complaints.clear()  # browsers log every request that fails
    site.context.set_offline(False)
    again.click()
    expect(page.locator("#review h1")).to_have_text("Photo 0")
    page.keyboard.press("r")
    expect(page.get_by_label("Text or logo changed")).to_be_checked()
    expect(page.get_by_label("Note")).to_have_value("The S is gone")


def test_contrast_theme__shows_what_is_pressed_and_which_tab_is_open(
    browser: Browser, live_server: LiveServer, tmp_path: Path
) -> None:
    site = sign_in(browser, live_server, builders.reviewer(), forced_colors="active")
    first, *_others = framed()
    page = site.open_review(first)
    page.keyboard.press("e")
    ground = "button => getComputedStyle(button).backgroundColor"
    add, remove = (
        page.locator(f"#mask-editor button[data-tool={name}]") for name in ("add", "remove")
    )
    assert add.evaluate(ground) != remove.evaluate(ground)
    queue = site.open_queue()
    line = "tab => getComputedStyle(tab).borderBlockEndColor"
    tabs = queue.locator(".shopimg-tabs a")
    assert tabs.nth(0).evaluate(line) != tabs.nth(1).evaluate(line)
    assert tabs.nth(1).evaluate(line) == queue.locator("body").evaluate(
        "body => getComputedStyle(body).backgroundColor"
    )
    site.close()
