"""What is kept of results, and how long: images that are gone, drafts and masks that are spent."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db.models import TextField
from django.db.models.functions import Cast
from django.utils import timezone

from shopimg import sources, storage
from shopimg.conf import settings
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.querysets import EnhancedVariantQuerySet
from shopimg.services import publishing
from shopimg.states import LIVE_VARIANTS

_BATCH = 1000
_CORRECTED = re.compile(r'"mask": "([0-9a-f]{64})"')


def gone() -> Iterator[dict[str, Any]]:
    """Yield the keys of images that have live variants and no row or no file any more.

    Raw SQL and ``_raw_delete`` tell nobody that an image was deleted.
    """
    live = EnhancedVariant.objects.filter(state__in=LIVE_VARIANTS)
    for source_type, ids in _gone_images(live):
        yield from ({"source_type": source_type, "source_id": source_id} for source_id in ids)


def spent_drafts(variants: EnhancedVariantQuerySet) -> set[str]:
    """Return the drafts of variants that nobody can need any more.

    Those are the drafts of images that are gone, and of variants that were rejected, or gave way
    without ever having been in the shop, ``DRAFT_DAYS`` ago. What was in the shop may be shown
    again, and is copied from its draft then.

    An image that has just gone may come back: its drafts stay for ``ORPHAN_HOURS``.
    """
    spent = set[str]()
    if settings.DRAFT_DAYS:
        old = _over_for(timedelta(days=settings.DRAFT_DAYS), variants)
        unshown = old.exclude(publishing.MAY_COME_BACK)
        spent.update(unshown.values_list("draft_name", flat=True))
    over = _over_for(timedelta(hours=settings.ORPHAN_HOURS), variants)
    for source_type, ids in _gone_images(over):
        of_gone = over.filter(source_type=source_type, source_id__in=ids)
        spent.update(of_gone.values_list("draft_name", flat=True))
    return spent


def corrected_masks(pattern: str = _CORRECTED.pattern) -> set[str]:
    """Return the masks that recipes of jobs name, whose images are there.

    Args:
        pattern: regular expression; only of recipes in which it is found.
    """
    # As text: an old recipe may have a step that there is no more.
    text = Cast("recipe_table", TextField())
    jobs = EnhancementJob.objects.alias(text=text).filter(text__regex=pattern).order_by()
    masks: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for type_id, source_id, table in jobs.values_list("source_type", "source_id", text).iterator():
        masks[type_id][source_id].update(map(storage.mask_name, _CORRECTED.findall(table)))
    for source in sources.all_sources():
        of_images = masks[ContentType.objects.get_for_model(source.model).pk]
        for source_id in _missing(source, list(of_images)):
            del of_images[source_id]
    return {mask for of_images in masks.values() for found in of_images.values() for mask in found}


def _over_for(age: timedelta, variants: EnhancedVariantQuerySet) -> EnhancedVariantQuerySet:
    """Return the rejected and superseded ones that nothing has happened to for so long."""
    over = variants.exclude(state__in=LIVE_VARIANTS)
    return over.filter(updated_at__lt=timezone.now() - age)


def _gone_images(variants: EnhancedVariantQuerySet) -> Iterator[tuple[ContentType, list[str]]]:
    """Yield the images of variants that are gone, a batch of one model at a time."""
    for source in sources.all_sources():
        source_type = ContentType.objects.get_for_model(source.model)
        of_source = variants.filter(source_type=source_type).order_by("source_id")
        ids = of_source.values_list("source_id", flat=True).distinct()
        last = ""
        while batch := list(ids.filter(source_id__gt=last)[:_BATCH]):
            yield source_type, _missing(source, batch)
            last = batch[-1]


def _missing(source: sources.Source, ids: Sequence[str]) -> list[str]:
    """Return those of some images that have no row or no file."""
    # What a host's own manager hides is not gone.
    images = source.model._meta.base_manager.filter(**{f"{source.field}__gt": ""})
    there = set[str]()
    for start in range(0, len(ids), _BATCH):
        batch = images.filter(pk__in=ids[start : start + _BATCH])
        there.update(map(str, batch.values_list("pk", flat=True)))
    return [source_id for source_id in ids if source_id not in there]
