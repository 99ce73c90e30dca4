"""Whether jobs are being done: what an operator or a monitor has to know at one look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from shopimg.models import EnhancementJob, WorkerHeartbeat
from shopimg.services import workers
from shopimg.states import JobState

LATE_SECONDS = 600
"""How long a job that somebody waits for may be due before that is a problem."""
RECENT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Health:
    """How workers and queues are."""

    workers: int
    """Those that have given a sign of life just now."""
    unserved_queues: tuple[str, ...]
    """Queues that none of them looks into."""
    interactive_jobs: int
    """Due jobs that somebody waits for."""
    bulk_jobs: int
    """Due jobs of bulk runs and of photos that nobody has announced."""
    running_jobs: int
    """Jobs that a worker has claimed."""
    oldest_seconds: float
    """How long the oldest of the interactive jobs has been due; 0 without any."""
    quarantined_lately: int
    """Jobs that were given up within the last hour."""


def look() -> Health:
    """Ask the database; nothing is asked of the broker, which may be what has failed."""
    now = timezone.now()
    due = EnhancementJob.objects.claimable()
    interactive = due.filter(bulk=False)
    oldest = interactive.order_by("run_after").values_list("run_after", flat=True).first()
    given_up = EnhancementJob.objects.filter(state=JobState.QUARANTINED)
    return Health(
        workers=WorkerHeartbeat.objects.alive(now).count(),
        unserved_queues=workers.unserved(),
        interactive_jobs=interactive.count(),
        bulk_jobs=due.filter(bulk=True).count(),
        running_jobs=EnhancementJob.objects.filter(state=JobState.RUNNING).count(),
        oldest_seconds=(now - oldest).total_seconds() if oldest else 0.0,
        quarantined_lately=given_up.filter(finished_at__gte=now - RECENT).count(),
    )


def problems(health: Health, late_seconds: float = LATE_SECONDS) -> list[str]:
    """Say what somebody has to look at, a sentence each; none where all is well.

    Args:
        health: from ``look``.
        late_seconds: how long an interactive job may be due.
    """
    found = [f"No worker looks into the queue {queue}." for queue in health.unserved_queues]
    if health.oldest_seconds > late_seconds:
        found.append(f"An upload has waited for {health.oldest_seconds:.0f} s.")
    if health.quarantined_lately:
        found.append(
            f"Jobs that were quarantined within the last hour: {health.quarantined_lately}."
        )
    return found
