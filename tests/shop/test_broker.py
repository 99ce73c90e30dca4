"""What ``shopimg.broker`` gives an app, that Celery knows each setting, and that a host wins."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from celery import Celery
from celery.app.defaults import NAMESPACES, flatten
from celery.schedules import crontab
from django.db import connection, transaction
from django.utils import timezone
from kombu.transport.redis import Channel

from shopimg import broker, tasks
from shopimg.conf import settings as shopimg_settings
from shopimg.models import WorkerHeartbeat
from shopimg.services import workers


def _app(**settings: object) -> Celery:
    app = Celery("host", set_as_current=False)
    app.conf.update(settings)
    return broker.configure(app)


def test_configure__celery_knows_every_setting() -> None:
    known = {name for name, _ in flatten(NAMESPACES)}
    given = {*broker._defaults(), "broker_transport_options", "beat_schedule", "task_queues"}
    # Celery takes an unknown name without a word.
    assert given - known == set()


def test_configure__settings_arrive() -> None:
    conf = _app(broker_url="redis://127.0.0.1:1/0").conf
    assert conf.accept_content == ["json"]
    assert (conf.task_acks_late, conf.task_reject_on_worker_lost) == (True, False)
    assert (conf.worker_prefetch_multiplier, conf.task_ignore_result) == (1, True)
    assert conf.task_default_queue == "shopimg"
    assert conf.worker_proc_alive_timeout == 60.0
    assert conf.task_publish_retry_policy["max_retries"] == 1
    assert conf.broker_transport_options == {
        "visibility_timeout": 600,
        "socket_timeout": 10,
        "socket_connect_timeout": 3,
        "health_check_interval": 25,
        "queue_order_strategy": "priority",
    }
    assert conf.broker_transport_options["visibility_timeout"] > conf.task_time_limit
    assert conf.task_time_limit > shopimg_settings.JOB_TIME_LIMIT_SECONDS


def test_configure__redis_transport_knows_every_option() -> None:
    assert set(broker._transport_options()) <= set(Channel.from_transport_options)


def test_configure__what_the_host_has_set_stays() -> None:
    conf = _app(
        worker_prefetch_multiplier=4,
        broker_transport_options={"socket_timeout": 2},
        beat_schedule={"own": {"task": "own.task", "schedule": 5}},
    ).conf
    assert conf.worker_prefetch_multiplier == 4
    assert conf.broker_transport_options["socket_timeout"] == 2
    assert conf.broker_transport_options["visibility_timeout"] == 600
    assert set(conf.beat_schedule) == {"own", "shopimg-sweep", "shopimg-cleanup"}


def test_configure__beat_sweeps_on_a_queue_where_no_job_waits() -> None:
    entry = _app(task_default_queue="celery").conf.beat_schedule["shopimg-sweep"]
    assert entry == {
        "task": "shopimg.tasks.sweep_jobs",
        "schedule": 20,
        "options": {"expires": 20, "queue": "shopimg-upkeep"},
    }


def test_configure__beat_cleans_up_every_night_where_nobody_waits() -> None:
    entry = _app(task_default_queue="celery").conf.beat_schedule["shopimg-cleanup"]
    assert entry == {
        "task": "shopimg.tasks.clean_up",
        "schedule": crontab(hour=3, minute=30),
        "options": {"expires": 86_400, "queue": "shopimg-bulk"},
    }


def test_configure__beat_knows_its_tasks() -> None:
    schedule = _app().conf.beat_schedule.values()
    given = {entry["task"] for entry in schedule}
    assert given == {tasks.sweep_jobs.name, tasks.clean_up.name}
    # Long tasks are not handed out again while they run.
    assert (tasks.sweep_jobs.time_limit, tasks.clean_up.time_limit) == (None, 21_600)
    assert tasks.clean_up.acks_late is False


def test_consume__workers_serve_upkeep_first_whatever_the_host_has_set() -> None:
    app = broker.consume(_app(task_default_queue="celery"))
    assert app.conf.task_default_queue == "shopimg"
    assert list(app.amqp.queues.consume_from) == ["shopimg-upkeep", "shopimg", "shopimg-bulk"]


@pytest.mark.django_db(transaction=True)
def test_heartbeat__broker_that_takes_nothing_does_not_end_the_worker(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """At the start and at every reconnection, as a broker may answer and then fall silent."""
    app = _app(broker_url="redis://127.0.0.1:1/0", broker_connection_retry=False)
    timer = SimpleNamespace(call_repeatedly=lambda *_: None)
    parent = SimpleNamespace(hostname="w@host", app=app, pool=None, timer=timer)
    broker.Heartbeat(parent).start(parent)
    assert "could not wake the sweeper" in caplog.text
    assert WorkerHeartbeat.objects.alive().get().name == "w@host"


@pytest.mark.django_db(transaction=True)
def test_heartbeat__without_its_table_says_so_in_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def write() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM no_such_table")

    broker.Heartbeat._beat(write)
    (record,) = caplog.records
    assert record.exc_info is None
    assert record.getMessage() == (
        "no sign of life (is the database there, and migrated?): "
        'relation "no_such_table" does not exist'
    )


@pytest.mark.django_db
def test_beat__writes_one_row_and_keeps_the_start() -> None:
    workers.beat("w@host", "shopimg", starting=True)
    first = WorkerHeartbeat.objects.get()
    workers.beat("w@host", "shopimg")
    second = WorkerHeartbeat.objects.get()
    assert second.processes == 1
    assert second.started_at == first.started_at
    assert second.seen_at > first.seen_at
    assert WorkerHeartbeat.objects.alive().get() == second
    workers.beat("w@host", "shopimg", starting=True)
    assert WorkerHeartbeat.objects.get().started_at > first.started_at
    workers.stopped("w@host")
    assert not WorkerHeartbeat.objects.exists()


@pytest.mark.django_db
def test_beat__old_row_is_not_alive() -> None:
    workers.beat("w@host", "shopimg")
    assert WorkerHeartbeat.objects.alive(timezone.now() + timedelta(seconds=29)).exists()
    assert not WorkerHeartbeat.objects.alive(timezone.now() + timedelta(seconds=31)).exists()
