"""Lists of jobs over HTTP, and the jobs that a user may not see."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from rest_framework.test import APIClient

from shopimg.models import BulkRun, EnhancementJob
from shopimg.states import JobState
from tests import builders
from tests.shop.api_client import JOBS, VARIANTS, assert_problem, client, failed, user
from tests.testapp.models import OwnedPhoto

pytestmark = pytest.mark.django_db


def test_list__filters(api: APIClient) -> None:
    broken, waiting = failed(), builders.job_of(builders.photo())
    run = BulkRun.objects.create()
    EnhancementJob.objects.filter(pk=waiting.pk).update(bulk_run=run)

    def found(**query: Any) -> list[str]:
        response = api.get(JOBS, query)
        assert response.status_code == 200, response.content
        return [job["id"] for job in response.json()["results"]]

    assert found() == [str(waiting.pk), str(broken.pk)]
    assert found(ordering="created_at") == [str(broken.pk), str(waiting.pk)]
    assert found(status="failed") == [str(broken.pk)]
    assert len(found(status=["failed", "queued"])) == 2
    assert found(source="testapp.PHOTO", source_id=broken.source_id) == [str(broken.pk)]
    assert found(source="testapp.OwnedPhoto") == []
    assert found(bulk_run=run.pk) == [str(waiting.pk)]
    assert found(recipe="other") == []
    assert found(created_after=waiting.created_at.isoformat()) == [str(waiting.pk)]
    assert found(created_before=waiting.created_at.isoformat()) == [str(broken.pk)]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "done"}, "status"),
        ({"source": "auth.User"}, "source"),
        ({"bulk_run": "7"}, "bulk_run"),
        ({"created_after": "yesterday"}, "created_after"),
        ({"source_id": "1\x00"}, "source_id"),
        ({"ordering": "-source__password"}, "ordering"),
        ({"cursor": "hostile"}, "cursor"),
        ({"state": "failed"}, "state"),
        ({"limit": "0"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"limit": "\u0663"}, "limit"),
        *[({name: ""}, name) for name in ("status", "recipe", "bulk_run", "source", "source_id")],
        *[({name: ""}, name) for name in ("created_before", "ordering", "limit", "cursor")],
        ({"source_id": ["1", "2"]}, "source_id"),
    ],
)
def test_list__invalid_query(api: APIClient, query: dict[str, Any], field: str) -> None:
    builders.photo()
    problem = assert_problem(api.get(JOBS, query), 400, "invalid")
    assert [error["field"] for error in problem["errors"]] == [field]


@pytest.mark.parametrize(("limit", "found"), [("1", 1), ("003", 3), ("99999999999", 3)])
def test_list__limit_is_kept_within_bounds(api: APIClient, limit: str, found: int) -> None:
    for _ in range(3):
        builders.photo()
    assert len(api.get(JOBS, {"limit": limit}).json()["results"]) == found


def test_list__pages_follow_each_other_while_jobs_are_added(api: APIClient) -> None:
    expected = [str(builders.job_of(builders.photo()).pk) for _ in range(5)][::-1]
    page = api.get(JOBS, {"limit": 2}).json()
    seen = [job["id"] for job in page["results"]]
    while page["next"]:
        builders.photo()
        page = api.get(page["next"]).json()
        seen += [job["id"] for job in page["results"]]
    assert seen == expected


def test_list__takes_no_cursor_of_another_list_or_order(api: APIClient) -> None:
    for _ in range(3):
        builders.draft()
    following = api.get(JOBS, {"limit": 1}).json()["next"]
    (cursor,) = parse_qs(urlsplit(following).query)["cursor"]
    for address, query in ((VARIANTS, {}), (JOBS, {"ordering": "created_at"})):
        response = client("viewer" if query else "reviewer").get(
            address, {**query, "cursor": cursor}
        )
        problem = assert_problem(response, 400, "invalid")
        assert [error["field"] for error in problem["errors"]] == ["cursor"]


def test_list__number_of_queries_does_not_grow(
    api: APIClient, django_assert_num_queries: Any
) -> None:
    total = 0
    for more in (1, 3, 8):
        for _ in range(more):
            builders.draft()
        total += more
        with django_assert_num_queries(6):  # session, user, 2 x permissions, jobs, variants
            response = api.get(JOBS, {"limit": 100})
        assert len(response.json()["results"]) == total


@pytest.mark.parametrize("key", [str(uuid.UUID(int=0)), "7", "abc", "%00"])
@pytest.mark.parametrize("action", ["", "retry/", "cancel/"])
def test_unknown_job__is_404(key: str, action: str) -> None:
    admin = user("plain")
    admin.is_superuser = True
    admin.save()
    api = client(admin)
    address = f"{JOBS}{key}/{action}"
    response = api.post(address) if action else api.get(address)
    assert_problem(response, 404, "not_found")


def test_scope__jobs_of_other_merchants_do_not_exist(settings: Any, sent: list[Any]) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "SCOPE": "tests.testapp.scope.own_photos"}
    me, other = user("integration", "me"), user("plain", "other")
    for codename in ("change_enhancementjob",):
        me.user_permissions.add(
            user("operator", "template").user_permissions.get(codename=codename)
        )
    mine = OwnedPhoto.objects.create(owner=me, file=builders.upload())
    theirs = OwnedPhoto.objects.create(owner=other, file=builders.upload())
    foreign = builders.job_of(theirs)
    api = client(me)
    listed = [job["id"] for job in api.get(JOBS).json()["results"]]
    assert listed == [str(builders.job_of(mine).pk)]
    assert_problem(api.get(f"{JOBS}{foreign.pk}/"), 404, "not_found")
    assert_problem(api.post(f"{JOBS}{foreign.pk}/cancel/"), 404, "not_found")
    assert_problem(api.post(f"{JOBS}{foreign.pk}/retry/"), 404, "not_found")
    response = api.post(JOBS, {"source": "testapp.OwnedPhoto", "id": theirs.pk}, format="json")
    assert_problem(response, 404, "not_found")
    foreign.refresh_from_db()
    assert foreign.state == JobState.QUEUED
    assert EnhancementJob.objects.count() == 2
    assert sent == []
