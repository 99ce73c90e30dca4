"""Review over HTTP: the queue, the pictures, every decision and every conflict."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from shopimg.models import EnhancedVariant, EnhancementJob, ReviewDecision
from shopimg.services import publishing, reviews
from shopimg.states import Decision, ReviewState
from tests import builders
from tests.shop.api_client import ROOT, assert_problem, client, user
from tests.testapp.models import OwnedPhoto

pytestmark = pytest.mark.django_db

VARIANTS = f"{ROOT}variants/"


@pytest.fixture(autouse=True)
def _no_earlier_requests() -> None:
    cache.clear()


@pytest.fixture
def editor() -> APIClient:
    return client("editor")


def at(variant: EnhancedVariant, action: str = "") -> str:
    return f"{VARIANTS}{variant.pk}/" + (f"{action}/" if action else "")


def published() -> EnhancedVariant:
    return reviews.approve(builders.draft(), by=builders.reviewer("rosa"))


def approved(settings: Any) -> EnhancedVariant:
    settings.SHOPIMG = {**settings.SHOPIMG, "PUBLISH_ON_APPROVAL": False}
    return reviews.approve(builders.draft(), by=builders.reviewer("rosa"))


def assert_unchanged(variant: EnhancedVariant) -> None:
    """Check that a variant is as it was, and that nobody's decision was written down."""
    now = EnhancedVariant.objects.get(pk=variant.pk)
    assert (now.state, now.version) == (variant.state, variant.version)
    assert now.decisions.count() == variant.decisions.count()


def test_approve__publishes_where_the_shop_does_so_on_approval(editor: APIClient) -> None:
    variant = builders.draft()
    response = editor.post(at(variant, "approve"), {"note": "Crisp."}, format="json")
    assert response.status_code == 200
    body = response.json()
    variant.refresh_from_db()
    assert variant.state == ReviewState.PUBLISHED
    assert body["status"] == "published"
    assert body["version"] == 3
    assert body["approved_by"] == "editor"
    assert body["published_url"] == f"http://testserver/published/{variant.published_name}"
    assert [(d["decision"], d["by"], d["note"]) for d in body["decisions"]] == [
        ("publish", "editor", ""),
        ("approve", "editor", "Crisp."),
    ]


def test_approve__only_approves_where_publishing_is_another_step(settings: Any) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "PUBLISH_ON_APPROVAL": False}
    variant = builders.draft()
    response = client("reviewer").post(at(variant, "approve"))
    assert response.status_code == 200
    assert response.json()["status"] == "approved"
    assert response.json()["published_url"] is None


def test_approve__needs_both_permissions_where_it_publishes() -> None:
    variant = builders.draft()
    response = client("reviewer").post(at(variant, "approve"))
    assert_problem(response, 403, "permission_denied")
    assert_unchanged(variant)


def test_reject__with_reason_and_note() -> None:
    variant = builders.draft()
    body = {"reason": "text", "note": "The logo is another one."}
    response = client("reviewer").post(at(variant, "reject"), body, format="json")
    assert response.status_code == 200
    assert response.json()["status"] == "rejected"
    decision = ReviewDecision.objects.get()
    assert (decision.decision, decision.reason, decision.note, decision.digest) == (
        Decision.REJECT,
        "text",
        "The logo is another one.",
        variant.digest,
    )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "reason"),
        ({"reason": "ugly"}, "reason"),
        ({"reason": "text", "note": "x" * 2001}, "note"),
        ({"reason": "text", "note": "a\x00b"}, "note"),
        ({"reason": "text", "version": 0}, "version"),
        ({"reason": "text", "version": 2**31}, "version"),
        ({"reason": "text", "version": "one"}, "version"),
    ],
)
def test_reject__invalid_body(editor: APIClient, body: dict[str, Any], field: str) -> None:
    variant = builders.draft()
    problem = assert_problem(
        editor.post(at(variant, "reject"), body, format="json"), 400, "invalid"
    )
    assert [error["field"] for error in problem["errors"]] == [field]
    assert_unchanged(variant)


def test_publish__approved_variant(settings: Any) -> None:
    variant = approved(settings)
    response = client("publisher").post(at(variant, "publish"), {"version": 2}, format="json")
    assert response.status_code == 200
    assert response.json()["status"] == "published"


