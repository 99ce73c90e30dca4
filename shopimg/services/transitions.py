"""How a variant goes from one state to another: only as somebody has seen it."""

from __future__ import annotations

from typing import Any

from django.db.models import F, Q
from django.utils import timezone

from shopimg.contract import InvalidTransitionError
from shopimg.models import EnhancedVariant
from shopimg.services import decisions


def move(variant: EnhancedVariant, allowed: Q, version: int, **changes: Any) -> None:
    """Change a variant, if it is still as somebody has looked at it.

    Args:
        variant: read again, whatever comes of it.
        allowed: the states from which it may be changed so.
        version: the one that was looked at.
        changes: columns with their new values.

    Raises:
        InvalidTransitionError: it is in another state, or at another version.
    """
    updated = EnhancedVariant.objects.filter(allowed, pk=variant.pk, version=version).update(
        version=F("version") + 1, updated_at=timezone.now(), **changes
    )
    variant.refresh_from_db()
    if not updated:
        raise InvalidTransitionError(decisions.taken_message(variant, version))
