"""How much of one user's work may be open at one time: more of it answers 429."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from shopimg import tasks
from shopimg.models import BulkRun, EnhancementJob, IdempotencyKey
from shopimg.services import quotas
from shopimg.states import JobState, RunState
from tests import builders
from tests.shop.api_client import JOBS, ROOT, assert_problem, client, user

pytestmark = pytest.mark.django_db

RUNS = f"{ROOT}bulk-runs/"


@pytest.fixture(autouse=True)
def _two_open_jobs(settings: Any) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "API_OPEN_JOBS_PER_USER": 2}


def ask(api: APIClient, image: Any = None, **options: Any) -> Any:
    """Ask for a job, for a new photograph by default."""
    image = image or photo_without_job()
    body = {"source": "testapp.Photo", "id": str(image.pk)}
    return api.post(JOBS, body, format="json", **options)


def photo_without_job() -> Any:
    image = builders.photo()
    EnhancementJob.objects.for_source(image).delete()
    return image


def run_of(somebody: Any, **columns: Any) -> BulkRun:
    return BulkRun.objects.create(requested_by=somebody, **columns)


def test_jobs__over_the_quota_are_refused_and_leave_nothing() -> None:
    api = client("integration")
    assert [ask(api).status_code for _ in range(2)] == [202, 202]
    image = photo_without_job()
    response = ask(api, image, headers={"Idempotency-Key": "order-9"})
    problem = assert_problem(response, 429, "quota_exceeded")
    assert problem["detail"] == "Too many of your jobs are still open. Wait until some are over."
    assert response["Retry-After"] == "30"
    assert not EnhancementJob.objects.for_source(image).exists()
    assert IdempotencyKey.objects.count() == 0


@pytest.mark.parametrize("state", ["succeeded", "failed", "quarantined", "cancelled"])
def test_jobs__each_that_is_over_makes_room(state: str) -> None:
    api = client("integration")
    for _ in range(2):
        ask(api)
    job = EnhancementJob.objects.first()
    assert job is not None
    EnhancementJob.objects.filter(pk=job.pk).update(state=state, error_code="x")
    image = photo_without_job()
    headers = {"Idempotency-Key": "order-9"}
    assert ask(api, image, headers=headers).status_code == 202
    # Sent again, it is answered as before: nothing new is asked for.
    assert ask(api, image, headers=headers)["Idempotency-Replayed"] == "true"


def test_jobs__of_others_of_the_shop_and_of_runs_do_not_count() -> None:
    me, other = user("integration", "me"), user("integration", "other")
    for _ in range(2):
        ask(client(other))
        builders.photo()
    in_bulk = [builders.job_of(builders.photo()).pk for _ in range(2)]
    EnhancementJob.objects.filter(pk__in=in_bulk).update(requested_by=me, bulk=True)
    assert ask(client(me)).status_code == 202


def test_jobs__count_for_who_has_asked_last() -> None:
    api = client("integration")
    images = [builders.photo() for _ in range(2)]  # asked for by nobody, then cancelled
    EnhancementJob.objects.update(state=JobState.CANCELLED)
    assert [ask(api, image).status_code for image in images] == [202, 202]
    assert_problem(ask(api), 429, "quota_exceeded")


def test_retry__counts_for_who_asks_and_is_refused_over_the_quota() -> None:
    me = user("operator", "me")
    failed = [builders.job_of(builders.photo()) for _ in range(3)]
    EnhancementJob.objects.update(state=JobState.FAILED, error_code="x")
    answers = [client(me).post(f"{JOBS}{job.pk}/retry/") for job in failed]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert_problem(answers[2], 429, "quota_exceeded")
    states = [EnhancementJob.objects.get(pk=job.pk) for job in failed]
    assert [(job.state, job.requested_by) for job in states] == [
        ("queued", me), ("queued", me), ("failed", None),
    ]  # fmt: skip


def test_retry__of_a_job_of_a_run_is_no_matter_of_the_quota() -> None:
    me = user("operator", "me")
    for _ in range(2):
        EnhancementJob.objects.filter(pk=builders.job_of(builders.photo()).pk).update(
            requested_by=me
        )
    job = builders.job_of(builders.photo())
    run = run_of(None, state=RunState.QUEUED)
    EnhancementJob.objects.filter(pk=job.pk).update(state="failed", error_code="x", bulk_run=run)
    assert client(me).post(f"{JOBS}{job.pk}/retry/").status_code == 202


def test_runs__one_that_is_being_queued_uses_the_quota_up() -> None:
    runner = client("runner")
    assert runner.post(RUNS, {}, format="json").status_code == 202
    response = runner.post(RUNS, {}, format="json")
    assert_problem(response, 429, "quota_exceeded")
    assert response["Retry-After"] == "30"
    assert BulkRun.objects.count() == 1
    assert runner.post(RUNS, {"dry_run": True}, format="json").status_code == 200
    tasks.queue_bulk_run(str(BulkRun.objects.get().pk))
    assert runner.post(RUNS, {}, format="json").status_code == 202


@pytest.mark.parametrize(("queued", "status"), [((1,), 202), ((2,), 429), ((1, 1), 429)])
def test_runs__count_with_all_their_jobs_until_they_are_over(
    queued: tuple[int, ...], status: int
) -> None:
    me = user("runner")
    for number in queued:
        run_of(me, state=RunState.QUEUED, queued=number)
    assert client(me).post(RUNS, {}, format="json").status_code == status


def test_runs__that_are_over_stuck_or_somebody_elses_do_not_count() -> None:
    me, other = user("runner", "me"), user("runner", "other")
    now = builders.job_of(builders.photo()).created_at
    run_of(me, state=RunState.FINISHED, queued=9, queue_after=now)
    run_of(me, state=RunState.QUEUEING, queued=9)  # its recipe is gone: it cannot go on
    run_of(other, state=RunState.QUEUED, queued=9)
    run_of(other, state=RunState.QUEUEING, queue_after=now)
    assert client(me).post(RUNS, {}, format="json").status_code == 202


def test_runs__and_jobs_are_counted_apart() -> None:
    me = user("runner")
    run_of(me, state=RunState.QUEUED, queued=2)
    quotas.check_jobs(me)
    for _ in range(2):
        job = builders.job_of(builders.photo())
        EnhancementJob.objects.filter(pk=job.pk).update(requested_by=me)
    BulkRun.objects.all().delete()
    quotas.check_runs(me)
    with pytest.raises(quotas.QuotaExceededError):
        quotas.check_jobs(me)


@pytest.mark.parametrize("check", [quotas.check_jobs, quotas.check_runs])
def test_counting__is_one_query(check: Any) -> None:
    me = user("runner")
    with CaptureQueriesContext(connection) as queries:
        check(me)
    assert len(queries) == 1
