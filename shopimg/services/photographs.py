"""The photograph behind a variant: whether it is still there, and with which file."""

from __future__ import annotations

from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _

from shopimg import sources
from shopimg.contract import InvalidTransitionError
from shopimg.models import EnhancedVariant
from shopimg.services import requests
from shopimg.sources import Source


def file_name(variant: EnhancedVariant, *, lock: bool = False) -> str:
    """Return the name of the file that a variant's photo has now.

    Args:
        variant: of any state.
        lock: keep the row from being changed or deleted until the transaction ends.

    Returns:
        An empty text where the photo or its file is gone, or where nobody watches it any more.
    """
    source = _source_of(variant)
    if source is None:
        return ""
    rows = _rows(source, variant)
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
    source = _source_of(variant)
    if source is None:
        return
    photo = _rows(source, variant).first()
    if photo is None or source.file_of(photo).name != variant.job.source_name:
        return
    length = sources.stored_bytes(source.file_of(photo))
    if length not in (None, variant.job.source_bytes):
        requests.request_or_log(photo)
        raise InvalidTransitionError(_("The photo has been replaced since then."))


def _source_of(variant: EnhancedVariant) -> Source | None:
    try:
        return sources.source_for(variant.source_type.model_class() or EnhancedVariant)
    except LookupError:
        return None


def _rows(source: Source, variant: EnhancedVariant) -> QuerySet[Model]:
    # Also what a host's own manager hides.
    rows: QuerySet[Model] = source.model._meta.base_manager.filter(pk=variant.source_id)
    return rows


def _refuse_deleted(name: str) -> None:
    if not name:
        raise InvalidTransitionError(_("The photo of this picture has been deleted."))
