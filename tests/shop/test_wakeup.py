"""Messages on a real Redis, and an upload while the broker is silent, gone or has hung up."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from celery import current_app
from django.db import connections, transaction

from shopimg import wakeup
from shopimg.models import EnhancementJob
from shopimg.states import JobState
from tests import builders
from tests.servers.process import free_port
from tests.servers.redis import RedisServer
from tests.testapp.brokers import using_broker


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    url = f"redis://127.0.0.1:{redis_server.port}/4"
    with redis.Redis.from_url(url) as client, using_broker(url):
        client.flushdb()
        yield client


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A broker that accepts connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        yield listener.getsockname()[1]


def _within(seconds: float, action) -> None:
    """Run an action in a thread, so that one that hangs fails the test instead of stopping it."""
    outcome: list[BaseException | None] = []

    def act() -> None:
        try:
            action()
            outcome.append(None)
        except BaseException as err:
            outcome.append(err)
            raise
        finally:
            connections.close_all()

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(seconds)
    assert outcome == [None]


def _received(queue: str) -> list[str]:
    """Take all messages from a queue as a worker would, and return the names of their tasks."""
    tasks = []
    with current_app.connection_for_read() as connection, connection.SimpleQueue(queue) as waiting:
        for _ in range(waiting.qsize()):
            message = waiting.get(timeout=5)
            tasks.append(message.headers["task"])
            message.ack()
    return tasks


@pytest.mark.django_db(transaction=True)
def test_upload__sends_its_job_id_as_json_and_nothing_else(client: redis.Redis) -> None:
    job = builders.job_of(builders.photo())
    (raw,) = client.lrange("shopimg", 0, -1)
    message = json.loads(raw)
    assert message["content-type"] == "application/json"
    assert message["headers"]["task"] == "shopimg.tasks.run_job"
    arguments, options, _ = json.loads(base64.b64decode(message["body"]))
    assert (arguments, options) == ([str(job.pk)], {})
    assert job.sent_at is not None


@pytest.mark.django_db
def test_send__bulk_jobs_have_a_queue_of_their_own(client: redis.Redis) -> None:
    job = builders.job_of(builders.photo())
    assert wakeup.send(job.pk, bulk=True) is True
    assert [client.llen(queue) for queue in ("shopimg", "shopimg-bulk")] == [0, 1]
    assert (wakeup.waiting("shopimg"), wakeup.waiting("shopimg-bulk")) == (0, 1)


@pytest.mark.django_db
def test_send__bulk_job_waits_for_room_and_an_interactive_one_does_not(
    client: redis.Redis, settings
) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "BULK_DEPTH": 1}
    first, second = (
        builders.job_of(builders.photo(builders.picture(colour=(i, 0, 0)))) for i in (1, 2)
    )
    assert [wakeup.send(job.pk, bulk=True) for job in (first, second)] == [True, False]
    assert [wakeup.send(job.pk) for job in (first, second)] == [True, True]
    assert [client.llen(queue) for queue in ("shopimg", "shopimg-bulk")] == [2, 1]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("send", "task", "queue"),
    [
        (wakeup.send_renditions, "shopimg.tasks.make_renditions", "shopimg"),
        (wakeup.send_delete_files, "shopimg.tasks.delete_files", "shopimg-upkeep"),
    ],
)
def test_send__tasks_about_files(client: redis.Redis, send, task: str, queue: str) -> None:
    assert send(uuid.uuid4()) is True
    assert _received(queue) == [task]


@pytest.mark.django_db
def test_send__uploads_go_before_the_responsive_sizes_of_many_approvals(
    client: redis.Redis,
) -> None:
    for _ in range(3):
        wakeup.send_renditions(uuid.uuid4())
    wakeup.send(builders.job_of(builders.photo()).pk)
    assert wakeup.waiting("shopimg") == 4
    sizes = ["shopimg.tasks.make_renditions"] * 3
    assert _received("shopimg") == ["shopimg.tasks.run_job", *sizes]


@pytest.mark.django_db
def test_send__connection_that_the_broker_closed_is_opened_again(client: redis.Redis) -> None:
    assert wakeup.send_renditions(uuid.uuid4()) is True
    client.execute_command("CLIENT KILL TYPE normal SKIPME yes")
    assert wakeup.send_renditions(uuid.uuid4()) is True
    assert wakeup.waiting("shopimg") == 2


@pytest.mark.django_db
def test_send__full_redis_is_a_message_not_taken(client: redis.Redis, caplog) -> None:
    client.config_set("maxmemory", "1")
    try:
        assert wakeup.send_renditions(uuid.uuid4()) is False
    finally:
        client.config_set("maxmemory", "0")
    assert "did not take shopimg.tasks.make_renditions" in caplog.text


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("configured", [True, False])
@pytest.mark.parametrize("broker", ["silent", "refusing"])
def test_upload__does_not_depend_on_the_broker(
    broker: str, configured: bool, silent_port: int
) -> None:
    port = silent_port if broker == "silent" else free_port()
    with using_broker(f"redis://127.0.0.1:{port}/0") as app:
        if not configured:  # a host that has never called shopimg.broker.configure
            app.conf.broker_transport_options = {}
        _within(30, builders.photo)
    job = EnhancementJob.objects.get()
    assert (job.state, job.sent_at) == (JobState.QUEUED, None)


@pytest.mark.parametrize("broker", ["silent", "refusing"])
def test_waiting__is_unknown_where_the_broker_does_not_answer(
    broker: str, silent_port: int, caplog
) -> None:
    port = silent_port if broker == "silent" else free_port()
    with using_broker(f"redis://127.0.0.1:{port}/0"):
        assert [wakeup.waiting("shopimg") for _ in range(2)] == [None, None]
    (record,) = caplog.records
    assert record.getMessage().startswith("the broker redis://")
    assert " does not answer: " in record.getMessage()
    assert record.exc_info is None


@pytest.mark.django_db(transaction=True)
def test_upload__of_many_photos_waits_for_a_silent_broker_once(silent_port: int, caplog) -> None:
    with using_broker(f"redis://127.0.0.1:{silent_port}/0"):
        with transaction.atomic():
            for _ in range(8):
                builders.photo()
        assert wakeup.bulk_room() == 0
    (failure,) = [record.getMessage() for record in caplog.records]
    assert "did not take shopimg.tasks.run_job(" in failure
    assert "; it is sent again once the broker answers: " in failure
    assert EnhancementJob.objects.claimable().never_sent().count() == 8


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address", ["redis://localhost:port/0", "redis://:p/ss@localhost/0", "x://y"]
)
def test_send__address_that_cannot_be_read_is_a_message_not_taken(
    monkeypatch: pytest.MonkeyPatch, caplog, address: str
) -> None:
    monkeypatch.setattr(current_app.conf, "broker_url", address)
    monkeypatch.setattr(wakeup, "breaker", wakeup.Breaker())
    assert wakeup.send_renditions(uuid.uuid4()) is False
    assert "the broker of CELERY_BROKER_URL did not take" in caplog.text
    monkeypatch.setattr(wakeup, "breaker", wakeup.Breaker())
    assert wakeup.waiting("shopimg") is None


@pytest.mark.django_db
def test_send__goes_on_once_the_pause_is_over(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.config_set("maxmemory", "1")
    try:
        assert wakeup.send_renditions(uuid.uuid4()) is False
    finally:
        client.config_set("maxmemory", "0")
    assert wakeup.send_renditions(uuid.uuid4()) is False
    with monkeypatch.context() as later:
        later.setattr(wakeup.breaker, "_clock", lambda: time.monotonic() + wakeup.PAUSE_SECONDS)
        assert wakeup.send_renditions(uuid.uuid4()) is True
    assert wakeup.send_renditions(uuid.uuid4()) is True
    assert wakeup.waiting("shopimg") == 2


def test_breaker__lets_one_caller_try_after_each_pause() -> None:
    now = 100.0
    breaker = wakeup.Breaker(clock=lambda: now)
    assert [breaker.lets_try() for _ in range(2)] == [True, True]
    breaker.failed()
    now += wakeup.PAUSE_SECONDS - 0.1
    assert breaker.lets_try() is False
    for _ in range(2):  # also where the one before has never said how it went
        now += wakeup.PAUSE_SECONDS
        assert [breaker.lets_try() for _ in range(2)] == [True, False]
    breaker.answered()
    assert [breaker.lets_try() for _ in range(2)] == [True, True]


def test_breaker__lets_one_of_many_threads_try() -> None:
    now = 100.0
    breaker = wakeup.Breaker(clock=lambda: now)
    breaker.failed()
    now += wakeup.PAUSE_SECONDS
    with ThreadPoolExecutor(8) as threads:
        tried = list(threads.map(lambda _: breaker.lets_try(), range(80)))
    assert tried.count(True) == 1


@pytest.mark.django_db(transaction=True)
def test_upload__that_is_rolled_back_sends_nothing(client: redis.Redis) -> None:

    with transaction.atomic():
        builders.photo()
        transaction.set_rollback(True)
    assert client.llen("shopimg") == 0


def test_connection__is_impatient_on_redis_only() -> None:
    with using_broker("redis://127.0.0.1:1/0", broker_transport_options={"socket_timeout": 60}):
        options = wakeup._connection().transport_options
        assert (options["socket_timeout"], options["socket_connect_timeout"]) == (0.4, 0.4)
        assert current_app.conf.broker_transport_options["socket_timeout"] == 60
    with using_broker("memory://", broker_transport_options={}):
        assert "max_retries" not in wakeup._connection().transport_options