def test_publish__draft_is_a_conflict(editor: APIClient) -> None:
    variant = builders.draft()
    response = editor.post(at(variant, "publish"))
    problem = assert_problem(response, 409, "invalid_transition")
    assert problem["current"] == {
        "status": "awaiting_review",
        "version": 1,
        "last_decision": None,
    }
    assert_unchanged(variant)


def test_withdraw__shoppers_see_the_original_again(editor: APIClient) -> None:
    variant = published()
    response = editor.post(at(variant, "withdraw"))
    assert response.status_code == 200
    assert response.json()["status"] == "superseded"
    assert response.json()["published_url"] is None
    assert publishing.image_to_show(variant.source).variant is None


def test_rollback__to_the_predecessor(editor: APIClient) -> None:
    first = published()
    builders.job_of(first.source)
    EnhancementJob.objects.all().update(state="queued")
    second = builders.draft(first.source, colour=(10, 20, 30))
    reviews.approve(second, by=builders.reviewer("max"))
    response = editor.post(at(second, "rollback"))
    assert response.status_code == 200
    body = response.json()
    assert (body["rolled_back"]["id"], body["rolled_back"]["status"]) == (
        str(second.pk),
        "superseded",
    )
    assert (body["shown"]["id"], body["shown"]["status"]) == (str(first.pk), "published")


def test_rollback__to_the_original(editor: APIClient) -> None:
    variant = published()
    response = editor.post(at(variant, "rollback"))
    assert response.status_code == 200
    assert response.json()["shown"] is None
    assert response.json()["rolled_back"]["status"] == "superseded"


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_conflict__says_who_has_decided_and_when(editor: APIClient, action: str) -> None:
    variant = builders.draft()
    reviews.reject(variant, by=builders.reviewer("rosa"), reason="colour")
    decision = ReviewDecision.objects.get()
    response = editor.post(at(variant, action), {"reason": "text"}, format="json")
    problem = assert_problem(response, 409, "invalid_transition")
    assert "rosa" in problem["detail"]
    assert problem["current"] == {
        "status": "rejected",
        "version": 2,
        "last_decision": {
            "decision": "reject",
            "by": "rosa",
            "at": decision.at.isoformat().replace("+00:00", "Z"),
        },
    }
    assert_unchanged(variant)


@pytest.mark.parametrize("action", ["approve", "reject", "publish", "withdraw", "rollback"])
def test_version__another_one_is_a_conflict(editor: APIClient, action: str) -> None:
    variant = published() if action in {"withdraw", "rollback"} else builders.draft()
    body = {"reason": "text", "version": variant.version + 1}
    response = editor.post(at(variant, action), body, format="json")
    assert_problem(response, 409, "invalid_transition")
    assert_unchanged(variant)


def test_if_match__etag_of_what_was_looked_at_is_accepted(editor: APIClient) -> None:
    variant = builders.draft()
    etag = editor.get(at(variant))["ETag"]
    response = editor.post(at(variant, "approve"), headers={"If-Match": etag})
    assert response.status_code == 200


@pytest.mark.parametrize("etag", ['"7-abc"', '"nonsense"', "nonsense", '"²-a"'])
def test_if_match__another_version_is_refused(editor: APIClient, etag: str) -> None:
    variant = builders.draft()
    response = editor.post(at(variant, "approve"), headers={"If-Match": etag})
    problem = assert_problem(response, 412, "precondition_failed")
    assert problem["current"]["version"] == 1
    assert_unchanged(variant)


def test_if_match__outdated_etag_is_refused_with_the_decision_of_the_other(
    editor: APIClient, settings: Any
) -> None:
    variant = builders.draft()
    etag = editor.get(at(variant))["ETag"]
    reviews.reject(variant, by=builders.reviewer("rosa"), reason="colour")
    response = editor.post(at(variant, "approve"), headers={"If-Match": etag})
    problem = assert_problem(response, 412, "precondition_failed")
    assert problem["current"]["last_decision"]["by"] == "rosa"


def test_if_match__star_means_whatever_it_is_now(editor: APIClient) -> None:
    variant = builders.draft()
    assert editor.post(at(variant, "approve"), headers={"If-Match": "*"}).status_code == 200


