"""The pages that customers see."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from demoshop.models import Product, ProductImage
from shopimg.contract.provenance import COMPOSITE_WITH_GENERATED
from shopimg.models import EnhancedVariant
from shopimg.services import requests, reviews
from tests import builders

MakeProduct = Callable[..., Product]


def draft_of(product: Product, capture: DjangoCaptureOnCommitCallbacks) -> EnhancedVariant:
    """Let the photograph of a product be enhanced."""
    image = ProductImage.objects.get(product=product)
    with capture(execute=False):
        requests.request_enhancement(image)
    (variant,) = builders.finished(image)
    return variant


def test_product_list__shows_every_product_with_price_and_photo(
    client: Client, make_product: MakeProduct
) -> None:
    make_product("Mug", price="22.00")
    make_product("Lamp", price="1145.50", category="home")
    page = client.get("/").text
    assert "€22.00" in page
    assert "€1145.50" in page.replace(",", "")
    assert page.count("<img ") == 2
    assert 'href="/products/lamp/"' in page


def test_product_list__of_one_category(client: Client, make_product: MakeProduct) -> None:
    make_product("Mug")
    make_product("Lamp", category="home")
    page = client.get("/category/home/").text
    assert "/products/lamp/" in page
    assert "/products/mug/" not in page
    assert '<a href="/category/home/" aria-current="page">' in page


def test_product_list__of_an_unknown_category(client: Client, db: None) -> None:
    assert client.get("/category/garden/").status_code == 404


def test_product_list__empty_shop(client: Client, db: None) -> None:
    assert "There is nothing here yet." in client.get("/").text


@pytest.mark.parametrize("address", ["/", "/products/product-0/", "/cart/"])
def test_page__asks_the_database_as_often_for_many_products_as_for_few(
    client: Client,
    make_product: MakeProduct,
    django_assert_num_queries: DjangoAssertNumQueries,
    address: str,
) -> None:
    for number in range(3):
        make_product(f"Product-{number}")
    client.post("/cart/product-0/add/")
    client.get(address)  # content types are cached by the first request
    with CaptureQueriesContext(connection) as few:
        client.get(address)
    count = len(few)
    assert 0 < count <= 10
    for number in range(3, 9):
        make_product(f"Product-{number}")
        client.post(f"/cart/product-{number}/add/")
    client.get(address)  # the message of the cart is shown once
    with django_assert_num_queries(count):
        client.get(address)


def test_product_page__describes_the_product_and_its_photo(
    client: Client, make_product: MakeProduct
) -> None:
    product = make_product("Mug")
    page = client.get(product.get_absolute_url()).text
    assert "<h1>Mug</h1>" in page
    assert 'alt="Mug, seen from above"' in page
    assert "<p>And tea.</p>" in page
    assert "Photo enhanced by shopimg" not in page


def test_product_page__without_photo(client: Client, make_product: MakeProduct) -> None:
    product = make_product("Mug")
    ProductImage.objects.all().delete()
    assert "No photo yet" in client.get(product.get_absolute_url()).text


def test_product_page__unknown(client: Client, db: None) -> None:
    missing = client.get("/products/nothing/")
    assert missing.status_code == 404
    assert "This page does not exist" in missing.content.decode()
    assert 'href="/">See all products</a>' in missing.content.decode()


def test_product_page__shows_a_draft_only_after_its_approval(
    client: Client,
    make_product: MakeProduct,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    product = make_product("Mug")
    variant = draft_of(product, django_capture_on_commit_callbacks)
    assert "/published/" not in client.get(product.get_absolute_url()).text
    reviews.approve(variant, by=builders.reviewer())
    page = client.get(product.get_absolute_url()).text
    assert variant.published_url
    assert f'src="{variant.published_url}"' in page
    assert "Noise and compression marks removed, enlarged." in page


@pytest.mark.parametrize("address", ["/", "/products/mug/", "/cart/"])
def test_page__is_plain_and_accessible_html(
    client: Client, make_product: MakeProduct, address: str
) -> None:
    make_product("Mug")
    client.post("/cart/mug/add/")
    page = client.get(address).text
    assert page.count("<h1>") == 1
    assert '<a class="skip" href="#content">' in page
    assert '<main id="content"' in page
    assert "<html lang=" in page
    assert re.findall(r"<script|\sstyle=|\son\w+=|https?://", page) == []
    assert all(" alt=" in image for image in re.findall(r"<img [^>]*>", page))


def test_originals__are_served(client: Client, make_product: MakeProduct) -> None:
    image = make_product("Mug").images.get()
    response = client.get(image.original.url)
    assert response.status_code == 200
    assert b"".join(response) == builders.picture()
    response.close()


def test_drafts__have_no_address(
    client: Client,
    make_product: MakeProduct,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    variant = draft_of(make_product("Mug"), django_capture_on_commit_callbacks)
    for prefix in ("media", "published", "drafts"):
        assert client.get(f"/{prefix}/{variant.draft_name}").status_code == 404
        climbing = client.get(f"/{prefix}/../drafts/{variant.draft_name}")
        assert climbing.status_code in (400, 404)


def test_admin__lists_products_with_thumbnails(
    admin_client: Client, make_product: MakeProduct
) -> None:
    product = make_product("Mug")
    page = admin_client.get("/admin/demoshop/product/").text
    assert 'class="demoshop-thumbnail"' in page
    assert "€22.00" in page
    page = admin_client.get(f"/admin/demoshop/product/{product.pk}/change/").text
    assert 'alt="Mug, seen from above"' in page


def test_product_page__shows_every_role_that_is_published(
    client: Client, make_product: MakeProduct
) -> None:
    product = make_product("Mug")
    image = product.images.get()
    rosa = builders.reviewer()
    requests.request_enhancement(image)
    reviews.approve(builders.draft(image), by=rosa)
    page = client.get(product.get_absolute_url()).text
    assert "More views" not in page
    requests.request_enhancement(image, requests.Order(recipe="scene"))
    scene = dataclasses.replace(
        builders.enhanced(role="scene", colour=(9, 9, 9)),
        digital_source_type=COMPOSITE_WITH_GENERATED,
    )
    (variant,) = builders.finished(image, [scene])
    reviews.approve(variant, by=rosa)
    page = client.get(product.get_absolute_url()).text
    assert page.count(f'src="{variant.published_url}"') == 1
    assert page.count("Generated background") == 1
