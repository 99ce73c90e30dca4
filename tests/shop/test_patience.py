"""Writes that a database refuses for a moment: a deadlock, a restart."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, transaction

from shopimg.models import BulkRun, EnhancementJob
from shopimg.services import bulk, patience, queueing
from shopimg.services.bulk import Selection
from shopimg.states import JobState, RunState
from tests import builders
from tests.servers.stack import eventually
from tests.shop.bulk_runs import catalogue


class Refusing:
    """A write that is refused some times."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.tries = 0

    def __call__(self) -> str:
        self.tries += 1
        if self.tries <= self.times:
            raise OperationalError("deadlock detected")
        return "written"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "WAITS_SECONDS", (0, 0))


@pytest.mark.django_db(transaction=True)
def test_persist__tries_again_and_gives_up_in_the_end() -> None:
    assert patience.persist(Refusing(2)) == "written"
    hopeless = Refusing(9)
    with pytest.raises(OperationalError, match="deadlock"):
        patience.persist(hopeless)
    assert hopeless.tries == 3


@pytest.mark.django_db
def test_persist__inside_a_transaction_leaves_that_to_whoever_began_it() -> None:
    once = Refusing(1)
    with pytest.raises(OperationalError):
        patience.persist(once)
    assert once.tries == 1


def _waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_advance__loses_a_deadlock_against_the_shop_and_goes_on() -> None:
    photos = catalogue(2)
    EnhancementJob.objects.update(state=JobState.FAILED, error_code="worker_error")
    jobs = [builders.job_of(photo).pk for photo in photos]
    run = bulk.start(Selection(force=True))

    def advance() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET deadlock_timeout = '2s'")
            list(bulk.advance(run, 10))
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL deadlock_timeout = '60s'")
        EnhancementJob.objects.select_for_update().get(pk=jobs[1])
        done = pool.submit(advance)
        eventually(lambda: done.done() or _waits_for_a_lock(), seconds=10)
        assert not done.done()
        EnhancementJob.objects.filter(pk=jobs[0]).update(error_detail="the shop was here")
    done.result()
    stored = BulkRun.objects.get()
    assert (stored.state, stored.examined, stored.queued) == (RunState.QUEUED, 2, 2)
    assert set(EnhancementJob.objects.values_list("state", flat=True)) == {JobState.QUEUED}


@pytest.mark.django_db(transaction=True)
def test_command__whose_database_restarts_between_batches_is_resumed_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    catalogue(3, known=False)

    def end_the_connection(*args: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(queueing, "renew", end_the_connection)
    with pytest.raises(CommandError, match="Resume with --resume"):
        call_command("shopimg_reprocess", batch_size=2, stdout=StringIO(), stderr=StringIO())
    monkeypatch.undo()
    run = BulkRun.objects.get()
    assert (run.state, run.examined) == (RunState.INTERRUPTED, 2)
    call_command("shopimg_reprocess", resume=str(run.pk), stdout=StringIO(), stderr=StringIO())
    assert EnhancementJob.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_command__whose_database_fails_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue(1, known=False)

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(bulk.batches, "place", refuse)
    with pytest.raises(CommandError, match="server closed the connection") as refused:
        call_command("shopimg_reprocess", stdout=StringIO(), stderr=StringIO())
    run = BulkRun.objects.get()
    assert f"Resume with --resume {run.pk}" in str(refused.value)
    assert (run.state, run.examined) == (RunState.INTERRUPTED, 0)
    monkeypatch.undo()
    call_command("shopimg_reprocess", resume=str(run.pk), stdout=StringIO(), stderr=StringIO())
    assert EnhancementJob.objects.get().state == JobState.QUEUED
