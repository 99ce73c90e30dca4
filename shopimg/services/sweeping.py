"""Repair what crashes, lost messages and writes behind the hook's back have left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.contrib.contenttypes.models import ContentType
from django.db.models import F, OuterRef, Q, Subquery
from django.utils import timezone

from shopimg import sources, wakeup
from shopimg.conf import settings
from shopimg.models import EnhancementJob
from shopimg.querysets import key_as_text
from shopimg.services import jobs, publishing, requests, sending

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
    deletions: int
    """Withdrawn variants whose public files were asked to be deleted again."""


def sweep() -> Swept:
    """Run every repair once; doing it twice, or in two processes at once, is harmless."""
    before = timezone.now() - timedelta(seconds=settings.RESEND_SECONDS)
    return Swept(
        taken_back=jobs.take_back_expired(),
        reconciled=reconcile(),
        sent=sending.send_due(),
        renditions=sum(map(wakeup.send_renditions, publishing.without_renditions(before))),
        deletions=sum(map(wakeup.send_delete_files, publishing.withdrawn_with_files(before))),
    )


def reconcile() -> int:
    """Give a job to images that were written without a signal: bulk writes, raw SQL, fixtures."""
    return sum(_reconcile_source(source) for source in sources.all_sources())


def _reconcile_source(source: sources.Source) -> int:
    jobs_of_image = EnhancementJob.objects.filter(
        source_type=ContentType.objects.get_for_model(source.model),
        source_id=OuterRef("shopimg_id"),
    )
    newest = jobs_of_image.order_by("-created_at").values("source_name")[:1]
    rows = source.with_file()
    rows = rows.annotate(shopimg_id=key_as_text(rows), shopimg_name=Subquery(newest))
    unknown = rows.filter(Q(shopimg_name=None) | ~Q(**{source.field: F("shopimg_name")}))
    # Newest first, so that old images which cannot be read keep nobody waiting.
    return sum(map(requests.request_or_log, unknown.order_by("-pk")[:RECONCILE_LIMIT]))
