"""The photograph behind a variant: whether it is still there, and with which file."""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from django.utils.translation import gettext as _

from shopimg import sources
from shopimg.contract import InvalidTransitionError
from shopimg.models import EnhancedVariant


def file_name(variant: EnhancedVariant, *, lock: bool = False) -> str:
    """Return the name of the file that a variant's photo has now.

    Args:
        variant: of any state.
        lock: keep the row from being changed or deleted until the transaction ends.

    Returns:
        An empty text where the photo or its file is gone, or where nobody watches it any more.
    """
    model: type[Model] | None = variant.source_type.model_class()
    try:
        source = sources.source_for(model or EnhancedVariant)
    except LookupError:
        return ""
    # Also what a host's own manager hides.
    rows: Any = source.model._meta.base_manager.filter(pk=variant.source_id)
    if lock:
        rows = rows.select_for_update()
    return "".join(name or "" for name in rows.values_list(source.field, flat=True))


def lock(variant: EnhancedVariant) -> str:
    """Keep a photo from being deleted meanwhile, as that withdraws what is shown of it.

    Returns:
        The name of its file.

    Raises:
        InvalidTransitionError: the photo or its file is gone.
    """
    name = file_name(variant, lock=True)
    if not name:
        raise InvalidTransitionError(_("The photo of this picture has been deleted."))
    return name
