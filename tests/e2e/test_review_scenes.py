"""Scenes in a real browser: picking a candidate, looking at the mask, painting another one."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from shopimg import storage
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.services import jobs, running
from shopimg.services.requests import Order, request_enhancement
from shopimg.states import JobState, ReviewState
from tests import builders
from tests.e2e.review_site import ReviewSite, review_path, sign_in
from tests.servers.stack import eventually

pytestmark = pytest.mark.django_db(transaction=True)

SIZE = (480, 360)


@pytest.fixture(autouse=True)
def scenic(settings: Settings) -> None:
    """Let jobs make real scenes."""
    enhancer = "tests.testapp.enhancers.ScenicEnhancer"
    settings.SHOPIMG = {**settings.SHOPIMG, "ENHANCER": enhancer}


def mug() -> bytes:
    """Return a picture in which people would know the product."""
    image = Image.new("RGB", SIZE, (196, 188, 176))
    draw = ImageDraw.Draw(image)
    draw.ellipse((250, 130, 390, 260), outline=(38, 84, 124), width=26)
    draw.rounded_rectangle((120, 90, 320, 300), 28, fill=(46, 104, 152))
    draw.ellipse((120, 70, 320, 120), fill=(30, 62, 92))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def scenes(name: str = "Mug") -> list[EnhancedVariant]:
    photo = builders.photo(mug(), "mug.png")
    type(photo).objects.filter(pk=photo.pk).update(name=name)
    job = request_enhancement(photo, Order("scene")).job
    assert running.run(job.pk) == JobState.SUCCEEDED
    return list(job.variants.order_by("candidate"))


def state_of(variant: EnhancedVariant) -> str:
    return EnhancedVariant.objects.get(pk=variant.pk).state


def picked(page: Page) -> str | None:
    return page.locator("#candidates [aria-current]").get_attribute("data-number")


def photograph(page: Page, name: str) -> None:
    """Keep a picture of the page where somebody wants to look at it."""
    if folder := os.environ.get("SHOPIMG_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def cover_at(page: Page, selector: str, x: float, y: float) -> int:
    """Return how much a cover hides at a place, 0 to 255; the place in shares of its sides."""
    # From a copy: reading a canvas itself over and over makes browsers complain.
    script = """(canvas, [x, y]) => {
        const copy = new OffscreenCanvas(canvas.width, canvas.height);
        const context = copy.getContext("2d", { willReadFrequently: true });
        context.drawImage(canvas, 0, 0);
        const place = [Math.round(x * copy.width), Math.round(y * copy.height)];
        return context.getImageData(...place, 1, 1).data[3];
    }"""
    covered: int = page.locator(selector).evaluate(script, [x, y])
    return covered


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw a line over the sheet of the editor; places in shares of its sides."""
    box = page.locator("#mask-editor .sheet").bounding_box()
    assert box is not None
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=8)
    page.mouse.up()


def open_editor(site: ReviewSite, variant: EnhancedVariant) -> Page:
    page = site.open_review(variant)
    page.keyboard.press("e")
    expect(page.locator("#mask-editor")).to_be_visible()
    eventually(lambda: cover_at(page, "#mask-editor canvas", 0.02, 0.02) == 255, seconds=10)
    return page


def test_candidates__second_one_is_picked_by_its_key_and_approved(site: ReviewSite) -> None:
    first, second, third = scenes()
    page = site.open_review(first)
    assert picked(page) == "1"
    photograph(page, "candidates")
    page.keyboard.press("2")
    expect(page.locator(".review-head p").first).to_contain_text("scene 2")
    assert picked(page) == "2"
    assert page.url.endswith(review_path(second))
    shown = page.locator("#stage .after img").get_attribute("src")
    assert shown is not None
    assert str(second.pk) in shown
    page.keyboard.press("8")  # there is none
    assert picked(page) == "2"
    page.wait_for_timeout(300)  # sooner it would be a key that is pressed twice
    page.keyboard.press("a")
    eventually(lambda: state_of(second) == ReviewState.PUBLISHED, seconds=10)
    assert [state_of(one) for one in (first, third)] == [ReviewState.SUPERSEDED] * 2
    page.wait_for_url("**/admin/shopimg/enhancedvariant/")


