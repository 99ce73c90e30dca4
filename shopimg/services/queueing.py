"""Bulk runs that workers queue: asked for in a request, carried out a batch at a time."""

from __future__ import annotations

import logging
import time
import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from shopimg import wakeup
from shopimg.conf import settings
from shopimg.contract import CapacityError, EnhancementError
from shopimg.models import BulkRun
from shopimg.services import bulk
from shopimg.states import RunState

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser
    from django.db.models import QuerySet

logger = logging.getLogger(__name__)

SLICE_SECONDS = 60.0
"""How long one message queues before another one goes on, so that jobs get their turn."""

_UNFINISHED = (RunState.QUEUEING, RunState.INTERRUPTED)


def request(selection: bulk.Selection, *, by: AbstractBaseUser) -> BulkRun:
    """Create a run that a worker queues, however many images it is about.

    Nothing is read here but the selection itself: the request that asks for a run is over at
    once. The row says what is left; the message only says when to look, and the sweeper sends
    a lost one again.

    Args:
        selection: which images, and what to do with them.
        by: who asks.

    Raises:
        LookupError: the model is not watched.
        RecipeError: the recipe is unknown.
        ValueError: a status is unknown, or the primary keys fit no model or more than one.
    """
    with transaction.atomic():
        run = bulk.start(selection)
        _rows(run.pk).update(requested_by=by.pk, queue_after=timezone.now())
        transaction.on_commit(lambda: wakeup.send_bulk_run(run.pk), robust=True)
    run.refresh_from_db()
    return run


def advance(run_id: uuid.UUID) -> int:
    """Queue a run's images for a while, if nobody else does so, and ask for more time if needed.

    Returns:
        How many images were looked at.
    """
    run = _claim(run_id)
    if run is None:
        return 0
    images = 0
    end = time.monotonic() + SLICE_SECONDS
    try:
        for number in bulk.advance(run, bulk.BATCH):
            images += number
            renew(run)
            if time.monotonic() >= end:
                _rows(run_id).update(queue_after=timezone.now())
                wakeup.send_bulk_run(run_id)
                return images
    except CapacityError:
        # The storage is down: the sweeper asks again.
        logger.warning("bulk run %s is interrupted", run_id, exc_info=True)
        bulk.interrupt(run)
        _rows(run_id).update(queue_after=timezone.now())
        return images
    except bulk.RunTakenOverError:
        # The batch took longer than the lease, and the run is somebody else's now; or it is over.
        logger.warning("bulk run %s was taken over or cancelled", run_id)
        return images
    except (EnhancementError, LookupError, ValueError):
        # The settings have changed: a model or recipe is gone. Only an operator can help.
        logger.exception("bulk run %s cannot go on", run_id)
        bulk.interrupt(run)
    _rows(run_id).update(queue_after=None)
    return images


def take_over(run: BulkRun) -> bool:
    """Keep everybody else off a run, as the caller queues the rest of it.

    The caller has to ``renew`` that with each batch and to ``release`` the run at the end: a lease,
    since who is killed does neither.

    Returns:
        False where somebody is at it, whose lease ``queue_after`` is.
    """
    free = _rows(run.pk).filter(Q(queue_after=None) | Q(queue_after__lte=timezone.now()))
    taken = bool(free.update(queue_after=_until()))
    run.refresh_from_db()
    return taken


def renew(run: BulkRun, pause_seconds: float = 0.0) -> None:
    """Extend the lease of whoever queues a run.

    Args:
        run: one that the caller has taken.
        pause_seconds: how long the caller waits before the next batch.
    """
    run.queue_after = _until() + timedelta(seconds=pause_seconds)
    _rows(run.pk).update(queue_after=run.queue_after)


def release(run: BulkRun) -> None:
    """Give back a run that was taken over, unless it is somebody else's by now."""
    _rows(run.pk).filter(queue_after=run.queue_after).update(queue_after=None)


def send_due() -> int:
    """Send the message again of every run that should have gone on by now.

    Not of runs of the command, which nobody has requested: whoever started one has said how fast it
    may go, and resumes it.

    Returns:
        How many messages the broker took.
    """
    now = timezone.now()
    late = BulkRun.objects.filter(
        requested_by__isnull=False,
        state__in=_UNFINISHED,
        queue_after__lt=now - timedelta(seconds=settings.RESEND_SECONDS),
    )
    sent = 0
    for run_id, due in late.values_list("pk", "queue_after"):
        # Only the sweeper that moves the date sends: two at once would send twice.
        if _rows(run_id).filter(queue_after=due).update(queue_after=now):
            sent += wakeup.send_bulk_run(run_id)
    return sent


def _claim(run_id: uuid.UUID) -> BulkRun | None:
    """Keep others off a run; whoever dies is replaced once Celery would have ended the task."""
    due = _rows(run_id).filter(state__in=_UNFINISHED, queue_after__lte=timezone.now())
    if not due.update(queue_after=_until()):
        return None
    return BulkRun.objects.get(pk=run_id)


def _until() -> datetime:
    return timezone.now() + timedelta(seconds=settings.JOB_TIME_LIMIT_SECONDS + 60)


def _rows(run_id: uuid.UUID) -> QuerySet[Any]:
    return BulkRun.objects.filter(pk=run_id)
