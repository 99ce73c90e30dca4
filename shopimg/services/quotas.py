"""How much of a user's own work may be open at one time, counted in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Case, F, IntegerField, Q, Sum, Value, When

from shopimg.conf import settings
from shopimg.models import BulkRun, EnhancementJob
from shopimg.states import RunState

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


class QuotaExceededError(Exception):
    """Too much of what this user has asked for is still open."""


def check_jobs(user: AbstractBaseUser) -> None:
    """Refuse another job while too many of a user's own are open; jobs of runs do not count.

    Requests that arrive at the same moment see the same number, so that a user may exceed the
    quota by as many requests as the host answers at once.

    Raises:
        QuotaExceededError: ``API_OPEN_JOBS_PER_USER`` is reached.
    """
    mine = EnhancementJob.objects.unfinished().filter(requested_by=user.pk, bulk=False)
    _compare(mine.count())


def check_runs(user: AbstractBaseUser) -> None:
    """Refuse another run while those of a user hold too many jobs.

    A run itself may be of any size: its jobs have a queue of their own. Until it is over it counts
    with all its jobs; while it is still being queued, when nobody knows how many those will be, it
    uses up the quota.

    Raises:
        QuotaExceededError: ``API_OPEN_JOBS_PER_USER`` is reached.
    """
    # Without a date for a worker to go on, a run that is not all queued cannot go on any more.
    being_queued = Q(state__in=[RunState.QUEUEING, RunState.INTERRUPTED], queue_after__isnull=False)
    mine = BulkRun.objects.filter(being_queued | Q(state=RunState.QUEUED), requested_by=user.pk)
    limit = Value(settings.API_OPEN_JOBS_PER_USER)
    size = Case(When(being_queued, then=limit), default=F("queued"), output_field=IntegerField())
    _compare(mine.aggregate(jobs=Sum(size))["jobs"] or 0)


def _compare(number: int) -> None:
    if number >= settings.API_OPEN_JOBS_PER_USER:
        raise QuotaExceededError
