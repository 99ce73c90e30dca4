"""What every page of the shop shows: the categories and the size of the cart."""

from typing import Any

from django.http import HttpRequest

from demoshop.cart import Cart
from demoshop.models import Category


def shop(request: HttpRequest) -> dict[str, Any]:
    """Provide ``categories`` and ``cart_count``."""
    session = getattr(request, "session", None)
    return {
        "categories": Category.choices,
        "cart_count": Cart(session).count() if session is not None else 0,
    }
