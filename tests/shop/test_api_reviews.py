"""Decisions over HTTP: each one, every conflict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from shopimg.models import EnhancementJob, ReviewDecision
from shopimg.services import publishing, reviews
from shopimg.states import Decision, ReviewState
from tests import builders
from tests.shop.api_client import (
    approved,
    assert_problem,
    assert_unchanged,
    at,
    client,
    published,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def editor() -> APIClient:
    return client("editor")


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
        ({"reason": "text", "notes": "The logo is another one."}, "notes"),
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
    assert publishing.images_to_show([variant.source])[0].variant is None


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


def test_restore__undoes_a_rollback(editor: APIClient) -> None:
    variant = published()
    version = editor.post(at(variant, "rollback")).json()["rolled_back"]["version"]
    response = editor.post(at(variant, "restore"), {"version": version}, format="json")
    assert response.status_code == 200
    assert (response.json()["status"], response.json()["version"]) == ("published", version + 1)
    assert publishing.images_to_show([variant.source])[0].variant == variant


def test_approve__whose_file_was_not_taken_says_so_and_the_log_says_why(
    editor: APIClient, storage_folders: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    storage_folders["shopimg_published"].touch()  # a file where a folder should be
    variant = builders.draft()
    problem = assert_problem(editor.post(at(variant, "approve")), 503, "capacity")
    message = "Approved, but the storage did not take the file. Publish it once it does."
    assert problem["detail"] == message
    assert problem["current"]["status"] == "approved"
    assert f"could not copy {variant.pk} to the public storage" in caplog.text
    assert "FileExistsError" in caplog.text or "NotADirectoryError" in caplog.text
    storage_folders["shopimg_published"].unlink()
    assert editor.post(at(variant, "publish")).json()["status"] == "published"


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_conflict__says_who_has_decided_and_when(editor: APIClient, action: str) -> None:
    variant = builders.draft()
    reviews.reject(variant, by=builders.reviewer("rosa"), reason="colour")
    decision = ReviewDecision.objects.get()
    body = {"reason": "text"} if action == "reject" else {}
    response = editor.post(at(variant, action), body, format="json")
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
    body = {"version": variant.version + 1}
    body |= {"reason": "text"} if action == "reject" else {}
    response = editor.post(at(variant, action), body, format="json")
    assert_problem(response, 409, "invalid_transition")
    assert_unchanged(variant)


def test_if_match__etag_of_what_was_looked_at_is_accepted(editor: APIClient) -> None:
    variant = builders.draft()
    etag = editor.get(at(variant))["ETag"]
    response = editor.post(at(variant, "approve"), headers={"If-Match": etag})
    assert response.status_code == 200


def test_if_match__etag_of_a_compressed_answer_is_accepted(
    editor: APIClient, settings: Any
) -> None:
    settings.MIDDLEWARE = ["django.middleware.gzip.GZipMiddleware", *settings.MIDDLEWARE]
    variant = builders.draft()
    etag = editor.get(at(variant), headers={"Accept-Encoding": "gzip"})["ETag"]
    assert etag.startswith('W/"1-')
    response = editor.post(at(variant, "approve"), headers={"If-Match": etag})
    assert response.status_code == 200


@pytest.mark.parametrize(
    "etag", ['"7-a"', 'W/"7-a"', '"none"', "none", '"²-a"', f'"{"1" * 5000}-a"']
)
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


def test_if_match__takes_any_of_several_tags(editor: APIClient) -> None:
    variant = builders.draft()
    tags = {"If-Match": f'"0-old", "{variant.version}-now", "9-never"'}
    assert editor.post(at(variant, "approve"), headers=tags).status_code == 200
