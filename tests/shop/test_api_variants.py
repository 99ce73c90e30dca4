"""Variants over HTTP: the list, the detail and the pictures."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from shopimg.models import EnhancedVariant
from shopimg.services import reviews
from tests import builders
from tests.shop.api_client import VARIANTS, assert_problem, at, client

pytestmark = pytest.mark.django_db


@pytest.fixture
def editor() -> APIClient:
    return client("editor")


def test_detail__whole(editor: APIClient) -> None:
    variant = builders.draft()
    body = editor.get(at(variant)).json()
    assert body == {
        "id": str(variant.pk),
        "status": "awaiting_review",
        "version": 1,
        "url": f"http://testserver{at(variant)}",
        "before_url": f"http://testserver{at(variant, 'before')}",
        "after_url": f"http://testserver{at(variant, 'after')}",
        "mask_url": None,
        "published_url": None,
        "source": {"model": "testapp.photo", "id": variant.source_id},
        "job": str(variant.job_id),
        "recipe": "clean",
        "role": "main",
        "candidate": 0,
        "width": 128,
        "height": 96,
        "size_bytes": variant.size_bytes,
        "mime_type": "image/jpeg",
        "digest": variant.digest,
        "quality": {"colour_shift_p95": 0.4},
        "review_reasons": [],
        "provenance": variant.provenance,
        "approved_by": None,
        "approved_at": None,
        "published_at": None,
        "created_at": body["created_at"],
        "updated_at": body["updated_at"],
        "candidates": [
            {
                "id": str(variant.pk),
                "candidate": 0,
                "status": "awaiting_review",
                "url": f"http://testserver{at(variant)}",
            }
        ],
        "decisions": [],
    }
    assert variant.draft_name not in str(body)


def test_detail__names_what_to_look_at(editor: APIClient) -> None:
    variant = builders.draft()
    quality = {"colour_shift_mean": 0.31, "colour_shift_p95": 1.2}
    EnhancedVariant.objects.filter(pk=variant.pk).update(quality=quality)
    assert editor.get(at(variant)).json()["review_reasons"] == ["colour"]


def test_detail__etag_names_the_version_and_304_saves_the_body(editor: APIClient) -> None:
    variant = builders.draft()
    first = editor.get(at(variant))
    assert first["ETag"].startswith('"1-')
    again = editor.get(at(variant), headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    reviews.reject(variant, by=builders.reviewer(), reason="text")
    changed = editor.get(at(variant), headers={"If-None-Match": first["ETag"]})
    assert changed.status_code == 200
    assert changed["ETag"].startswith('"2-')


def test_pictures__private_and_exact(editor: APIClient) -> None:
    photo_bytes = builders.picture((64, 48), (1, 2, 3))
    variant = builders.draft(builders.photo(photo_bytes))
    before = editor.get(at(variant, "before"))
    after = editor.get(at(variant, "after"))
    assert before.content == photo_bytes
    assert after.content == builders.enhanced().content
    for response in (before, after):
        assert response["Content-Type"] == "image/jpeg"
        assert response["Cache-Control"] == "private, no-store"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "ETag" not in response


def test_variants__wrong_status_is_answered_with_those_that_there_are(editor: APIClient) -> None:
    problem = assert_problem(editor.get(VARIANTS, {"status": "pending"}), 400, "invalid")
    known = "awaiting_review, approved, rejected, published, superseded"
    message = f"There is no status 'pending'. Known: {known}."
    assert [error["detail"] for error in problem["errors"]] == [message]


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize(("who", "status"), [(None, 403), ("plain", 403), ("operator", 403)])
def test_pictures__nobody_else_sees_them(side: str, who: str | None, status: int) -> None:
    response = client(who).get(at(builders.draft(), side))
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"


def test_list__filters_and_ordering(editor: APIClient) -> None:
    small = builders.draft()
    large = builders.finished(builders.photo(), [builders.enhanced((900, 700))])[0]
    reviews.reject(large, by=builders.reviewer(), reason="text")

    def found(**query: Any) -> list[str]:
        response = editor.get(VARIANTS, query)
        assert response.status_code == 200, response.content
        return [variant["id"] for variant in response.json()["results"]]

    assert found() == [str(large.pk), str(small.pk)]
    assert found(status="awaiting_review") == [str(small.pk)]
    assert found(status=["awaiting_review", "rejected"], ordering="size_bytes") == [
        str(small.pk),
        str(large.pk),
    ]
    assert found(ordering="-updated_at") == [str(large.pk), str(small.pk)]
    assert found(role="main", recipe="clean", source="testapp.photo") == found()
    assert found(role="scene") == []
    assert found(source_id=small.source_id) == [str(small.pk)]
    assert found(job=small.job_id) == [str(small.pk)]
    assert found(created_before=large.created_at.isoformat()) == [str(small.pk)]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "pending"}, "status"),
        ({"job": "x"}, "job"),
        ({"ordering": "draft_name"}, "ordering"),
        ({"ordering": "created_at,-approved_by__password"}, "ordering"),
        ({"created_after": "9999-99-99"}, "created_after"),
        ({"cursor": "hostile"}, "cursor"),
        ({"cursor": ""}, "cursor"),
        ({"cursor": "W10:ü"}, "cursor"),
        ({"role": "\0"}, "role"),
        ({"ordering": "\0"}, "ordering"),
    ],
)
def test_list__invalid_query(editor: APIClient, query: dict[str, str], field: str) -> None:
    builders.draft()
    problem = assert_problem(editor.get(VARIANTS, query), 400, "invalid")
    assert [error["field"] for error in problem["errors"]] == [field]


@pytest.mark.parametrize("day", ["0001-01-01T00:00:00", "9999-12-31T23:59:59"])
@pytest.mark.parametrize("offset", ["", "Z", "+15:30", "-23:59", "+23:59"])
def test_list__moments_that_databases_do_not_know_are_no_errors(
    editor: APIClient, day: str, offset: str
) -> None:
    response = editor.get(VARIANTS, {"created_after": day + offset})
    assert response.status_code in {200, 400}


def test_list__cursor_of_another_ordering_is_refused(editor: APIClient) -> None:
    for _ in range(2):
        builders.draft()
    following = editor.get(VARIANTS, {"limit": 1}).json()["next"]
    assert_problem(editor.get(f"{following}&ordering=size_bytes"), 400, "invalid")


def test_list__unchanged_page_is_not_sent_twice(editor: APIClient) -> None:
    variant = builders.draft()
    first = editor.get(VARIANTS)
    again = editor.get(VARIANTS, headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304
    reviews.reject(variant, by=builders.reviewer(), reason="text")
    assert editor.get(VARIANTS, headers={"If-None-Match": first["ETag"]}).status_code == 200


@pytest.mark.parametrize("scoped", [False, True])
def test_list__number_of_queries_does_not_grow(
    editor: APIClient, django_assert_num_queries: Any, settings: Any, *, scoped: bool
) -> None:
    if scoped:
        settings.SHOPIMG = {**settings.SHOPIMG, "SCOPE": "tests.testapp.scope.own_photos"}
    total = 0
    for more in (1, 3, 8):
        for _ in range(more):
            variant = builders.draft()
            reviews.approve(variant, by=builders.reviewer(f"editor of {variant.pk}"))
        total += more
        editor.get(VARIANTS)  # content types are looked up once per process
        with django_assert_num_queries(5):  # session, user, 2 x permissions, variants
            response = editor.get(VARIANTS, {"limit": 100})
        assert len(response.json()["results"]) == total
