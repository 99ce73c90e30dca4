"""Prices as people write them."""

from decimal import Decimal

from django import template
from django.utils.formats import number_format

register = template.Library()

SIGNS = {"EUR": "€", "GBP": "£", "USD": "$"}


@register.filter
def money(amount: Decimal, currency: str) -> str:
    """Write an amount with its currency sign.

    >>> money(Decimal("1249.5"), "EUR")
    '€1,249.50'
    """
    digits = number_format(amount, decimal_pos=2, use_l10n=True, force_grouping=True)
    return f"{SIGNS.get(currency, currency + ' ')}{digits}"
