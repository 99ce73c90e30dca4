"""The cart in the visitor's session."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from django.test import Client

from demoshop.cart import MAX_QUANTITY, Cart
from demoshop.models import Product
from demoshop.templatetags.money import money

MakeProduct = Callable[..., Product]


def quantities(client: Client) -> list[int]:
    return [line.quantity for line in Cart(client.session).lines()]


def test_cart__adds_up(client: Client, make_product: MakeProduct) -> None:
    make_product("Mug", price="22.00")
    make_product("Lamp", price="145.50")
    for slug in ("mug", "mug", "lamp"):
        assert client.post(f"/cart/{slug}/add/").status_code == 302
    cart = Cart(client.session)
    assert cart.count() == 3
    assert [line.total for line in cart.lines()] == [Decimal("44.00"), Decimal("145.50")]
    assert "€189.50" in client.get("/cart/").text


def test_cart__tells_that_something_was_added(client: Client, make_product: MakeProduct) -> None:
    make_product("Mug")
    assert "Mug is in your cart." in client.post("/cart/mug/add/", follow=True).text


def test_cart__changes_only_by_post(client: Client, make_product: MakeProduct) -> None:
    make_product("Mug")
    assert client.get("/cart/mug/add/").status_code == 405
    assert quantities(client) == []


def test_cart__needs_a_csrf_token(make_product: MakeProduct) -> None:
    make_product("Mug")
    client = Client(enforce_csrf_checks=True)
    assert client.post("/cart/mug/add/").status_code == 403
    assert quantities(client) == []


def test_cart__quantity_is_limited(client: Client, make_product: MakeProduct) -> None:
    make_product("Mug")
    client.post("/cart/mug/change/", {"quantity": "999"})
    assert quantities(client) == [MAX_QUANTITY]


def test_cart__quantity_that_is_no_number_changes_nothing(
    client: Client, make_product: MakeProduct
) -> None:
    make_product("Mug")
    client.post("/cart/mug/change/", {"quantity": "2"})
    for wrong in ("-1", "two", "", "²", "1" * 5000):
        response = client.post("/cart/mug/change/", {"quantity": wrong})
        assert response.status_code == 302
    assert quantities(client) == [2]


def test_cart__zero_removes(client: Client, make_product: MakeProduct) -> None:
    make_product("Mug")
    client.post("/cart/mug/add/")
    client.post("/cart/mug/change/", {"quantity": "0"})
    assert quantities(client) == []
    assert "Your cart is empty." in client.get("/cart/").text


def test_cart__forgets_products_that_are_no_longer_sold(
    client: Client, make_product: MakeProduct
) -> None:
    product = make_product("Mug")
    client.post("/cart/mug/add/")
    product.delete()
    assert quantities(client) == []
    assert "Your cart is empty." in client.get("/cart/").text


def test_money__unknown_currency() -> None:
    assert money(Decimal(3), "CHF") == "CHF 3.00"
