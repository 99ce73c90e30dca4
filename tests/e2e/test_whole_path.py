"""From the upload to the shopper and back: all processes, all servers, one browser."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from demoshop import catalogue
from demoshop.degrade import degrade
from tests.servers.stack import Stack, eventually

IMAGES = "images/demoshop.productimage/"
SLUG = "mug-from-a-seller"


def test_shop__uploads_enhances_reviews_publishes_and_takes_back(
    stack: Stack, browser: Browser, tmp_path: Path
) -> None:
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    _sign_in(page, stack)

    _upload(page, stack, _photo(tmp_path))
    image, draft = eventually(lambda: _draft(stack), seconds=120)
    original = _shown(stack, image)
    assert original["published"] is None

    page.goto(f"{stack.url}/admin/shopimg/enhancedvariant/{draft}/review/")
    expect(page.locator(".review-head .shopimg-badge")).to_have_text("Awaiting review")
    page.keyboard.press("a")
    eventually(lambda: _state(stack, draft) == "published", seconds=20)

    eventually(lambda: _shown(stack, image)["published"], seconds=20)
    published = _shown(stack, image)["published"]
    assert (published["width"], published["height"]) == (1600, 2000)
    _expect_picture(page, stack, published["url"])

    page.goto(f"{stack.url}/admin/shopimg/enhancedvariant/{draft}/review/")
    page.locator("#rollback").click()
    expect(page.get_by_text("Shoppers see the original again.")).to_be_visible()
    assert _shown(stack, image)["published"] is None
    _expect_picture(page, stack, original["original"]["url"])
    page.context.close()


def _sign_in(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/admin/login/?next=/admin/demoshop/product/add/")
    page.fill("#id_username", "admin")
    page.fill("#id_password", stack.password)
    page.click("input[type=submit]")


def _photo(folder: Path) -> Path:
    """Write what a seller would upload: 400 x 500 pixels, noisy, JPEG."""
    path = folder / "seller.jpg"
    with Image.open(catalogue.samples()[0].clean_path) as clean:
        path.write_bytes(degrade(clean, seed=7))
    assert Image.open(io.BytesIO(path.read_bytes())).size == (400, 500)
    return path


def _upload(page: Page, stack: Stack, photo: Path) -> None:
    page.fill("#id_name", "Mug from a seller")
    page.select_option("#id_category", "kitchen")
    page.fill("#id_price", "12.50")
    page.fill("#id_short_description", "Holds coffee.")
    page.set_input_files("#id_images-0-original", photo)
    page.fill("#id_images-0-alt", "A mug")
    page.click("input[name=_save]")
    expect(page.locator(".messagelist .success")).to_be_visible()


def _draft(stack: Stack) -> tuple[str, str] | None:
    """Return the keys of the uploaded image and of its main draft, once the worker has made all."""
    query = """
        SELECT image.id, variant.id, variant.role FROM demoshop_productimage AS image
        JOIN demoshop_product AS product ON product.id = image.product_id AND product.slug = %s
        JOIN shopimg_enhancedvariant AS variant ON variant.source_id = image.id::text
        ORDER BY variant.role, variant.candidate
    """
    rows = stack.rows(query, SLUG)
    if not rows:
        return None
    assert [row[2] for row in rows] == ["main", "scene", "scene", "scene", "white"]
    return str(rows[0][0]), str(rows[0][1])


def _state(stack: Stack, variant: str) -> str:
    query = "SELECT state FROM shopimg_enhancedvariant WHERE id = %s"
    return str(stack.rows(query, variant)[0][0])


def _shown(stack: Stack, image: str) -> dict[str, dict[str, str]]:
    shown: dict[str, dict[str, str]] = stack.api(f"{IMAGES}{image}/")
    return shown


def _expect_picture(page: Page, stack: Stack, url: str) -> None:
    """Look at the product page as a shopper: the picture is there and was really loaded."""
    page.goto(f"{stack.url}/products/{SLUG}/")
    picture = page.locator("main picture img, main img").first
    expect(picture).to_have_attribute("src", url)
    eventually(lambda: picture.evaluate("image => image.naturalWidth > 0"), seconds=20)
