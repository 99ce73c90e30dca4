"""Repair what crashes, lost messages and writes behind the hook's back have left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.contrib.contenttypes.models import ContentType
from django.db.models import CharField, Exists, OuterRef
from django.db.models.functions import Cast
from django.utils import timezone

from shopimg import sources, wakeup
from shopimg.conf import settings
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.services import jobs, requests

RECONCILE_LIMIT = 500
"""Most images that one sweep looks at closely."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did."""

    taken_back: int
    """Jobs of dead workers, put back or quarantined."""
    reconciled: int
    """Images without a job that got one."""
    sent: int
    """Wake-up messages sent again."""
    renditions: int
    """Published variants whose responsive sizes were asked for again."""


def sweep() -> Swept:
    """Run every repair once; doing it twice, or in two processes at once, is harmless."""
    return Swept(
        taken_back=jobs.take_back_expired(),
        reconciled=reconcile(),
        sent=resend(),
        renditions=_resend_renditions(),
    )


def resend() -> int:
    """Send the message of every due job whose last one is missing or old."""
    sent = 0
    for job in jobs.due(settings.BULK_DEPTH):
        if not wakeup.send(job.pk, bulk=job.bulk_run_id is not None):
            break
        sent += 1
    return sent


def reconcile() -> int:
    """Give a job to images that were written without a signal: bulk writes, raw SQL, fixtures."""
    return sum(_reconcile_source(source) for source in sources.all_sources())


def _reconcile_source(source: sources.Source) -> int:
    queued = 0
    source_type = ContentType.objects.get_for_model(source.model)
    known = EnhancementJob.objects.filter(
        source_type=source_type,
        source_id=OuterRef("shopimg_id"),
        source_name=OuterRef(source.field),
    )
    rows = (
        source.model._default_manager.exclude(**{source.field: ""})
        .annotate(shopimg_id=Cast("pk", CharField()))
        .filter(~Exists(known))
    )
    for instance in rows.order_by("pk")[:RECONCILE_LIMIT]:
        queued += requests.request_enhancement(instance).queued
    return queued


def _resend_renditions() -> int:
    before = timezone.now() - timedelta(seconds=settings.RESEND_SECONDS)
    missing = EnhancedVariant.objects.published().filter(renditions_at=None, updated_at__lt=before)
    keys = missing.values_list("pk", flat=True)[: settings.BULK_DEPTH]
    return sum(wakeup.send_renditions(key) for key in keys)
