"""Bulk runs over HTTP: what they are about and how far they have come."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from shopimg import tasks
from shopimg.api import selections
from shopimg.models import BulkRun, EnhancementJob
from shopimg.services import bulk
from tests import builders
from tests.shop.api_client import GROUPS, JOBS, ROOT, assert_problem, client, user
from tests.testapp.models import OwnedPhoto

pytestmark = pytest.mark.django_db

RUNS = f"{ROOT}bulk-runs/"


@pytest.fixture
def viewer() -> APIClient:
    return client("viewer")


@pytest.fixture
def runner() -> APIClient:
    return client("runner")


def run_with(**jobs: int) -> BulkRun:
    """Create a run with so many jobs in each state."""
    run = BulkRun.objects.create(recipe="clean", examined=11, queued=5, skipped=4, refused=2)
    for state, number in jobs.items():
        for _ in range(number):
            job = builders.job_of(builders.photo())
            EnhancementJob.objects.filter(pk=job.pk).update(
                bulk_run=run, state=state, error_code="x"
            )
    return run


def test_detail__progress_by_state(viewer: APIClient) -> None:
    run = run_with(queued=2, succeeded=3, failed=1)
    run_with(queued=4)
    response = viewer.get(f"{RUNS}{run.pk}/")
    assert response.status_code == 200
    body = response.json()
    assert body == {
        "id": str(run.pk),
        "status": "queueing",
        "url": f"http://testserver{RUNS}{run.pk}/",
        "recipe": "clean",
        "filters": {},
        "examined": 11,
        "queued": 5,
        "skipped": 4,
        "refused": 2,
        "progress": {
            "queued": 2,
            "running": 0,
            "succeeded": 3,
            "failed": 1,
            "quarantined": 0,
            "cancelled": 0,
        },
        "created_at": body["created_at"],
        "finished_at": None,
    }


def test_detail__real_run_shows_its_selection(viewer: APIClient) -> None:
    builders.photo()
    run = bulk.start(bulk.Selection(model="testapp.Photo", force=True))
    body = viewer.get(f"{RUNS}{run.pk}/").json()
    assert body["filters"]["model"] == "testapp.Photo"


def test_detail__etag_follows_the_progress(viewer: APIClient) -> None:
    run = run_with(queued=1)
    first = viewer.get(f"{RUNS}{run.pk}/")
    headers = {"If-None-Match": first["ETag"]}
    assert viewer.get(f"{RUNS}{run.pk}/", headers=headers).status_code == 304
    EnhancementJob.objects.update(state="cancelled")
    assert viewer.get(f"{RUNS}{run.pk}/", headers=headers).status_code == 200


def test_list__newest_first_with_progress(viewer: APIClient) -> None:
    older, newer = run_with(queued=1), run_with(failed=2)
    results = viewer.get(RUNS).json()["results"]
    assert [run["id"] for run in results] == [str(newer.pk), str(older.pk)]
    assert [run["progress"]["failed"] for run in results] == [2, 0]


def test_list__number_of_queries_does_not_grow(
    viewer: APIClient, django_assert_num_queries: Any
) -> None:
    total = 0
    for more in (1, 3, 8):
        for _ in range(more):
            run_with(queued=1, failed=1)
        total += more
        with django_assert_num_queries(6):  # session, user, 2 x permissions, runs, counts
            response = viewer.get(RUNS, {"limit": 100})
        assert len(response.json()["results"]) == total


@pytest.mark.parametrize("who", [None, "plain", "reviewer", "publisher", "editor", "integration"])
@pytest.mark.parametrize("detail", [False, True])
def test_role_matrix__only_with_the_permission(who: str | None, *, detail: bool) -> None:
    run = run_with(queued=1)
    response = client(who).get(f"{RUNS}{run.pk}/" if detail else RUNS)
    assert_problem(response, 403, "permission_denied" if who else "not_authenticated")


def test_scope__only_runs_and_jobs_of_ones_own_images(settings: Any) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "SCOPE": "tests.testapp.scope.own_photos"}
    me, other = user("viewer", "me"), user("plain", "other")
    shared, foreign = BulkRun.objects.create(), BulkRun.objects.create()
    for owner, run in ((me, shared), (other, shared), (other, foreign)):
        photo = OwnedPhoto.objects.create(owner=owner, file=builders.upload())
        EnhancementJob.objects.for_source(photo).update(bulk_run=run)
    api = client(me)
    (listed,) = api.get(RUNS).json()["results"]
    assert listed["id"] == str(shared.pk)
    assert listed["progress"]["queued"] == 1
    assert_problem(api.get(f"{RUNS}{foreign.pk}/"), 404, "not_found")


@pytest.mark.parametrize("key", [str(uuid.UUID(int=0)), "7", "abc"])
def test_unknown_run__is_404(viewer: APIClient, key: str) -> None:
    assert_problem(viewer.get(f"{RUNS}{key}/"), 404, "not_found")


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_runs__are_asked_for_and_never_edited(viewer: APIClient, method: str) -> None:
    assert_problem(getattr(viewer, method)(RUNS), 405, "method_not_allowed")
    assert BulkRun.objects.count() == 0


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


def test_scope__a_run_is_about_ones_own_images_only(settings: Any) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "SCOPE": "tests.testapp.scope.own_photos"}
    me, other = user("runner", "me"), user("runner", "other")
    mine, theirs = (
        OwnedPhoto.objects.create(owner=owner, file=builders.upload()) for owner in (me, other)
    )
    EnhancementJob.objects.all().delete()
    api = client(me)
    model = {"model": "testapp.OwnedPhoto"}
    assert api.post(RUNS, {**model, "dry_run": True}, format="json").json()["images"] == 1
    foreign = api.post(RUNS, {**model, "ids": [str(mine.pk), str(theirs.pk)]}, format="json")
    assert_problem(foreign, 404, "not_found")
    problem = assert_problem(api.post(RUNS, {}, format="json"), 400, "invalid")
    assert problem["errors"][0]["field"] == "model"
    assert BulkRun.objects.count() == 0
    made = api.post(RUNS, model, format="json")
    assert made.status_code == 202
    # Its maker sees it before there is any job; nobody else does.
    assert api.get(made["Location"]).status_code == 200
    assert client(other).get(made["Location"]).status_code == 404
    tasks.queue_bulk_run(made.json()["id"])
    assert [job.source for job in EnhancementJob.objects.all()] == [mine]


def test_scope__somebody_without_images_runs_nothing(settings: Any) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "SCOPE": "tests.testapp.scope.own_photos"}
    other = user("plain", "other")
    OwnedPhoto.objects.create(owner=other, file=builders.upload())
    response = client("runner").post(RUNS, {"model": "testapp.OwnedPhoto"}, format="json")
    assert_problem(response, 404, "not_found")


def test_scope__more_images_than_a_run_can_name_are_refused(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "SCOPE": "tests.testapp.scope.own_photos"}
    monkeypatch.setattr(selections, "MAX_IMAGES", 1)
    me = user("runner")
    for _ in range(2):
        OwnedPhoto.objects.create(owner=me, file=builders.upload())
    response = client(me).post(RUNS, {"model": "testapp.OwnedPhoto"}, format="json")
    assert_problem(response, 400, "invalid")


def test_scope__a_run_names_only_what_it_is_about(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "SCOPE": "tests.testapp.scope.own_photos"}
    monkeypatch.setattr(selections, "MAX_IMAGES", 1)
    me = user("runner")
    mine = [OwnedPhoto.objects.create(owner=me, file=builders.upload()) for _ in range(3)]
    broken = EnhancementJob.objects.for_source(mine[1])
    broken.update(state="failed", error_code="x")
    api, model = client(me), {"model": "testapp.OwnedPhoto"}
    made = api.post(RUNS, {**model, "only_failed": True}, format="json")
    assert made.json()["filters"]["ids"] == [str(mine[1].pk)]
    BulkRun.objects.update(state="finished")
    made = api.post(RUNS, {**model, "limit": 1}, format="json")
    assert made.json()["filters"]["ids"] == [str(mine[0].pk)]
    broken.update(state="succeeded")
    nothing = api.post(RUNS, {**model, "only_failed": True, "dry_run": True}, format="json")
    assert (nothing.status_code, nothing.json()["images"]) == (200, 0)
