"""Mark and sweep: files that no row refers to, and rows about what is gone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.core.files.storage import Storage
from django.db.models import Q, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from shopimg import renditions, sources, storage
from shopimg.conf import settings
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.services import idempotency, publishing, requests, workers
from shopimg.states import LIVE_VARIANTS, ReviewState

_BATCH = 1000
_CORRECTED = re.compile(r'"mask": "([0-9a-f]{64})"')


@dataclass(frozen=True, slots=True)
class Orphan:
    """A file that no row refers to."""

    storage: Storage
    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What one clean-up did, or would do."""

    images: int
    """Images that are gone, of which what was made of them was withdrawn."""
    files: int
    """Files that no row refers to, deleted."""
    size_bytes: int
    """Of these files."""
    workers: int
    """Workers that were silent for long, whose rows were deleted."""


def clean_up(*, dry_run: bool = False, tell: Callable[[Orphan], None] = lambda _: None) -> Cleaned:
    """Withdraw what was made of images that are gone; delete old rows and orphaned files.

    The rows are those of keys that have expired and of workers that were silent for long. Two at
    once are harmless.

    Args:
        dry_run: count only, change nothing.
        tell: called with every orphan before it is deleted.

    Raises:
        OSError: a storage failed; what was done until then stays done.
    """
    images = files = size_bytes = 0
    for key in gone():
        images += 1
        if not dry_run:
            forget(key)
    silent = workers.silent()
    dead = silent.count() if dry_run else silent.delete()[0]
    if not dry_run:
        idempotency.delete_expired()
    for orphan in orphans():
        tell(orphan)
        if dry_run or remove(orphan):
            files += 1
            size_bytes += orphan.size_bytes
    return Cleaned(images, files, size_bytes, dead)


def orphans() -> Iterator[Orphan]:
    """Yield the files of ours that no row refers to and that are older than ``ORPHAN_HOURS``.

    Young files are left alone: their row may be about to be written. So are the files of a variant
    that was replaced a short while ago: shoppers may still have the page open.
    """
    before = timezone.now() - timedelta(hours=settings.ORPHAN_HOURS)
    yield from _unreferenced(storage.drafts(), "drafts", _drafts(), before)
    yield from _unreferenced(storage.drafts(), storage.MASKS, _masks(), before)
    for folder in storage.public_folders():
        yield from _unreferenced(storage.published(), folder, _public(folder, before), before)


def remove(orphan: Orphan) -> bool:
    """Delete a file, unless a row has come to refer to it since it was found.

    Returns:
        Whether it was deleted.
    """
    if orphan.name.startswith(f"{storage.MASKS}/") and _is_used(orphan.name):
        return False
    stem = "/".join(orphan.name.split("/")[:3]).partition(".")[0]
    shown = EnhancedVariant.objects.published().filter(published_name__startswith=f"{stem}.")
    return not shown.exists() and storage.delete(orphan.storage, [orphan.name]) == 1


def gone() -> Iterator[dict[str, Any]]:
    """Yield the keys of images that have variants and no row or no file any more.

    Raw SQL and ``_raw_delete`` tell nobody that an image was deleted.
    """
    for source in sources.all_sources():
        yield from _gone_of(source)


def forget(key: dict[str, Any]) -> None:
    """Do for an image that is gone what the hook does when it is deleted.

    Args:
        key: from ``gone``.
    """
    requests.forget_source(key)
    publishing.withdraw_source(key)


def _gone_of(source: sources.Source) -> Iterator[dict[str, Any]]:
    source_type = ContentType.objects.get_for_model(source.model)
    live = EnhancedVariant.objects.filter(source_type=source_type, state__in=LIVE_VARIANTS)
    ids = live.order_by("source_id").values_list("source_id", flat=True).distinct()
    # What a host's own manager hides is not gone.
    rows = source.model._meta.base_manager.filter(**{f"{source.field}__gt": ""})
    last = ""
    while batch := list(ids.filter(source_id__gt=last)[:_BATCH]):
        there = {str(pk) for pk in rows.filter(pk__in=batch).values_list("pk", flat=True)}
        yield from ({"source_type": source_type, "source_id": i} for i in batch if i not in there)
        last = batch[-1]


def _unreferenced(
    place: Storage, folder: str, kept: set[str], before: datetime
) -> Iterator[Orphan]:
    for name in storage.walk(place, folder):
        if name in kept or not storage.is_own(name):
            continue
        # Where there is none any more, another clean-up was quicker.
        with suppress(FileNotFoundError), storage.failures():
            if _modified(place, name) < before:
                yield Orphan(place, name, place.size(name))


def _drafts() -> set[str]:
    return set(EnhancedVariant.objects.values_list("draft_name", flat=True))


def _masks() -> set[str]:
    """Return the masks of variants, and the corrected ones that jobs name."""
    of_variants = EnhancedVariant.objects.exclude(mask_name="")
    return {*of_variants.values_list("mask_name", flat=True), *_corrected(_CORRECTED.pattern)}


def _is_used(mask: str) -> bool:
    of_variants = EnhancedVariant.objects.filter(mask_name=mask)
    return of_variants.exists() or mask in _corrected(PurePosixPath(mask).stem)


def _corrected(pattern: str) -> set[str]:
    """Return the masks that recipes of jobs name where a regular expression is found in them."""
    # As text: an old recipe may have a step that there is no more.
    text = Cast("recipe_table", TextField())
    tables = EnhancementJob.objects.alias(text=text).filter(text__regex=pattern)
    return {
        storage.mask_name(digest)
        for table in tables.order_by().values_list(text, flat=True).iterator()
        for digest in _CORRECTED.findall(table)
    }


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
