"""Mark and sweep: delete old files that no row refers to, in both storages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.files.storage import Storage
from django.utils import timezone

from shopimg import renditions, storage
from shopimg.conf import settings
from shopimg.models import EnhancedVariant


@dataclass(frozen=True, slots=True)
class Orphan:
    """A file that no row refers to."""

    storage: Storage
    name: str
    size_bytes: int


def orphans(now: datetime | None = None) -> Iterator[Orphan]:
    """Yield the files that no row refers to and that are older than ``ORPHAN_HOURS``.

    Young files are left alone: their row may be about to be written.
    """
    before = (now or timezone.now()) - timedelta(hours=settings.ORPHAN_HOURS)
    places = (
        (storage.drafts(), "drafts", _drafts()),
        (storage.published(), "published", _public()),
    )
    for place, folder, kept in places:
        for name in storage.walk(place, folder):
            if name not in kept and _modified(place, name) < before:
                yield Orphan(place, name, place.size(name))


def _drafts() -> set[str]:
    return set(EnhancedVariant.objects.values_list("draft_name", flat=True))


def _public() -> set[str]:
    kept: set[str] = set()
    for variant in EnhancedVariant.objects.published().iterator():
        kept.add(variant.published_name)
        kept.update(renditions.names(variant))
    return kept


def _modified(place: Storage, name: str) -> datetime:
    modified = place.get_modified_time(name)
    return modified if timezone.is_aware(modified) else timezone.make_aware(modified)
