"""Messages to the workers. One that is lost costs time, never a job: the rows hold the truth."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from celery import current_app
from django.utils import timezone
from kombu import Connection
from kombu.exceptions import ChannelError
from kombu.pools import producers

from shopimg.conf import settings
from shopimg.models import EnhancementJob

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 5.0
"""How long a broker that has failed is left alone; less than a sweeper's interval."""

_IMPATIENT = {"socket_timeout": 0.4, "socket_connect_timeout": 0.4, "max_retries": 0}
_LATER = 3
"""Redis serves 0, the default, first; brokers without priorities pay no heed."""
_RETRY_ONCE = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}


class Breaker:
    """Keeps a process from asking a broker that has just failed, for ``PAUSE_SECONDS``.

    Without it, a form with eight photos would wait eight times for a broker that says nothing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._paused_until: float | None = None

    def lets_try(self) -> bool:
        """Tell whether to ask the broker; after a pause one caller may, before others do."""
        with self._lock:
            if self._paused_until is None:
                return True
            if self._clock() < self._paused_until:
                return False
            self._pause()  # until this caller says how it went
            return True

    def failed(self) -> None:
        """Begin a pause: the broker did not answer."""
        with self._lock:
            self._pause()

    def answered(self) -> None:
        """End the pause: the broker is there again."""
        with self._lock:
            self._paused_until = None

    def _pause(self) -> None:
        self._paused_until = self._clock() + PAUSE_SECONDS


breaker = Breaker()
"""The one of this process, for whatever is asked of the broker here."""


def send(job_id: uuid.UUID, *, bulk: bool = False) -> bool:
    """Wake a worker for a job, unless it is a bulk job and as many wait as may.

    Returns:
        False where no message was sent; the sweeper does it later.
    """
    if bulk and bulk_room() < 1:
        return False
    return deliver(job_id, settings.BULK_QUEUE if bulk else settings.QUEUE)


def deliver(job_id: uuid.UUID, queue: str) -> bool:
    """Send the message of a job, however many wait.

    Returns:
        False where the broker did not take it; the sweeper sends it again.
    """
    if not _send("shopimg.tasks.run_job", job_id, queue):
        return False
    EnhancementJob.objects.filter(pk=job_id).update(sent_at=timezone.now())
    return True


def send_renditions(variant_id: uuid.UUID) -> bool:
    """Ask for the responsive sizes of a published variant.

    On the interactive queue, as shoppers see a heavier file until then; on the one of upkeep, many
    at once would let sweeps expire. They take seconds each, so uploads of sellers go first.
    """
    return _send("shopimg.tasks.make_renditions", variant_id, settings.QUEUE, priority=_LATER)


def send_delete_files(variant_id: uuid.UUID) -> bool:
    """Ask for the public files of a withdrawn variant to be deleted."""
    return _send("shopimg.tasks.delete_files", variant_id, settings.UPKEEP_QUEUE)


def bulk_room() -> int:
    """Return how many more messages of bulk jobs may wait; none where the broker is silent."""
    found = waiting(settings.BULK_QUEUE)
    return 0 if found is None else max(0, settings.BULK_DEPTH - found)


def send_bulk_run(run_id: uuid.UUID) -> bool:
    """Ask for a bulk run's images to be queued; on the bulk queue, as files are read for it."""
    return _send("shopimg.tasks.queue_bulk_run", run_id, settings.BULK_QUEUE)


def send_cost_question(question_id: uuid.UUID, queue: str, *, expires: float) -> bool:
    """Ask a worker of a queue what jobs would cost; after so many seconds nobody listens."""
    return _send("shopimg.tasks.answer_cost_question", question_id, queue, expires=expires)


def waiting(queue: str) -> int | None:
    """Return how many messages wait in a queue, or None where the broker does not answer."""
    if not breaker.lets_try():
        return None
    try:
        number = _counted(queue)
    except Exception as err:  # noqa: BLE001 - as below
        breaker.failed()
        logger.warning("the broker %s does not answer: %s", _address(), err)
        return None
    breaker.answered()
    return number


def _counted(queue: str) -> int:
    try:
        with _connection() as connection:
            channel: Any = connection.default_channel
            return int(channel.queue_declare(queue, passive=True).message_count)
    except ChannelError:
        return 0  # a queue that nobody has used yet


def _send(
    task: str, argument: uuid.UUID, queue: str, *, expires: float | None = None, priority: int = 0
) -> bool:
    if not breaker.lets_try():
        return False
    try:
        with producers[_connection()].acquire(block=True, timeout=1) as producer:
            current_app.send_task(
                task,
                args=[str(argument)],
                queue=queue,
                expires=expires,
                priority=priority,
                ignore_result=True,
                producer=producer,
                retry_policy=_RETRY_ONCE,
            )
    except Exception as err:  # noqa: BLE001
        # Each broker's library has errors of its own, and none may reach an upload.
        breaker.failed()
        # Its row is there; a traceback for each upload of an outage would bury that.
        logger.warning(
            "the broker %s did not take %s(%s); it is sent again once the broker answers: %s",
            *(_address(), task, argument, err),
        )
        return False
    breaker.answered()
    return True


def _address() -> str:
    """Return where the broker is, without its password."""
    try:
        return str(current_app.connection_for_write().as_uri())
    except Exception:  # noqa: BLE001 - an address that cannot be read is what has failed
        return "of CELERY_BROKER_URL"


def _connection() -> Connection:
    """Describe a connection that gives up soon, whatever the host has set for its workers."""
    options = dict(current_app.conf.broker_transport_options or {})
    if str(current_app.conf.broker_url).startswith(("redis", "sentinel", "valkey")):
        options |= _IMPATIENT
    return current_app.connection_for_write(connect_timeout=1, transport_options=options)
