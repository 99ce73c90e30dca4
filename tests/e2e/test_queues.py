"""Which of several waiting messages workers take first, with a real backlog on a real Redis."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.utils import timezone

from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.services import bulk, publishing, reviews
from shopimg.states import JobState
from tests import builders
from tests.e2e.workers import Host, database_of_tests
from tests.servers.redis import RedisServer
from tests.servers.stack import eventually
from tests.testapp.brokers import using_broker

HALTING = "tests.testapp.enhancers.HaltingEnhancer"


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    url = f"redis://127.0.0.1:{redis_server.port}/5"
    with redis.Redis.from_url(url) as client, using_broker(url):
        client.flushdb()
        yield client


@pytest.fixture
def host(
    transactional_db: None, client: redis.Redis, redis_server: RedisServer, tmp_path: Path
) -> Host:
    return Host(tmp_path, f"redis://127.0.0.1:{redis_server.port}/5", database_of_tests())


def _upload(number: int) -> EnhancementJob:
    """Save a photograph like no other, and return its job."""
    return builders.job_of(builders.photo(builders.picture(colour=(number, 2, 3))))


def _is_over() -> bool:
    return not EnhancementJob.objects.unfinished().exists()


def test_worker__takes_interactive_jobs_before_bulk_jobs_that_have_waited_longer(
    host: Host, client: redis.Redis
) -> None:
    for number in range(5):
        _upload(number)
    EnhancementJob.objects.update(state=JobState.SUCCEEDED)
    client.flushdb()
    list(bulk.advance(bulk.start(bulk.Selection(force=True))))
    waiting = set(EnhancementJob.objects.filter(bulk=True).values_list("pk", flat=True))
    uploads = {_upload(number).pk for number in range(100, 103)}
    assert [client.llen(queue) for queue in ("shopimg-bulk", "shopimg")] == [5, 3]
    with host.worker(beat=False):
        eventually(_is_over)
    order = list(EnhancementJob.objects.order_by("started_at").values_list("pk", flat=True))
    assert (set(order[:3]), set(order[3:])) == (uploads, waiting)


def test_upkeep__is_done_while_every_worker_of_jobs_is_busy_and_many_wait(
    host: Host, client: redis.Redis
) -> None:
    shown = builders.draft(builders.photo(builders.picture(colour=(200, 2, 3))))
    abandoned = _upload(201)
    client.flushdb()
    # The job that halts keeps its lease, however busy the machine is.
    with host.worker(HALTING, "jobs", queues="shopimg", beat=False, LEASE_SECONDS=60):
        for number in range(30):
            _upload(number)
        eventually(lambda: list(host.signals.glob("working-*")))
        EnhancementJob.objects.filter(pk=abandoned.pk).update(
            state=JobState.RUNNING,
            attempts=1,
            sent_at=timezone.now(),
            lease_owner="a worker that is gone",
            lease_until=timezone.now() - timedelta(seconds=1),
        )
        rosa = builders.reviewer()
        publishing.withdraw(reviews.approve(shown, by=rosa), by=rosa)
        with host.worker(name="upkeep", queues="shopimg-upkeep", LEASE_SECONDS=60):
            eventually(EnhancedVariant.objects.filter(pk=shown.pk, published_name="").exists)
            eventually(EnhancementJob.objects.filter(pk=abandoned.pk, state="queued").exists)
            # None of the thirty has been finished in the meantime.
            assert client.llen("shopimg") >= 30  # with the sizes of what was published for a moment
            assert EnhancementJob.objects.filter(state=JobState.RUNNING).count() == 1
            (host.signals / "go").touch()
            eventually(_is_over)
    abandoned.refresh_from_db()
    assert (abandoned.state, abandoned.attempts) == (JobState.SUCCEEDED, 2)
