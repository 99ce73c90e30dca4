"""Repair what crashes, lost messages and writes behind the hook's back have left."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models import F, OuterRef, Q, Subquery
from django.utils import timezone

from shopimg import sources, wakeup
from shopimg.conf import settings
from shopimg.contract import CapacityError
from shopimg.models import EnhancementJob
from shopimg.querysets import key_as_text
from shopimg.services import bulk, cancellation, jobs, publishing, queueing, requests, sending
from shopimg.services.batches import Outage
from shopimg.services.requests import Order

logger = logging.getLogger(__name__)

RECONCILE_LIMIT = 200
"""Most images of one model that one sweep looks at first; up to as many again where some fail."""

LONG_LOOK_SECONDS = 1.0
"""A look through all images that takes no longer is taken at every sweep."""
LOOKING_SHARE = 0.02
"""Most of a process's time that longer ones may take, where they find nothing."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did."""

    taken_back: int
    """Jobs of dead workers, put back or quarantined."""
    cancelled: int
    """Jobs of cancelled runs that ended."""
    reconciled: int
    """Images without a job that got one."""
    sent: int
    """Wake-up messages sent again."""
    renditions: int
    """Published variants whose responsive sizes were asked for again."""
    deletions: int
    """Withdrawn variants whose public files were asked to be deleted."""


def sweep() -> Swept:
    """Run every repair once; doing it twice, or in two processes at once, is harmless.

    What people wait for comes first, reading files last: a slow storage holds up nothing else.
    """
    now = timezone.now()
    before = now - timedelta(seconds=settings.RESEND_SECONDS)
    taken_back = jobs.take_back_expired()
    cancelled = sum(cancellation.cancel_jobs())
    bulk.finish_runs()
    renditions = _ask_for_renditions(before)
    sent = sending.send_due() + queueing.send_due()
    withdrawn_before = now - timedelta(seconds=settings.WITHDRAWN_SECONDS)
    withdrawn = publishing.withdrawn_with_files(withdrawn_before)
    deletions = sum(map(wakeup.send_delete_files, withdrawn))
    reconciled = _reconcile_in_turn()
    if reconciled:
        sent += sending.top_up_bulk()
    return Swept(taken_back, cancelled, reconciled, sent, renditions, deletions)


def _ask_for_renditions(before: datetime) -> int:
    """Ask again once nothing waits: until then the first message may still be on its way."""
    if wakeup.waiting(settings.QUEUE) != 0:
        return 0
    return sum(map(wakeup.send_renditions, publishing.without_renditions(before)))


class _Turn:
    """When this process looks through all images again."""

    next = 0.0
    """Monotonic seconds."""


def _reconcile_in_turn() -> int:
    """Reconcile, unless a long look through a large catalogue has just found nothing."""
    started = time.monotonic()
    if started < _Turn.next:
        return 0
    reconciled = reconcile()
    took = time.monotonic() - started
    if not reconciled and took > LONG_LOOK_SECONDS:
        _Turn.next = started + took / LOOKING_SHARE
    return reconciled


def reconcile() -> int:
    """Give a job to images that were written without a signal: bulk writes, raw SQL, fixtures.

    Nobody waits for them, and there may be a whole catalogue of them, as in a shop that has just
    installed shopimg: so they go to the bulk queue, some at each sweep, the newest first;
    where some of these fail, others as well, so that no image waits behind them for ever.

    Returns:
        How many jobs were queued.
    """
    return sum(_reconcile_source(source) for source in sources.all_sources())


def _reconcile_source(source: sources.Source) -> int:
    outage = Outage()
    unknown = _without_job(source)
    queued, failed = _ask(unknown.order_by("-pk")[:RECONCILE_LIMIT], outage)
    if failed:
        # They may fail at every sweep: others, picked by chance, must not wait behind them.
        others = unknown.exclude(pk__in=failed).order_by("?")
        queued += _ask(others[: RECONCILE_LIMIT - queued], outage)[0]
    return queued


def _ask(images: models.QuerySet[models.Model], outage: Outage) -> tuple[int, list[Any]]:
    """Ask for the jobs of images until the storage seems to be down.

    Returns:
        How many jobs were queued, and the primary keys of the images for which that failed.
    """
    queued = 0
    failed: list[Any] = []
    with suppress(CapacityError):
        for instance in images:
            try:
                queued += requests.request_enhancement(instance, Order(bulk=True)).queued
                outage.read()
            except CapacityError as err:
                failed.append(instance.pk)
                label = instance._meta.label
                logger.warning("no job for %s %s: %s", label, instance.pk, err.detail)
                outage.unread(err)
            except Exception:
                # One image must not keep a sweep from all the others.
                failed.append(instance.pk)
                logger.exception("no job for %s %s", instance._meta.label, instance.pk)
    return queued, failed


def _without_job(source: sources.Source) -> models.QuerySet[models.Model]:
    """Return the images whose newest job is about another file, or which have none."""
    jobs_of_image = EnhancementJob.objects.filter(
        source_type=ContentType.objects.get_for_model(source.model),
        source_id=OuterRef("shopimg_id"),
    )
    newest = jobs_of_image.order_by("-created_at").values("source_name")[:1]
    rows = source.with_file()
    rows = rows.annotate(shopimg_id=key_as_text(rows), shopimg_name=Subquery(newest))
    is_other = ~Q(**{source.field: F("shopimg_name")})
    unknown: models.QuerySet[models.Model] = rows.filter(Q(shopimg_name=None) | is_other)
    return unknown
