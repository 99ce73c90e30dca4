"""Bulk runs over HTTP: what they are about and how far they have come."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from rest_framework.test import APIClient

from shopimg.models import BulkRun, EnhancementJob
from shopimg.services import bulk
from tests import builders
from tests.shop.api_client import ROOT, assert_problem, client, user
from tests.testapp.models import OwnedPhoto

pytestmark = pytest.mark.django_db

RUNS = f"{ROOT}bulk-runs/"


@pytest.fixture
def viewer() -> APIClient:
    return client("viewer")


def run_with(**jobs: int) -> BulkRun:
    """Create a run with so many jobs in each state."""
    run = BulkRun.objects.create(recipe="clean", examined=9, queued=5, skipped=4)
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
        "examined": 9,
        "queued": 5,
        "skipped": 4,
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


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_runs__are_started_by_the_command_only(viewer: APIClient, method: str) -> None:
    assert_problem(getattr(viewer, method)(RUNS), 405, "method_not_allowed")
    assert BulkRun.objects.count() == 0
