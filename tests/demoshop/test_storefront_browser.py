"""The storefront in a real browser: layout, keyboard, accessibility."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, expect
from pytest_django.live_server_helper import LiveServer

from demoshop.models import Product

MakeProduct = Callable[..., Product]

pytestmark = pytest.mark.django_db(transaction=True)

DESK, PHONE = (1440, 900), (390, 844)
PAGES = ("/", "/category/kitchen/", "/products/mug/", "/cart/")


@pytest.fixture
def shop(live_server: LiveServer, make_product: MakeProduct) -> str:
    """Return the address of a shop with a few products."""
    make_product("Mug")
    for number in range(4):
        make_product(f"Lamp-{number}", category="home")
    return str(live_server.url)


def add_mug(page: Page, shop: str) -> None:
    page.goto(f"{shop}/products/mug/")
    page.get_by_role("button", name="Add to cart").click()
    expect(page.get_by_role("status")).to_contain_text("Mug is in your cart.")


def failure_of(request: Request) -> list[str]:
    """Say what failed; not what the browser gave up because the page was left."""
    return [] if request.failure == "net::ERR_ABORTED" else [f"{request.url} {request.failure}"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_pages__pass_axe_and_fit_the_window(
    browser: Browser, shop: str, size: tuple[int, int], scheme: str
) -> None:
    viewport = {"width": size[0], "height": size[1]}
    context = browser.new_context(viewport=viewport, color_scheme=scheme)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("requestfailed", lambda request: complaints.extend(failure_of(request)))
    add_mug(page, shop)
    for address in PAGES:
        page.goto(shop + address)
        result = Axe().run(page)
        assert result.violations_count == 0, f"{address}\n{result.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth") == size[0], address
    context.close()
    assert complaints == []


@pytest.mark.parametrize("width", [1440, 375, 320])
def test_pages__fit_the_window_with_words_of_any_length(
    browser_page: Page, live_server: LiveServer, make_product: MakeProduct, width: int
) -> None:
    word = "Donaudampfschifffahrtsgesellschaftskapitänsmütze"
    product = make_product(f"Handgearbeitete {word}", slug="cap")
    make_product("Mug")
    browser_page.set_viewport_size({"width": width, "height": 800})
    browser_page.goto(f"{live_server.url}{product.get_absolute_url()}")
    browser_page.get_by_role("button", name="Add to cart").click()
    for address in ("/", product.get_absolute_url(), "/cart/"):
        browser_page.goto(f"{live_server.url}{address}")
        assert browser_page.evaluate("document.documentElement.scrollWidth") == width, address
        for name in browser_page.locator("h1, h2, .card-name").all():
            assert name.evaluate("one => one.scrollWidth <= one.clientWidth + 1"), address


def test_page__can_be_used_by_keyboard(browser_page: Page, shop: str) -> None:
    browser_page.goto(f"{shop}/products/mug/")
    browser_page.keyboard.press("Tab")
    expect(browser_page.get_by_role("link", name="Skip to content")).to_be_focused()
    browser_page.keyboard.press("Enter")
    button = browser_page.get_by_role("button", name="Add to cart")
    for _ in range(6):
        browser_page.keyboard.press("Tab")
        if button.evaluate("element => element === document.activeElement"):
            break
    expect(button).to_be_focused()
    browser_page.keyboard.press("Enter")
    expect(browser_page.get_by_role("link", name="Cart, 1 piece")).to_be_visible()


def test_cart__is_changed_in_the_page(browser_page: Page, shop: str) -> None:
    add_mug(browser_page, shop)
    browser_page.get_by_role("link", name="Cart, 1 piece").click()
    browser_page.get_by_label("Quantity").fill("3")
    browser_page.get_by_role("button", name="Update Mug").click()
    expect(browser_page.locator(".sum strong")).to_have_text("€66.00")
    browser_page.get_by_role("button", name="Remove Mug").click()
    expect(browser_page.get_by_text("Your cart is empty.")).to_be_visible()


def test_product_list__loads_what_is_below_lazily(browser_page: Page, shop: str) -> None:
    browser_page.goto(shop)
    loading = browser_page.locator(".card img").evaluate_all(
        "images => images.map(image => image.loading)"
    )
    assert loading == ["eager"] * 3 + ["lazy"] * 2
