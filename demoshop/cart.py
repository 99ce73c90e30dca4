"""A shopping cart that lives in the visitor's session."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib.sessions.backends.base import SessionBase

from demoshop.models import Product

SESSION_KEY = "cart"
MAX_QUANTITY = 20


@dataclass(frozen=True, slots=True)
class CartLine:
    """One product in the cart."""

    product: Product
    quantity: int

    @property
    def total(self) -> Decimal:
        """Price of the whole line."""
        return self.product.price * self.quantity


class Cart:
    """What one visitor wants to buy: product id -> quantity, kept in the session."""

    def __init__(self, session: SessionBase) -> None:
        self._session = session

    def _quantities(self) -> dict[str, Any]:
        quantities = self._session.get(SESSION_KEY, {})
        return dict(quantities)

    def count(self) -> int:
        """Number of pieces in the cart; no query."""
        return sum(self._quantities().values())

    def add(self, product: Product, quantity: int = 1) -> int:
        """Put more pieces in; return how many of this product are in the cart now."""
        return self.change(product, self._quantities().get(str(product.pk), 0) + quantity)

    def change(self, product: Product, quantity: int) -> int:
        """Set the number of pieces, 0 to ``MAX_QUANTITY``; 0 takes the product out."""
        quantities = self._quantities()
        quantities[str(product.pk)] = max(0, min(quantity, MAX_QUANTITY))
        self._session[SESSION_KEY] = {key: value for key, value in quantities.items() if value}
        return int(quantities[str(product.pk)])

    def lines(self) -> list[CartLine]:
        """Return the cart's lines in the shop's order; products no longer sold are left out."""
        quantities = self._quantities()
        products = Product.objects.filter(pk__in=quantities).with_images()
        return [CartLine(product, quantities[str(product.pk)]) for product in products]