def test_candidates__rejecting_one_leads_to_the_next_and_back_to_the_queue(
    site: ReviewSite,
) -> None:
    first, second, third = scenes()
    other = builders.draft()
    page = site.open_review(first)
    for number in ("1", "2", "3"):
        page.wait_for_load_state("load")  # keys are heard once the scripts of the next page run
        assert picked(page) == number
        page.keyboard.press("r")
        expect(page.locator("#reject-dialog")).to_be_visible()
        page.keyboard.press("6")
        page.keyboard.press("Enter")
        if number != "3":
            expect(page.locator("#candidates [data-state='rejected']")).to_have_count(int(number))
    expect(page.locator("#candidates")).to_have_count(0)
    assert page.url.endswith(review_path(other))
    for variant in (first, second, third):
        eventually(lambda v=variant: state_of(v) == ReviewState.REJECTED, seconds=10)
        assert variant.decisions.get().reason == "cutout"


def test_candidates__going_back_skips_those_that_were_only_looked_at(site: ReviewSite) -> None:
    other = builders.draft()
    _first, _second, third = scenes()
    page = site.open_review(other)
    page.keyboard.press("ArrowRight")
    expect(page.locator("#candidates")).to_be_visible()
    page.keyboard.press("2")
    expect(page.locator(".review-head p").first).to_contain_text("scene 2")
    page.keyboard.press("3")
    expect(page.locator(".review-head p").first).to_contain_text("scene 3")
    assert page.url.endswith(review_path(third))
    page.go_back()
    expect(page.locator("#candidates")).to_have_count(0)
    assert page.url.endswith(review_path(other))


def test_mask__key_shows_what_is_taken_away_over_the_upload(site: ReviewSite) -> None:
    first, *_others = scenes()
    page = site.open_review(first)
    cover = page.locator("#stage .cover")
    expect(cover).to_be_hidden()
    page.keyboard.press("m")
    expect(cover).to_be_visible()
    eventually(lambda: cover_at(page, "#stage .cover", 0.02, 0.02) == 255, seconds=10)
    assert cover_at(page, "#stage .cover", 0.5, 0.5) == 0
    expect(page.locator("#tool-mask")).to_have_attribute("aria-pressed", "true")
    photograph(page, "mask")
    clip = page.locator("#stage .before").evaluate("p => getComputedStyle(p).clipPath")
    assert set(re.findall(r"[\d.]+", clip)) == {"0"}
    page.keyboard.press("d")
    expect(cover).to_be_hidden()
    expect(page.locator("#stage .heat")).to_be_visible()
    page.keyboard.press("m")
    expect(page.locator("#stage .heat")).to_be_hidden()
    page.keyboard.press("m")
    expect(cover).to_be_hidden()


def test_editor__painted_mask_is_what_the_next_job_uses(site: ReviewSite) -> None:
    first, *_others = scenes()
    page = open_editor(site, first)
    canvas = "#mask-editor canvas"
    assert cover_at(page, canvas, 0.1, 0.1) == 255
    drag(page, (0.1, 0.1), (0.3, 0.1))
    assert cover_at(page, canvas, 0.2, 0.1) == 0
    page.keyboard.press("-")
    drag(page, (0.5, 0.4), (0.5, 0.6))
    assert cover_at(page, canvas, 0.5, 0.5) == 255
    photograph(page, "editor")
    page.keyboard.press("Control+z")
    assert cover_at(page, canvas, 0.5, 0.5) == 0
    page.keyboard.press("Control+Shift+z")
    assert cover_at(page, canvas, 0.5, 0.5) == 255
    page.locator("[data-do=undo]").click()
    assert cover_at(page, canvas, 0.5, 0.5) == 0
    page.get_by_role("button", name="Save and make again").click()
    notice = page.locator("#notices p")
    expect(notice).to_contain_text("Queued.")
    expect(page.locator("#mask-editor")).to_be_hidden()
    photograph(page, "saved")
    job = EnhancementJob.objects.latest("created_at")
    link = notice.get_by_role("link").get_attribute("href")
    assert link is not None
    assert str(job.pk) in link
    (digest,) = jobs.Claim(job, "").recipe.masks
    with Image.open(io.BytesIO(storage.read_mask(storage.mask_name(digest)))) as mask:
        assert (mask.mode, mask.size) == ("L", SIZE)
        levels = [mask.getpixel((int(x * SIZE[0]), int(y * SIZE[1]))) for x, y in PLACES]
    assert levels == [255, 255, 0]
    assert running.run(job.pk) == JobState.SUCCEEDED
    assert [state_of(one) for one in (first, *_others)] == [ReviewState.SUPERSEDED] * 3
    made = job.variants.get(candidate=0)
    with storage.drafts().open(made.draft_name) as file, Image.open(file) as picture:
        assert picture.getpixel((int(0.2 * SIZE[0]), int(0.1 * SIZE[1]))) == (196, 188, 176)


PLACES = [(0.2, 0.1), (0.5, 0.5), (0.9, 0.9)]
"""Added with the brush, part of the product all along, never part of it."""


