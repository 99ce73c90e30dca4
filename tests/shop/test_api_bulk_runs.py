"""Bulk runs over HTTP: what they are about and how far they have come."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from rest_framework.test import APIClient

from shopimg import tasks
from shopimg.api import selections
from shopimg.models import BulkRun, EnhancementJob
from shopimg.services import bulk
from tests import builders
from tests.shop.api_client import RUNS, assert_problem, client, user
from tests.testapp.models import OwnedPhoto

pytestmark = pytest.mark.django_db


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
