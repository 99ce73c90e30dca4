"""The REST API that starts bulk runs."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from shopimg import tasks
from shopimg.models import BulkRun, EnhancementJob
from tests import builders
from tests.shop.api_client import GROUPS, JOBS, RUNS, assert_problem, client, user

pytestmark = pytest.mark.django_db


def test_create__answers_at_once_and_a_worker_queues_the_jobs(
    runner: APIClient, django_capture_on_commit_callbacks: Any, sent_runs: list[Any]
) -> None:
    photos = [builders.photo(), builders.photo()]
    EnhancementJob.objects.all().delete()
    with django_capture_on_commit_callbacks(execute=True):
        response = runner.post(RUNS, {"model": "testapp.Photo", "recipe": "clean"}, format="json")
        assert sent_runs == []
    body = response.json()
    run = BulkRun.objects.get()
    assert response.status_code == 202
    assert response["Location"] == body["url"] == f"http://testserver{RUNS}{run.pk}/"
    assert (body["id"], body["status"], body["examined"]) == (str(run.pk), "queueing", 0)
    assert (body["recipe"], body["filters"]["model"]) == ("clean", "testapp.Photo")
    assert run.requested_by == User.objects.get(username="runner")
    assert sent_runs == [run.pk]
    assert EnhancementJob.objects.count() == 0
    tasks.queue_bulk_run(str(run.pk))
    body = runner.get(response["Location"]).json()
    assert (body["examined"], body["queued"], body["progress"]["queued"]) == (2, 2, 2)
    jobs = EnhancementJob.objects.filter(bulk_run=run)
    assert {job.source_id for job in jobs} == {str(photo.pk) for photo in photos}


def test_create__takes_what_the_command_takes(runner: APIClient) -> None:
    photo = builders.photo()
    body = {
        "model": "testapp.Photo",
        "recipe": "clean",
        "ids": [str(photo.pk)],
        "status": ["failed"],
        "since": "2026-11-01T00:00:00Z",
        "limit": 7,
        "force": True,
    }
    filters = runner.post(RUNS, body, format="json").json()["filters"]
    assert filters == {
        "model": "testapp.Photo",
        "recipe": "clean",
        "ids": [str(photo.pk)],
        "statuses": ["failed"],
        "since": "2026-11-01T00:00:00+00:00",
        "limit": 7,
        "force": True,
    }


def test_create__only_failed_forces_what_failed(runner: APIClient) -> None:
    filters = runner.post(RUNS, {"only_failed": True}, format="json").json()["filters"]
    assert (filters["statuses"], filters["force"]) == (["failed", "quarantined"], True)


def test_create__dry_run_counts_and_changes_nothing(runner: APIClient) -> None:
    builders.draft()
    builders.photo()
    times = {"started_at": "2026-11-01T00:00:00Z", "finished_at": "2026-11-01T00:00:03Z"}
    EnhancementJob.objects.filter(state="succeeded").update(**times)
    response = runner.post(RUNS, {"force": True, "dry_run": True}, format="json")
    assert response.status_code == 200
    assert response.json() == {
        "images": 2,
        "up_to_date": 0,
        "to_queue": 2,
        "seconds_per_image": 3.0,
        "seconds": 6.0,
    }
    assert BulkRun.objects.count() == 0


def test_create__dry_run_tells_what_is_up_to_date(runner: APIClient) -> None:
    builders.draft()
    builders.photo()
    EnhancementJob.objects.filter(state="queued").delete()
    body = runner.post(RUNS, {"dry_run": True}, format="json").json()
    assert (body["images"], body["up_to_date"], body["to_queue"]) == (2, 1, 1)


def test_create__run_counts_refused_uploads(runner: APIClient) -> None:
    builders.photo()
    builders.photo(b"nothing")
    EnhancementJob.objects.all().delete()
    address = runner.post(RUNS, {}, format="json")["Location"]
    tasks.queue_bulk_run(str(BulkRun.objects.get().pk))
    body = runner.get(address).json()
    assert (body["examined"], body["queued"], body["skipped"], body["refused"]) == (2, 1, 0, 1)


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"model": "testapp.Nothing"}, 400, "invalid", "model"),
        ({"model": "auth.User"}, 400, "invalid", "model"),
        ({"recipe": "unknown"}, 400, "recipe_invalid", None),
        ({"ids": ["1"]}, 400, "invalid", "ids"),
        ({"model": "testapp.Photo", "ids": ["x"]}, 400, "invalid", "ids"),
        ({"model": "testapp.Photo", "ids": ["0"]}, 404, "not_found", None),
        ({"model": "testapp.Photo", "ids": []}, 400, "invalid", "ids"),
        ({"status": ["lost"]}, 400, "invalid", "status.0"),
        ({"status": ["failed"], "only_failed": True}, 400, "invalid", "status"),
        ({"since": "yesterday"}, 400, "invalid", "since"),
        ({"limit": 0}, 400, "invalid", "limit"),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_create__what_cannot_be_run_is_refused(
    runner: APIClient,
    body: dict[str, Any],
    status: int,
    code: str,
    field: str | None,
    *,
    dry_run: bool,
) -> None:
    response = runner.post(RUNS, {**body, "dry_run": dry_run}, format="json")
    problem = assert_problem(response, status, code)
    assert [error["field"] for error in problem.get("errors", [])] == [field] * (field is not None)
    assert BulkRun.objects.count() == 0


def test_create__same_key_and_body_give_the_same_run(runner: APIClient) -> None:
    headers = {"Idempotency-Key": "night-7"}
    first, again = (
        runner.post(RUNS, {"force": True}, format="json", headers=headers) for _ in range(2)
    )
    assert first.json() == again.json()
    assert first["Location"] == again["Location"]
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    other = runner.post(RUNS, {"force": False}, format="json", headers=headers)
    assert_problem(other, 422, "idempotency_key_reused")
    assert BulkRun.objects.count() == 1


def test_create__key_of_a_job_is_not_the_key_of_a_run() -> None:
    both = user("runner")
    both.user_permissions.add(Permission.objects.get(codename="add_enhancementjob"))
    photo, api, headers = builders.photo(), client(both), {"Idempotency-Key": "1"}
    body = {"source": "testapp.Photo", "id": str(photo.pk)}
    assert api.post(JOBS, body, format="json", headers=headers).status_code == 202
    response = api.post(RUNS, {}, format="json", headers=headers)
    assert_problem(response, 422, "idempotency_key_reused")
    assert BulkRun.objects.count() == 0


def test_create__number_of_queries_does_not_grow(
    runner: APIClient, django_assert_num_queries: Any
) -> None:
    made = []
    for _ in range(3):
        builders.photo()
        with CaptureQueriesContext(connection) as queries:
            assert runner.post(RUNS, {}, format="json").status_code == 202
        made.append(len(queries))
        BulkRun.objects.update(state="finished")
    assert len(set(made[1:])) == 1  # the first one also warms caches


@pytest.mark.parametrize("who", [None, *sorted(set(GROUPS) - {"runner"})])
@pytest.mark.parametrize("dry_run", [False, True])
def test_create__only_with_the_permission(who: str | None, *, dry_run: bool) -> None:
    response = client(who).post(RUNS, {"dry_run": dry_run}, format="json")
    assert_problem(response, 403, "permission_denied" if who else "not_authenticated")
    assert BulkRun.objects.count() == 0
