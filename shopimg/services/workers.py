"""Signs of life of worker processes, as rows that an outside watchdog can read."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from shopimg.conf import settings
from shopimg.models import WorkerHeartbeat
from shopimg.querysets import WorkerHeartbeatQuerySet

KEPT_DAYS = 7
"""How long the row of a worker that was killed is kept, so that people see that it is missing."""


def beat(name: str, queues: str, *, processes: int = 1, starting: bool = False) -> None:
    """Record that a worker consumes from its queues, with so many processes for jobs."""
    now = timezone.now()
    values = {"queues": queues, "processes": processes, "seen_at": now}
    if starting:
        values["started_at"] = now
    WorkerHeartbeat.objects.update_or_create(
        name=name, defaults=values, create_defaults={**values, "started_at": now}
    )


def stopped(name: str) -> None:
    """Forget a worker that stopped as it was told to."""
    WorkerHeartbeat.objects.filter(name=name).delete()


def unserved() -> tuple[str, ...]:
    """Return the queues that no worker looks into which has given a sign of life just now."""
    alive = WorkerHeartbeat.objects.alive().values_list("queues", flat=True)
    served = {name for queues in alive for name in queues.split(",")}
    needed = (settings.UPKEEP_QUEUE, settings.QUEUE, settings.BULK_QUEUE)
    return tuple(name for name in needed if name not in served)


def silent() -> WorkerHeartbeatQuerySet:
    """Find the workers that have given no sign of life for ``KEPT_DAYS``.

    One that was killed leaves its row, and where names change with each start, nobody takes it up.
    """
    return WorkerHeartbeat.objects.filter(seen_at__lt=timezone.now() - timedelta(days=KEPT_DAYS))
