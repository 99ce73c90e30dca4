"""Mark and sweep: delete old files that no row refers to, in both storages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.files.storage import Storage
from django.db.models import Q
from django.utils import timezone

from shopimg import renditions, storage
from shopimg.conf import settings
from shopimg.models import EnhancedVariant
from shopimg.states import ReviewState


@dataclass(frozen=True, slots=True)
class Orphan:
    """A file that no row refers to."""

    storage: Storage
    name: str
    size_bytes: int


def orphans(now: datetime | None = None) -> Iterator[Orphan]:
    """Yield the files that no row refers to and that are older than ``ORPHAN_HOURS``.

    Young files are left alone: their row may be about to be written. So are the files of a variant
    that was replaced a short while ago: shoppers may still have the page open.
    """
    before = (now or timezone.now()) - timedelta(hours=settings.ORPHAN_HOURS)
    yield from _unreferenced(storage.drafts(), "drafts", _drafts(), before)
    for folder in storage.folders(storage.published(), "published"):
        yield from _unreferenced(storage.published(), folder, _public(folder, before), before)


def remove(orphan: Orphan) -> bool:
    """Delete a file, unless a row has come to refer to it since it was found.

    Returns:
        Whether it was deleted.
    """
    stem = "/".join(orphan.name.split("/")[:3]).partition(".")[0]
    shown = EnhancedVariant.objects.published().filter(published_name__startswith=f"{stem}.")
    return not shown.exists() and storage.delete(orphan.storage, [orphan.name]) == 1


def _unreferenced(
    place: Storage, folder: str, kept: set[str], before: datetime
) -> Iterator[Orphan]:
    for name in storage.walk(place, folder):
        if name in kept:
            continue
        with suppress(FileNotFoundError):  # another clean-up was quicker
            if _modified(place, name) < before:
                yield Orphan(place, name, place.size(name))


def _drafts() -> set[str]:
    return set(EnhancedVariant.objects.values_list("draft_name", flat=True))


def _public(folder: str, before: datetime) -> set[str]:
    """Return the files to keep in one folder of many, so that memory stays bounded."""
    shown = Q(state=ReviewState.PUBLISHED)
    replaced = Q(published_at__isnull=False, updated_at__gte=before)
    here = EnhancedVariant.objects.filter(shown | replaced, published_name__startswith=f"{folder}/")
    kept: set[str] = set()
    for variant in here:
        kept.update((variant.published_name, *renditions.names(variant)))
    return kept


def _modified(place: Storage, name: str) -> datetime:
    modified = place.get_modified_time(name)
    return modified if timezone.is_aware(modified) else timezone.make_aware(modified)
