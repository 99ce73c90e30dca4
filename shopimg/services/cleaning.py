"""Mark and sweep: files that nothing needs any more, and rows about what is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from django.core.files.storage import Storage
from django.db.models import Q
from django.utils import timezone

from shopimg import renditions, storage
from shopimg.conf import settings
from shopimg.models import EnhancedVariant
from shopimg.services import idempotency, publishing, requests, retention, workers
from shopimg.states import ReviewState


@dataclass(frozen=True, slots=True)
class Orphan:
    """A file that no row refers to, or none that needs it."""

    storage: Storage
    name: str
    size_bytes: int
    is_draft: bool = False
    """Whether a row names it as its draft, and does not need it any more."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What one clean-up did, or would do."""

    images: int
    """Images that are gone, of which what was made of them was withdrawn."""
    drafts: int
    """Variants that do not need their draft any more, which was deleted; the rows are history."""
    files: int
    """Files that nothing needs any more, those drafts among them, deleted."""
    size_bytes: int
    """Of these files."""
    workers: int
    """Workers that were silent for long, whose rows were deleted."""


def clean_up(*, dry_run: bool = False, tell: Callable[[Orphan], None] = lambda _: None) -> Cleaned:
    """Withdraw what was made of images that are gone; delete old rows and files out of use.

    The rows are those of keys that have expired and of workers that were silent for long. Two at
    once are harmless.

    Args:
        dry_run: count only, change nothing.
        tell: called with every orphan before it is deleted.

    Raises:
        OSError: a storage failed; what was done until then stays done.
    """
    images = drafts = files = size_bytes = 0
    for key in retention.gone():
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
            drafts += orphan.is_draft
            files += 1
            size_bytes += orphan.size_bytes
    return Cleaned(images, drafts, files, size_bytes, dead)


def orphans() -> Iterator[Orphan]:
    """Yield the files of ours that no row refers to, or none that needs them.

    Files younger than ``ORPHAN_HOURS`` are left alone: their row may be about to be written. So are
    those of a variant that was replaced a short while ago: shoppers may still have the page open.
    """
    before = timezone.now() - timedelta(hours=settings.ORPHAN_HOURS)
    variants = EnhancedVariant.objects.all()
    spent = retention.spent_drafts(variants)
    kept = set(variants.values_list("draft_name", flat=True)) - spent
    for draft in _unreferenced(storage.drafts(), "drafts", kept, before):
        yield replace(draft, is_draft=draft.name in spent)
    yield from _unreferenced(storage.drafts(), storage.MASKS, _masks(spent), before)
    for folder in storage.public_folders():
        yield from _unreferenced(storage.published(), folder, _public(folder, before), before)


def remove(orphan: Orphan) -> bool:
    """Delete a file, unless a row has come to need it since it was found.

    Returns:
        Whether it was deleted.
    """
    folder = orphan.name.partition("/")[0]
    if folder == storage.MASKS:
        is_needed = _is_used(orphan.name)
    else:
        # No draft has a public name; of a file in any other folder it is asked.
        is_needed = folder != "drafts" and _is_shown(orphan.name)
    return not is_needed and storage.delete(orphan.storage, [orphan.name]) == 1


def forget(key: dict[str, Any]) -> None:
    """Do for an image that is gone what the hook does when it is deleted.

    Args:
        key: from ``retention.gone``.
    """
    requests.forget_source(key)
    publishing.withdraw_source(key)


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


def _masks(spent: Set[str]) -> set[str]:
    """Return the masks of variants whose draft is kept, and the corrected ones that jobs name."""
    of_variants = EnhancedVariant.objects.exclude(mask_name="")
    named = of_variants.values_list("mask_name", "draft_name").iterator()
    return {mask for mask, draft in named if draft not in spent} | retention.corrected_masks()


def _is_used(mask: str) -> bool:
    of_variants = EnhancedVariant.objects.filter(mask_name=mask)
    drafts = set(of_variants.values_list("draft_name", flat=True))
    if drafts - retention.spent_drafts(of_variants):
        return True
    return mask in retention.corrected_masks(PurePosixPath(mask).stem)


def _is_shown(name: str) -> bool:
    stem = "/".join(name.split("/")[:3]).partition(".")[0]
    shown = EnhancedVariant.objects.published().filter(published_name__startswith=f"{stem}.")
    return shown.exists()


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
