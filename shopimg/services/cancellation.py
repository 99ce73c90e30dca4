"""Cancels bulk runs: nothing more is queued for them, and their open jobs end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from shopimg.contract import InvalidTransitionError
from shopimg.models import BulkRun, EnhancementJob
from shopimg.querysets import EnhancementJobQuerySet
from shopimg.services import jobs
from shopimg.states import OPEN_RUNS, RunState

BATCH = 500
"""Jobs that are locked and end in one transaction."""

_LATELY = timedelta(days=1)
"""Each sweep looks for what is left; the many jobs of older runs have ended long ago."""


def cancel(run: BulkRun) -> None:
    """Cancel a run; whoever is queueing it stops at the next batch.

    That is one row, however many jobs there are: they end in ``cancel_jobs``, which the sweeper
    calls as well, and no sweep or worker in between brings the run back.

    Raises:
        InvalidTransitionError: it is over.
    """
    with transaction.atomic():
        # Locked first: the moment has to lie behind the batch that somebody is just queueing.
        state = RunState(BulkRun.objects.select_for_update().get(pk=run.pk).state)
        if state in OPEN_RUNS:
            BulkRun.objects.filter(pk=run.pk).update(
                state=RunState.CANCELLED, finished_at=timezone.now(), queue_after=None
            )
    run.refresh_from_db()
    if state not in OPEN_RUNS:
        said = _("The state of the run is: %(state)s.") % {"state": state.label}
        raise InvalidTransitionError(said)


def open_jobs() -> EnhancementJobQuerySet:
    """Return the jobs of runs that were cancelled lately which are not over yet.

    Not those that somebody has run again since then.
    """
    cancelled = BulkRun.objects.filter(
        state=RunState.CANCELLED, finished_at__gte=timezone.now() - _LATELY
    )
    moments = cancelled.filter(pk=OuterRef("bulk_run")).values("finished_at")
    still_open = EnhancementJob.objects.unfinished().filter(bulk_run__in=cancelled)
    return still_open.filter(requested_at__lte=Subquery(moments))


def cancel_jobs() -> Iterator[int]:
    """End what ``open_jobs`` finds, and yield the number of jobs of each batch."""
    while number := jobs.cancel_some(open_jobs(), BATCH):
        yield number
