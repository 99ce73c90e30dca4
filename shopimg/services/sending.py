"""Wake-up messages: each due job gets one, lost ones again, never too many at one time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone

from shopimg import wakeup
from shopimg.conf import settings
from shopimg.models import EnhancementJob

if TYPE_CHECKING:
    from shopimg.querysets import EnhancementJobQuerySet


def send_due() -> int:
    """Send the message of every due job that has none, and as many again as have been lost.

    Returns:
        How many messages the broker took.
    """
    interactive = EnhancementJob.objects.claimable().filter(bulk=False)
    return _fill(interactive, settings.QUEUE) + _fill(_bulk(), settings.BULK_QUEUE)


def top_up_bulk() -> int:
    """Send bulk jobs until ``BULK_DEPTH`` messages wait, and return how many were sent."""
    return _send(_bulk().never_sent(), settings.BULK_QUEUE, wakeup.bulk_room())


def send_next_bulk() -> int:
    """Send one more bulk job, in place of one that is over; asks the broker nothing."""
    return _send(_bulk().never_sent(), settings.BULK_QUEUE, 1)


def _bulk() -> EnhancementJobQuerySet:
    return EnhancementJob.objects.claimable().filter(bulk=True)


def _fill(due: EnhancementJobQuerySet, queue: str) -> int:
    """Send never-sent jobs, then as many old ones again as messages are missing.

    A message in the broker cannot be matched with its job, but messages can be counted: where
    they are fewer than the jobs that were sent, some are lost, most likely the oldest. Those about
    responsive sizes count as well, which puts this off until they are worked off. Sending
    again by age alone would flood the broker while a long queue is worked off. No queue gets more
    than ``BULK_DEPTH`` messages from here: after an outage the interactive one fills step by step.
    """
    waiting = wakeup.waiting(queue)
    if waiting is None:
        return 0
    room = settings.BULK_DEPTH - waiting
    missing = due.exclude(sent_at=None).count() - waiting
    sent = _send(due.never_sent(), queue, room)
    return sent + _send(due.sent_long_ago(), queue, min(missing, room - sent))


def _send(jobs: EnhancementJobQuerySet, queue: str, limit: int) -> int:
    sent = 0
    for job in jobs.only("pk", "sent_at")[: max(0, limit)]:
        if not _is_first(job):
            continue
        if not wakeup.deliver(job.pk, queue):
            EnhancementJob.objects.filter(pk=job.pk).update(sent_at=job.sent_at)
            break
        sent += 1
    return sent


def _is_first(job: EnhancementJob) -> bool:
    """Mark a job as sent, and tell whether another sweeper has done so in the meantime."""
    unchanged = EnhancementJob.objects.filter(pk=job.pk, sent_at=job.sent_at)
    return bool(unchanged.update(sent_at=timezone.now()))