def test_editor__reset_size_zoom_and_tools_have_keys(site: ReviewSite) -> None:
    first, *_others = scenes()
    page = open_editor(site, first)
    size = page.locator("#brush-size")
    assert size.input_value() == "30"
    page.keyboard.press("]")
    assert size.input_value() == "33"
    page.keyboard.press("[")
    page.keyboard.press("[")
    assert size.input_value() == "27"
    drag(page, (0.1, 0.1), (0.1, 0.1))
    assert cover_at(page, "#mask-editor canvas", 0.1, 0.1) == 0
    page.keyboard.press("h")
    expect(page.locator("[data-tool=move]:is(button)")).to_have_attribute("aria-pressed", "true")
    drag(page, (0.9, 0.9), (0.8, 0.9))
    assert cover_at(page, "#mask-editor canvas", 0.85, 0.9) == 255
    sheet = page.locator("#mask-editor .sheet")
    assert sheet.evaluate("s => s.offsetWidth") > SIZE[0]
    page.keyboard.press("z")
    assert sheet.evaluate("s => [s.offsetWidth, s.offsetHeight]") == list(SIZE)
    page.locator("[data-do=reset]").click()
    assert cover_at(page, "#mask-editor canvas", 0.1, 0.1) == 255
    page.locator("[data-do=redo]").click()
    assert cover_at(page, "#mask-editor canvas", 0.1, 0.1) == 0
    page.keyboard.press("Escape")
    expect(page.locator("#mask-editor")).to_be_hidden()
    assert EnhancementJob.objects.count() == 2


def test_editor__refusal_is_said_and_nothing_is_lost(site: ReviewSite) -> None:
    first, *_others = scenes()
    page = open_editor(site, first)
    page.keyboard.press("-")
    page.locator("#brush-size").fill("100")
    for y in range(5, 100, 10):
        drag(page, (0.0, y / 100), (1.0, y / 100))
    page.get_by_role("button", name="Save and make again").click()
    problem = page.locator("#mask-editor .problem")
    expect(problem).to_contain_text("The mask is empty")
    site.complaints.clear()  # browsers log every answer that is not a success
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    assert cover_at(page, "#mask-editor canvas", 0.5, 0.6) == 0
    page.get_by_role("button", name="Save and make again").click()
    expect(page.locator("#notices p")).to_contain_text("Queued.")


def test_mask_file__is_used_instead_of_painting(site: ReviewSite, tmp_path: Path) -> None:
    first, *_others = scenes()
    page = site.open_review(first)
    page.locator("#correct summary").click()
    file = tmp_path / "mug.png"
    file.write_bytes(builders.mask(SIZE, (120, 70, 320, 300)))
    page.set_input_files("#mask-file", file)
    photograph(page, "side")
    page.get_by_role("button", name="Use this file").click()
    message = page.locator(".messagelist")
    expect(message).to_contain_text("Queued.")
    expect(message.get_by_role("link", name="Open the job")).to_be_visible()


def test_other_scenes__are_asked_for_from_the_page(site: ReviewSite) -> None:
    first, *_others = scenes()
    page = site.open_review(first)
    page.locator("#regenerate summary").click()
    page.select_option("#scene-style", label="Wooden table")
    page.select_option("#scene-light", label="From the right")
    photograph(page, "scenes")
    page.get_by_role("button", name="Another seed").click()
    expect(page.locator(".messagelist")).to_contain_text("Queued.")
    backdrop = EnhancementJob.objects.latest("created_at").recipe_table["scene"]["steps"][-1]
    assert (backdrop["style"], backdrop["light_direction"]) == ("wood_table", 90.0)
    assert backdrop["seed"] != 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone__candidates_and_editor_fit(
    browser: Browser, live_server: LiveServer, scheme: str
) -> None:
    first, *_others = scenes()
    viewport = {"width": 390, "height": 844}
    options = {"viewport": viewport, "color_scheme": scheme, "has_touch": True}
    site = sign_in(browser, live_server, builders.reviewer(), **options)
    page = site.open_review(first)
    photograph(page, f"phone-{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#candidates a").nth(1).tap()
    expect(page.locator(".review-head p").first).to_contain_text("scene 2")
    page.locator("#correct summary").tap()
    page.locator("#open-mask-editor").tap()
    expect(page.locator("#mask-editor")).to_be_visible()
    eventually(lambda: cover_at(page, "#mask-editor canvas", 0.02, 0.02) == 255, seconds=10)
    photograph(page, f"phone-editor-{scheme}")
    save = page.get_by_role("button", name="Save and make again").bounding_box()
    assert save is not None
    assert save["x"] >= 0
    assert save["x"] + save["width"] <= 390
    assert save["y"] + save["height"] <= 844
    site.close()
