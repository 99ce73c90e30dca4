"""Bulk runs that workers queue: messages that are lost, come twice, or find a dead worker's run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from shopimg.models import BulkRun, EnhancementJob
from shopimg.services import bulk, queueing, quotas, sweeping
from shopimg.states import RunState
from tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(sent_runs: list[Any]) -> BulkRun:
    """A run about three photographs that nobody has begun."""
    for _ in range(3):
        builders.photo()
    EnhancementJob.objects.all().delete()
    selection = bulk.Selection(model="testapp.Photo")
    return queueing.request(selection, by=User.objects.create_user("rosa"))


def _age(run: BulkRun, seconds: float) -> None:
    due = timezone.now() - timedelta(seconds=seconds)
    BulkRun.objects.filter(pk=run.pk).update(queue_after=due)


def _is_over(run: BulkRun) -> bool:
    run.refresh_from_db()
    return run.queue_after is None and run.state != RunState.QUEUEING


def test_advance__queues_everything_and_is_over(run: BulkRun, sent_runs: list[Any]) -> None:
    assert queueing.advance(run.pk) == 3
    assert _is_over(run)
    assert (run.examined, run.queued) == (3, 3)
    assert queueing.advance(run.pk) == 0  # the message came twice
    assert EnhancementJob.objects.filter(bulk_run=run).count() == 3
    assert sent_runs == []


def test_advance__asks_for_more_time_instead_of_keeping_jobs_waiting(
    run: BulkRun, sent_runs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BATCH", 1)
    monkeypatch.setattr(queueing, "SLICE_SECONDS", 0.0)
    looked_at = []
    while not _is_over(run):
        looked_at.append(queueing.advance(run.pk))
    assert looked_at == [1, 1, 1, 0]
    assert sent_runs == [run.pk] * 3
    assert EnhancementJob.objects.filter(bulk_run=run).count() == 3


def test_advance__leaves_a_run_alone_that_somebody_else_queues(
    run: BulkRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BATCH", 1)
    inner: list[int] = []
    batches = bulk.advance

    def interrupted(*args: Any) -> Any:
        for number in batches(*args):
            inner.append(queueing.advance(run.pk))
            yield number

    monkeypatch.setattr(bulk, "advance", interrupted)
    assert queueing.advance(run.pk) == 3
    assert inner == [0, 0, 0]
    run.refresh_from_db()
    assert run.examined == 3


def test_advance__run_of_a_dead_worker_goes_on_where_it_stopped(
    run: BulkRun, sent_runs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BATCH", 2)

    def die(_run: BulkRun) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(queueing, "renew", die)
        with pytest.raises(SystemExit):
            queueing.advance(run.pk)
    assert queueing.advance(run.pk) == 0  # it may still be alive
    assert queueing.send_due() == 0
    _age(run, seconds=61)
    assert queueing.send_due() == 1
    assert sent_runs == [run.pk]
    assert queueing.advance(run.pk) == 1
    assert _is_over(run)
    assert (run.examined, run.queued) == (3, 3)


def test_advance__storage_that_is_down_is_asked_again_later(
    run: BulkRun, sent_runs: list[Any], settings: Settings
) -> None:
    working = settings.STORAGES
    backend = "tests.testapp.storages.BrokenCloudStorage"
    settings.STORAGES = working | {"default": {"BACKEND": backend}}
    assert queueing.advance(run.pk) == 0
    run.refresh_from_db()
    assert (run.state, run.examined) == (RunState.INTERRUPTED, 0)
    settings.STORAGES = working
    _age(run, seconds=61)
    assert queueing.send_due() == 1
    assert queueing.advance(run.pk) == 3
    assert _is_over(run)


@pytest.mark.parametrize("gone", ["SOURCES", "RECIPES"])
def test_advance__run_whose_model_or_recipe_is_gone_is_given_up(
    run: BulkRun, sent_runs: list[Any], settings: Settings, gone: str
) -> None:
    BulkRun.objects.update(filters={**run.filters, "recipe": "gentle"})
    sources = settings.SHOPIMG["SOURCES"]
    left = {
        "SOURCES": {"SOURCES": {"testapp.OwnedPhoto": sources["testapp.OwnedPhoto"]}},
        "RECIPES": {"RECIPES": {}},
    }
    settings.SHOPIMG = {**settings.SHOPIMG, **left[gone]}
    assert queueing.advance(run.pk) == 0
    run.refresh_from_db()
    assert (run.state, run.queue_after) == (RunState.INTERRUPTED, None)
    assert queueing.send_due() == 0
    assert run.requested_by is not None
    quotas.check_runs(run.requested_by)


def test_take_over__not_while_a_worker_is_at_it(
    run: BulkRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BATCH", 1)
    taken: list[bool] = []
    batches = bulk.advance

    def interrupted(*args: Any) -> Any:
        for number in batches(*args):
            run.refresh_from_db()
            taken.append(queueing.take_over(run))
            yield number

    monkeypatch.setattr(bulk, "advance", interrupted)
    assert queueing.advance(run.pk) == 3
    assert taken == [False, False, False]


def test_take_over__keeps_workers_off(run: BulkRun, sent_runs: list[Any]) -> None:
    assert queueing.take_over(run) is True
    for end in (lambda: None, lambda: queueing.release(run)):
        end()
        assert queueing.advance(run.pk) == 0
        assert queueing.send_due() == 0
    run.refresh_from_db()
    assert queueing.take_over(run) is True  # resumed once more


def test_take_over__not_while_another_command_is_at_it() -> None:
    run = bulk.start(bulk.Selection())
    assert queueing.take_over(run) is True
    other = BulkRun.objects.get(pk=run.pk)
    assert queueing.take_over(other) is False
    queueing.renew(run, pause_seconds=3600)
    assert queueing.take_over(other) is False
    assert other.queue_after == run.queue_after
    queueing.release(run)
    assert queueing.take_over(other) is True


def test_take_over__of_what_a_killed_command_has_left() -> None:
    run = bulk.start(bulk.Selection())
    assert queueing.take_over(run) is True
    _age(run, seconds=1)
    other = BulkRun.objects.get(pk=run.pk)
    assert queueing.take_over(other) is True
    queueing.release(run)  # it was not dead, only slow
    assert queueing.take_over(BulkRun.objects.get(pk=run.pk)) is False


def test_advance__run_that_was_taken_over_meanwhile_is_left_alone(
    run: BulkRun, sent_runs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BATCH", 1)
    batches = bulk.advance

    def overtaken(*args: Any) -> Any:
        steps = batches(*args)
        yield next(steps)
        _age(run, seconds=1)
        assert queueing.take_over(run) is True
        next(batches(run, 1))
        yield from steps

    monkeypatch.setattr(bulk, "advance", overtaken)
    assert queueing.advance(run.pk) == 1
    assert queueing.take_over(BulkRun.objects.get(pk=run.pk)) is False
    run.refresh_from_db()
    assert (run.state, run.examined, run.queued) == (RunState.QUEUEING, 2, 2)


def test_advance__writes_nothing_of_a_run_but_its_progress(run: BulkRun) -> None:
    steps = bulk.advance(run, 1)
    next(steps)
    BulkRun.objects.filter(pk=run.pk).update(queue_after=None)
    next(steps)
    steps.close()
    run.refresh_from_db()
    assert (run.examined, run.queue_after) == (2, None)


def test_sweep__sends_a_lost_message_again_but_not_at_every_sweep(
    run: BulkRun, sent_runs: list[Any]
) -> None:
    sweeping.sweep()
    assert sent_runs == []  # it may be on its way
    _age(run, seconds=61)
    sweeping.sweep()
    sweeping.sweep()
    assert sent_runs == [run.pk]


def test_sweep__leaves_runs_of_the_command_to_the_command(sent_runs: list[Any]) -> None:
    run = bulk.start(bulk.Selection())
    BulkRun.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(days=1))
    sweeping.sweep()
    assert queueing.advance(run.pk) == 0
    _age(run, seconds=3600)  # the command was killed
    sweeping.sweep()
    assert sent_runs == []


def test_sweep__lets_workers_go_on_with_their_run_when_a_command_was_killed(
    run: BulkRun, sent_runs: list[Any]
) -> None:
    assert queueing.take_over(run) is True
    _age(run, seconds=61)
    sweeping.sweep()
    assert sent_runs == [run.pk]


def test_request__that_cannot_be_run_leaves_no_row(sent_runs: list[Any]) -> None:
    with pytest.raises(LookupError):
        queueing.request(bulk.Selection(model="no.Model"), by=User.objects.create_user("rosa"))
    assert BulkRun.objects.count() == 0


def test_send_due__of_two_sweepers_one_sends(
    run: BulkRun, sent_runs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    _age(run, seconds=61)
    rows = queueing._rows

    def late(run_id: Any) -> Any:
        monkeypatch.setattr(queueing, "_rows", rows)
        assert queueing.send_due() == 1
        return rows(run_id)

    monkeypatch.setattr(queueing, "_rows", late)
    assert queueing.send_due() == 0
    assert sent_runs == [run.pk]
