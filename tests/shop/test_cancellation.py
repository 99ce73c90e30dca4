"""Bulk runs that are cancelled: at once, whatever is being queued, and for good."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.test import Client
from django.urls import reverse
from kombu.transport.memory import Channel

from shopimg import signals
from shopimg.contract import InvalidTransitionError
from shopimg.models import BulkRun, EnhancementJob
from shopimg.services import bulk, cancellation, jobs, queueing, running, sweeping
from shopimg.services.bulk import Selection
from shopimg.states import JobState, RunState
from tests import builders
from tests.shop.api_client import RUNS as API_RUNS
from tests.shop.api_client import assert_problem
from tests.shop.api_client import client as api_of
from tests.shop.bulk_runs import catalogue, run_to_end
from tests.testapp.brokers import using_broker
from tests.testapp.models import OwnedPhoto

pytestmark = pytest.mark.django_db

RUNS = "admin:shopimg_bulkrun_changelist"
MAY_CANCEL = ("view_bulkrun", "change_enhancementjob")


@pytest.fixture(autouse=True)
def empty_broker():
    Channel.queues.clear()
    with using_broker("memory://"):
        yield
    Channel.queues.clear()


def states() -> list[str]:
    return sorted(EnhancementJob.objects.values_list("state", flat=True))


def test_cancel__ends_what_is_open_and_leaves_what_is_done_and_others(
    monkeypatch, django_capture_on_commit_callbacks
) -> None:
    other = builders.job_of(builders.photo())
    catalogue(5, known=False)
    run = run_to_end(Selection())
    first, claimed, *_ = run.jobs.order_by("pk")
    assert running.run(first.pk) == JobState.SUCCEEDED
    claim = jobs.claim(claimed.pk)
    assert claim is not None
    told: list[Any] = []
    signals.job_finished.connect(lambda job, **_: told.append(job.state), weak=False)
    monkeypatch.setattr(cancellation, "BATCH", 2)

    cancellation.cancel(run)
    with django_capture_on_commit_callbacks(execute=True):
        assert list(cancellation.cancel_jobs()) == [2, 2]
    assert (run.state, run.finished_at is not None) == (RunState.CANCELLED, True)
    assert states() == ["cancelled"] * 4 + ["queued", "succeeded"]
    assert told == [JobState.CANCELLED] * 4
    other.refresh_from_db()
    assert other.state == JobState.QUEUED
    assert not jobs.fail(claim, InvalidTransitionError("too late"))


def test_cancel__stops_whoever_is_queueing_it_and_nobody_takes_it_up_again() -> None:
    catalogue(5, known=False)
    run = bulk.start(Selection())
    batches = bulk.advance(run, 2)
    assert next(batches) == 2
    cancellation.cancel(BulkRun.objects.get())
    with pytest.raises(bulk.RunTakenOverError):
        next(batches)
    assert BulkRun.objects.get().state == RunState.CANCELLED
    assert EnhancementJob.objects.count() == 2
    assert queueing.advance(run.pk) == 0
    bulk.interrupt(run)
    with pytest.raises(CommandError, match=rf"Run {run.pk} is cancelled\."):
        call_command("shopimg_reprocess", "--resume", str(run.pk))


def test_cancel__between_the_last_batch_and_the_end_still_counts() -> None:
    catalogue(2, known=False)
    run = bulk.start(Selection())
    batches = bulk.advance(run, 2)
    assert next(batches) == 2
    cancellation.cancel(BulkRun.objects.get())
    assert list(batches) == []
    assert run.state == RunState.CANCELLED


def test_cancel__of_what_is_over_is_refused() -> None:
    run = run_to_end(Selection())
    assert run.state == RunState.FINISHED
    with pytest.raises(InvalidTransitionError, match="The state of the run is: Finished"):
        cancellation.cancel(run)
    assert run.state == RunState.FINISHED


def test_sweep__ends_the_jobs_of_cancelled_runs() -> None:
    catalogue(3, known=False)
    cancellation.cancel(run_to_end(Selection()))
    assert sweeping.sweep().cancelled == 3
    assert sweeping.sweep().cancelled == 0
    assert states() == ["cancelled"] * 3


def test_sweep__leaves_a_job_alone_that_somebody_has_run_again_since() -> None:
    catalogue(2, known=False)
    run = run_to_end(Selection())
    cancellation.cancel(run)
    sweeping.sweep()
    again = run.jobs.first()
    assert again is not None
    jobs.retry(again)
    assert sweeping.sweep().cancelled == 0
    assert states() == ["cancelled", "queued"]


def test_command__cancels_the_run_and_goes_on_where_it_was_interrupted(capsys) -> None:
    catalogue(3, known=False)
    run = run_to_end(Selection())
    call_command("shopimg_cancel", str(run.pk), "--dry-run")
    assert capsys.readouterr().out == f"3 jobs of run {run.pk} would be cancelled.\n"
    assert states() == ["queued"] * 3
    cancellation.cancel(run)
    call_command("shopimg_cancel", str(run.pk))
    assert capsys.readouterr().out == f"Run {run.pk} is cancelled, and 3 of its jobs.\n"
    assert states() == ["cancelled"] * 3


def test_command__says_what_it_cannot_cancel() -> None:
    unknown = uuid.uuid4()
    with pytest.raises(CommandError, match=f"There is no run {unknown}"):
        call_command("shopimg_cancel", str(unknown))
    with pytest.raises(CommandError, match="'7' is not the id of a run"):
        call_command("shopimg_cancel", "7")
    finished = run_to_end(Selection())
    with pytest.raises(CommandError, match="The state of the run is: Finished"):
        call_command("shopimg_cancel", str(finished.pk))


def test_admin__cancels_runs_for_operators_who_see_all(client: Client, settings) -> None:
    catalogue(2, known=False)
    run = run_to_end(Selection())
    BulkRun.objects.update(created_at=F("created_at") - timedelta(days=1))
    press = {"action": "cancel_selected", "_selected_action": [str(run.pk)]}
    client.force_login(builders.reviewer("viewer", "view_bulkrun"))
    client.post(reverse(RUNS), press)
    assert BulkRun.objects.get().state == RunState.QUEUED

    client.force_login(builders.reviewer("olga", *MAY_CANCEL, "view_enhancementjob"))
    settings.SHOPIMG = {**settings.SHOPIMG, "SCOPE": "tests.testapp.scope.own_photos"}
    page = client.post(reverse(RUNS), press, follow=True).content.decode()
    assert "1 run is over already, or is not yours to cancel." in page
    assert BulkRun.objects.get().state == RunState.QUEUED
    settings.SHOPIMG = {**settings.SHOPIMG, "SCOPE": None}
    page = client.post(reverse(RUNS), press, follow=True).content.decode()
    assert "1 run is cancelled; its jobs end within a minute." in page
    assert BulkRun.objects.get().state == RunState.CANCELLED
    assert "2 to do" in page.replace("</a>", "")
    assert "2 cancelled" not in page
    sweeping.sweep()
    page = client.get(reverse(RUNS)).content.decode()
    again = client.post(reverse(RUNS), press, follow=True).content.decode()
    assert "1 run is over already, or is not yours to cancel." in again
    assert re.search(r"0 succeeded, 0 failed, 0 to do, <a [^>]+>2 cancelled</a>", page)


def test_api__cancels_a_run_once() -> None:
    catalogue(2, known=False)
    run = run_to_end(Selection())
    operator = api_of(builders.reviewer("olga", *MAY_CANCEL))
    response = operator.post(f"{API_RUNS}{run.pk}/cancel/")
    assert response.status_code == 200
    assert response.json()["status"] == "cancelled"
    assert response.json()["progress"]["queued"] == 2
    sweeping.sweep()
    assert operator.get(f"{API_RUNS}{run.pk}/").json()["progress"]["cancelled"] == 2
    assert_problem(operator.post(f"{API_RUNS}{run.pk}/cancel/"), 409, "invalid_transition")
    viewer = api_of(builders.reviewer("vera", "view_bulkrun"))
    assert_problem(viewer.post(f"{API_RUNS}{run.pk}/cancel/"), 403, "permission_denied")


def test_api__under_a_scope_cancels_ones_own_runs_only(settings) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "SCOPE": "tests.testapp.scope.own_photos"}
    olga, rosa = (builders.reviewer(name, *MAY_CANCEL) for name in ("olga", "rosa"))
    photo = OwnedPhoto.objects.create(owner=rosa, file=builders.upload())
    run = BulkRun.objects.create(requested_by=olga)
    EnhancementJob.objects.filter(pk=builders.job_of(photo).pk).update(bulk_run=run)
    answer = api_of(rosa).post(f"{API_RUNS}{run.pk}/cancel/")
    assert_problem(answer, 403, "permission_denied")
    assert api_of(olga).post(f"{API_RUNS}{run.pk}/cancel/").status_code == 200
