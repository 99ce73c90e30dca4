"""What tests of published pictures share."""

from __future__ import annotations

from collections.abc import Callable

from shopimg.models import EnhancedVariant, ReviewDecision

Publish = Callable[..., EnhancedVariant]
"""Makes another draft of a photograph, approves it and so publishes it: (photo, shade)."""


def states_of(*variants: EnhancedVariant) -> list[str]:
    for variant in variants:
        variant.refresh_from_db()
    return [variant.state for variant in variants]


def everything() -> list[tuple[object, ...]]:
    rows = EnhancedVariant.objects.order_by("pk")
    return [*rows.values_list(), *ReviewDecision.objects.order_by("pk").values_list()]