def test_storage_fault__503_with_retry_after_and_the_approval_stands(
    editor: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    variant = builders.draft()

    def full(*_: Any, **__: Any) -> str:
        raise OSError("no space left")

    with monkeypatch.context() as broken:
        broken.setattr("shopimg.storage.publish_copy", full)
        response = editor.post(at(variant, "approve"))
    problem = assert_problem(response, 503, "capacity")
    assert response["Retry-After"] == "30"
    assert problem["current"]["status"] == "approved"
    assert "no space left" not in response.content.decode()
    assert editor.post(at(variant, "publish")).json()["status"] == "published"


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
        "published_url": None,
        "source": {"model": "testapp.photo", "id": variant.source_id},
        "job": str(variant.job_id),
        "recipe": "clean",
        "role": "main",
        "width": 128,
        "height": 96,
        "size_bytes": variant.size_bytes,
        "mime_type": "image/jpeg",
        "digest": variant.digest,
        "quality": {"colour_shift_p95": 0.4},
        "provenance": variant.provenance,
        "approved_by": None,
        "approved_at": None,
        "published_at": None,
        "created_at": body["created_at"],
        "updated_at": body["updated_at"],
        "decisions": [],
    }
    assert variant.draft_name not in str(body)


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


MATRIX = {
    "list": {"viewer", "reviewer", "publisher", "editor"},
    "detail": {"viewer", "reviewer", "publisher", "editor"},
    "before": {"viewer", "reviewer", "publisher", "editor"},
    "after": {"viewer", "reviewer", "publisher", "editor"},
    "approve": {"editor"},
    "reject": {"reviewer", "editor"},
    "publish": {"publisher", "editor"},
    "withdraw": {"publisher", "editor"},
    "rollback": {"publisher", "editor"},
}
"""Action -> groups who may; everybody else is refused."""

READS = {"list": "", "detail": "", "before": "before", "after": "after"}


@pytest.mark.parametrize("action", MATRIX)
@pytest.mark.parametrize(
    "who", [None, "plain", "viewer", "reviewer", "publisher", "editor", "operator", "integration"]
)
def test_role_matrix__every_cell(action: str, who: str | None, settings: Any) -> None:
    makers: dict[str, Callable[[], EnhancedVariant]] = {
        "publish": lambda: approved(settings),
        "withdraw": published,
        "rollback": published,
    }
    variant = makers.get(action, builders.draft)()
    api = client(who)
    if action in READS:
        response = api.get(VARIANTS if action == "list" else at(variant, READS[action]))
    else:
        response = api.post(at(variant, action), {"reason": "text"}, format="json")
    if who in MATRIX[action]:
        assert response.status_code == 200
        return
    assert_problem(response, 403, "permission_denied" if who else "not_authenticated")
    assert_unchanged(variant)


@pytest.mark.parametrize(
    "action", ["", "before", "after", "approve", "reject", "publish", "withdraw", "rollback"]
)
def test_scope__variants_of_other_merchants_do_not_exist(settings: Any, action: str) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "SCOPE": "tests.testapp.scope.own_photos"}
    me, other = user("editor", "me"), user("plain", "other")
    mine = builders.draft(OwnedPhoto.objects.create(owner=me, file=builders.upload()))
    theirs = builders.draft(OwnedPhoto.objects.create(owner=other, file=builders.upload()))
    api = client(me)
    listed = [variant["id"] for variant in api.get(VARIANTS).json()["results"]]
    assert listed == [str(mine.pk)]
    read = action in {"", "before", "after"}
    address = at(theirs, action)
    response = api.get(address) if read else api.post(address, {"reason": "text"}, format="json")
    assert_problem(response, 404, "not_found")
    assert_unchanged(theirs)


@pytest.mark.parametrize("key", [str(uuid.UUID(int=0)), "7", "abc", "%00", "..%2f"])
def test_unknown_variant__is_404(editor: APIClient, key: str) -> None:
    assert_problem(editor.get(f"{VARIANTS}{key}/"), 404, "not_found")
    assert_problem(editor.post(f"{VARIANTS}{key}/approve/"), 404, "not_found")
