"""Celery settings that keep an upload fast and a job safe when the broker misbehaves."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from celery import Celery, bootsteps
from celery.concurrency import prefork
from celery.schedules import crontab
from django.db import DatabaseError, InterfaceError, connections
from kombu import Queue
from kombu.exceptions import OperationalError

from shopimg.conf import settings

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 20
"""How often beat starts the sweeper."""
CLEAN_UP_AT = crontab(hour=3, minute=30)
"""When beat starts the clean-up, in Celery's time zone."""


def configure(app: Celery) -> Celery:
    """Give an app what shopimg relies on; what the host has set stays.

    Call it in the module that makes the app, for the web as well as for the worker processes.
    Nothing is read before Celery itself reads its configuration. The reasons for each value are
    in docs/design.md.
    """
    app.add_defaults(_defaults)
    app.on_after_configure.connect(_complete, weak=False)
    app.steps["consumer"].add(Heartbeat)
    return app


def consume(app: Celery) -> Celery:
    """Let the workers of an app serve the queues of shopimg, whatever the host's own apps do.

    On Redis they look into them in this order: upkeep, interactive jobs, bulk jobs; other brokers
    have an order of their own. ``-Q`` still narrows a worker down, so that some may be kept for
    interactive jobs.
    """
    app.on_after_configure.connect(_choose_queues, weak=False)
    return app


def _choose_queues(sender: Celery, **_: Any) -> None:
    sender.conf.task_default_queue = settings.QUEUE
    names = (settings.UPKEEP_QUEUE, settings.QUEUE, settings.BULK_QUEUE)
    sender.conf.task_queues = [Queue(name) for name in names]


def _complete(sender: Celery, **_: Any) -> None:
    """Add to the dictionaries that a host may have filled in part."""
    conf = sender.conf
    conf.broker_transport_options = {
        **_transport_options(),
        **(conf.broker_transport_options or {}),
    }
    conf.beat_schedule = {**_schedule(), **(conf.beat_schedule or {})}


class Heartbeat(bootsteps.StartStopStep):
    """Write a row every few seconds while the worker consumes.

    It runs in the consumer's own loop: a worker that is alive but deaf stops beating, which a
    thread would hide.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)
    _entry: Any = None

    def start(self, parent: Any) -> None:
        """Beat now, then regularly; wake the sweeper, as work may have piled up meanwhile."""
        from shopimg.services import workers  # noqa: PLC0415  # needs loaded models

        name = parent.hostname
        queues = ",".join(sorted(parent.app.amqp.queues.consume_from))
        beat = partial(workers.beat, name, queues, processes=_processes(parent.pool))
        self._beat(beat, starting=True)
        self._entry = parent.timer.call_repeatedly(settings.HEARTBEAT_SECONDS, self._beat, (beat,))
        try:
            parent.app.send_task(
                "shopimg.tasks.sweep_jobs",
                queue=settings.UPKEEP_QUEUE,
                expires=SWEEP_SECONDS,
                ignore_result=True,
            )
        except OperationalError:
            # Celery would end the worker; the clock asks for the next sweep in a moment.
            logger.warning("could not wake the sweeper", exc_info=True)

    def stop(self, parent: Any) -> None:
        """Beat no more."""
        if self._entry is not None:
            self._entry.cancel()

    def shutdown(self, parent: Any) -> None:
        """Forget this worker: it goes because it was told to."""
        from shopimg.services import workers  # noqa: PLC0415  # needs loaded models

        self._beat(workers.stopped, parent.hostname)

    @staticmethod
    def _beat(write: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        try:
            write(*args, **kwargs)
        except (DatabaseError, InterfaceError) as err:
            reason = str(err).partition("\n")[0]
            logger.warning("no sign of life (is the database there, and migrated?): %s", reason)
        finally:
            connections.close_all()


def _processes(pool: Any) -> int:
    """Count what works on jobs side by side; threads of one process take turns at its enhancer."""
    return int(pool.num_processes) if isinstance(pool, prefork.TaskPool) else 1


def _defaults() -> dict[str, Any]:
    return {
        "accept_content": ["json"],
        "task_serializer": "json",
        "task_ignore_result": True,
        "task_acks_late": True,
        # A worker that dies takes its message along; the sweeper brings the job back after its
        # lease while attempts are left, where a rejected message would come back at once, forever.
        "task_reject_on_worker_lost": False,
        "task_default_queue": settings.QUEUE,
        "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0, "interval_step": 0.2},
        "task_time_limit": settings.JOB_TIME_LIMIT_SECONDS + 60,
        "worker_prefetch_multiplier": 1,
        "worker_max_tasks_per_child": 200,
        "worker_proc_alive_timeout": 60.0,
        "worker_enable_remote_control": True,
        "broker_connection_retry_on_startup": True,
        "broker_connection_timeout": 3.0,
    }


def _transport_options() -> dict[str, Any]:
    return {
        "visibility_timeout": settings.JOB_TIME_LIMIT_SECONDS + 300,
        "socket_timeout": 10,
        "socket_connect_timeout": 3,
        "health_check_interval": 25,
        # A worker of several queues looks into the next only when nothing waits in the one before.
        # Only Kombu's transport for Redis knows it; before Kombu 5.7 it forgot the queues' order.
        "queue_order_strategy": "priority",
    }


def _schedule() -> dict[str, Any]:
    return {
        "shopimg-sweep": {
            "task": "shopimg.tasks.sweep_jobs",
            "schedule": SWEEP_SECONDS,
            # A sweep that nobody has started within one period is replaced by the next. Its queue
            # holds nothing else but deletions, so that this happens only while no worker serves
            # it, or while the sweep before reads the files of many images without a job.
            "options": {"expires": SWEEP_SECONDS, "queue": settings.UPKEEP_QUEUE},
        },
        "shopimg-cleanup": {
            "task": "shopimg.tasks.clean_up",
            "schedule": CLEAN_UP_AT,
            # Reading a large storage takes minutes, during which no sweep may wait for it.
            "options": {"expires": 24 * 3600, "queue": settings.BULK_QUEUE},
        },
    }
