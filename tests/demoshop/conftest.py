"""The demo shop as the site under test, with two products on its shelves."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import Settings

from demoshop.models import Product, ProductImage
from tests import builders

SHOP = "demoshop.context_processors.shop"


@pytest.fixture(autouse=True)
def demo_shop(settings: Settings) -> None:
    """Serve the demo shop's pages and watch its photographs."""
    settings.ROOT_URLCONF = "demoshop.urls"
    (engine,) = settings.TEMPLATES
    options = engine["OPTIONS"]
    processors = [*options["context_processors"], SHOP]
    settings.TEMPLATES = [{**engine, "OPTIONS": {**options, "context_processors": processors}}]
    source = {"field": "original", "recipe": "clean", "alt": "alt"}
    settings.SHOPIMG = {**settings.SHOPIMG, "SOURCES": {"demoshop.ProductImage": source}}


@pytest.fixture
def make_product(db: None) -> Callable[..., Product]:
    """Create a product with one photograph; keyword arguments are fields of the product."""

    def make(name: str = "Mug", **fields: Any) -> Product:
        defaults = {
            "slug": name.lower(),
            "category": "kitchen",
            "price": Decimal("22.00"),
            "short_description": "To drink from.",
            "description": "Holds coffee.\n\nAnd tea.",
        }
        product = Product.objects.create(name=name, **{**defaults, **fields})
        alt = f"{name}, seen from above"
        ProductImage.objects.create(product=product, original=builders.upload(), alt=alt)
        return product

    return make
