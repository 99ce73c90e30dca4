"""Messages to the workers. One that is lost costs time, never a job: the rows hold the truth."""

from __future__ import annotations

import logging
import uuid

from celery import current_app
from django.utils import timezone
from kombu.exceptions import OperationalError

from shopimg.conf import settings
from shopimg.models import EnhancementJob

logger = logging.getLogger(__name__)


def send(job_id: uuid.UUID, *, bulk: bool = False) -> bool:
    """Wake a worker for a job.

    Returns:
        False where the broker did not take the message; the sweeper sends it again.
    """
    queue = settings.BULK_QUEUE if bulk else settings.QUEUE
    if not _send("shopimg.tasks.run_job", job_id, queue):
        return False
    EnhancementJob.objects.filter(pk=job_id).update(sent_at=timezone.now())
    return True


def send_renditions(variant_id: uuid.UUID) -> bool:
    """Ask for the responsive sizes of a published variant."""
    return _send("shopimg.tasks.make_renditions", variant_id, settings.QUEUE)


def send_delete_files(variant_id: uuid.UUID) -> bool:
    """Ask for the public files of a withdrawn variant to be deleted."""
    return _send("shopimg.tasks.delete_files", variant_id, settings.QUEUE)


def _send(task: str, argument: uuid.UUID, queue: str) -> bool:
    try:
        current_app.send_task(task, args=[str(argument)], queue=queue, ignore_result=True)
    except (OperationalError, OSError):
        logger.warning("the broker did not take %s(%s)", task, argument, exc_info=True)
        return False
    return True
