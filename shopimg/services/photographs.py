"""The photograph behind a variant: whether it is still there, and with which file."""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from django.utils.translation import gettext as _

from shopimg import sources
from shopimg.contract import InvalidTransitionError
from shopimg.models import EnhancedVariant
from shopimg.services import requests


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


def lock(variant: EnhancedVariant) -> None:
    """Keep a photo from being deleted meanwhile, as that withdraws what is shown of it.

    Raises:
        InvalidTransitionError: the photo or its file is gone.
    """
    _refuse_deleted(file_name(variant, lock=True))


def lock_unchanged(variant: EnhancedVariant) -> None:
    """Keep a photo from being deleted or given another file meanwhile.

    Raises:
        InvalidTransitionError: see ``check_unchanged``.
    """
    check_unchanged(variant, file_name(variant, lock=True))


def check_unchanged(variant: EnhancedVariant, name: str) -> None:
    """Refuse what was made of another file than a photo has.

    Args:
        variant: of any state.
        name: of the photo's file.

    Raises:
        InvalidTransitionError: the photo is gone, or has another file.
    """
    _refuse_deleted(name)
    if name != variant.job.source_name:
        raise InvalidTransitionError(_("The photo has been replaced since then."))


def refuse_overwritten(variant: EnhancedVariant) -> None:
    """Refuse what was made of other bytes than lie under the name of its photo.

    A storage may overwrite files, and tells nobody. Then the length tells, where the storage is at
    hand, and a job for what lies there is asked for.

    Raises:
        InvalidTransitionError: the file has another length.
    """
    if file_name(variant) != variant.job.source_name:
        return
    photo = variant.source_type.get_object_for_this_type(pk=variant.source_id)
    length = sources.stored_bytes(sources.source_for(type(photo)).file_of(photo))
    if length not in (None, variant.job.source_bytes):
        requests.request_or_log(photo)
        raise InvalidTransitionError(_("The photo has been replaced since then."))


def _refuse_deleted(name: str) -> None:
    if not name:
        raise InvalidTransitionError(_("The photo of this picture has been deleted."))
