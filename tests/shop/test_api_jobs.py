"""Jobs over HTTP: asked for once, followed, retried, cancelled."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from django.utils.http import http_date
from rest_framework.test import APIClient

from shopimg.models import BulkRun, EnhancedVariant, EnhancementJob, IdempotencyKey
from shopimg.services import jobs
from shopimg.states import JobState
from tests import builders
from tests.shop.api_client import JOBS, ROOT, assert_problem, client, failed, user
from tests.testapp.models import OwnedPhoto, UnwatchedPhoto

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> APIClient:
    return client("operator")


def photo_without_job(content: bytes | None = None, name: str = "mug.jpg") -> Any:
    photo = builders.photo(content, name)
    EnhancementJob.objects.all().delete()
    return photo


def test_create__job_is_queued_and_its_worker_woken_on_commit(
    api: APIClient, sent: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    photo = photo_without_job()
    with django_capture_on_commit_callbacks(execute=True):
        response = api.post(JOBS, {"source": "testapp.Photo", "id": photo.pk}, format="json")
        assert sent == []
    assert response.status_code == 202
    job = EnhancementJob.objects.get()
    address = f"http://testserver{JOBS}{job.pk}/"
    assert response["Location"] == address
    assert response["Cache-Control"] == "no-store"
    body = response.json()
    assert body == {
        "id": str(job.pk),
        "status": "queued",
        "result_url": address,
        "source": {"model": "testapp.photo", "id": str(photo.pk)},
        "upload": {
            "name": photo.file.name,
            "digest": job.source_digest,
            "size_bytes": job.source_bytes,
            "width": 64,
            "height": 48,
        },
        "recipe": "clean",
        "bulk_run": None,
        "attempts": 0,
        "error": None,
        "timings": {},
        "variants": [],
        "created_at": body["created_at"],
        "started_at": None,
        "finished_at": None,
    }
    assert job.requested_by is not None
    assert job.requested_by.get_username() == "integration"
    assert sent == [(job.pk, False)]


def test_create__same_content_is_the_same_job(api: APIClient, sent: list[Any]) -> None:
    photo = builders.photo()
    answers = [
        api.post(JOBS, {"source": "testapp.photo", "id": str(photo.pk)}, format="json").json()
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert EnhancementJob.objects.count() == 1


def test_create__same_key_and_body_give_the_same_answer(api: APIClient) -> None:
    photo = photo_without_job()
    body = {"source": "testapp.Photo", "id": str(photo.pk), "recipe": "clean"}
    headers = {"Idempotency-Key": "order-7"}
    first = api.post(JOBS, body, format="json", headers=headers)
    again = api.post(JOBS, body, format="json", headers=headers)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    assert first["Location"] == again["Location"]
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert EnhancementJob.objects.count() == 1
    assert IdempotencyKey.objects.count() == 1


def test_create__replay_after_a_new_upload_still_names_the_first_job(api: APIClient) -> None:
    photo = photo_without_job()
    body = {"source": "testapp.Photo", "id": str(photo.pk)}
    headers = {"Idempotency-Key": "order-7"}
    first = api.post(JOBS, body, format="json", headers=headers).json()
    photo.file = builders.upload(builders.picture((100, 100)))
    photo.save()
    again = api.post(JOBS, body, format="json", headers=headers).json()
    assert again["id"] == first["id"]
    assert again["status"] == "cancelled"


def test_create__same_key_is_answered_after_the_image_is_gone(api: APIClient) -> None:
    photo = photo_without_job()
    body = {"source": "testapp.Photo", "id": str(photo.pk)}
    headers = {"Idempotency-Key": "order-7"}
    first = api.post(JOBS, body, format="json", headers=headers).json()
    photo.delete()
    again = api.post(JOBS, body, format="json", headers=headers)
    assert (again.status_code, again.json()["id"]) == (202, first["id"])
    assert_problem(api.post(JOBS, body, format="json"), 404, "not_found")


def test_create__same_key_takes_the_same_request_in_other_words(api: APIClient) -> None:
    photo = photo_without_job()
    headers = {"Idempotency-Key": "order-7"}
    bodies = [
        {"source": "testapp.Photo", "id": str(photo.pk)},
        {"source": "testapp.photo", "id": str(photo.pk), "options": {}},
    ]
    answers = [api.post(JOBS, body, format="json", headers=headers) for body in bodies]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[1]["Idempotency-Replayed"] == "true"


def test_create__replay_shows_nothing_that_is_out_of_sight_by_now(settings: Any) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "SCOPE": "tests.testapp.scope.own_photos"}
    me = user("integration", "me")
    photo = OwnedPhoto.objects.create(owner=me, file=builders.upload())
    api, headers = client(me), {"Idempotency-Key": "order-7"}
    body = {"source": "testapp.OwnedPhoto", "id": str(photo.pk)}
    assert api.post(JOBS, body, format="json", headers=headers).status_code == 202
    OwnedPhoto.objects.update(owner=user("plain", "somebody else"))
    assert_problem(api.post(JOBS, body, format="json", headers=headers), 404, "not_found")


def test_create__same_key_with_another_body_is_refused(api: APIClient) -> None:
    photo, other = builders.photo(), builders.photo()
    EnhancementJob.objects.all().delete()
    headers = {"Idempotency-Key": "order-7"}
    api.post(JOBS, {"source": "testapp.Photo", "id": str(photo.pk)}, format="json", headers=headers)
    response = api.post(
        JOBS, {"source": "testapp.Photo", "id": str(other.pk)}, format="json", headers=headers
    )
    assert_problem(response, 422, "idempotency_key_reused")
    assert EnhancementJob.objects.get().source == photo


def test_create__users_do_not_share_keys(api: APIClient) -> None:
    photo, other = builders.photo(), builders.photo()
    headers = {"Idempotency-Key": "1"}
    first = api.post(
        JOBS, {"source": "testapp.Photo", "id": str(photo.pk)}, format="json", headers=headers
    )
    second = client(user("integration", "somebody else")).post(
        JOBS, {"source": "testapp.Photo", "id": str(other.pk)}, format="json", headers=headers
    )
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] != second.json()["id"]


@pytest.mark.parametrize("key", ["", "k" * 256, "a\x7fb"])
def test_create__key_that_cannot_be_kept_is_refused(api: APIClient, key: str) -> None:
    photo = photo_without_job()
    response = api.post(
        JOBS,
        {"source": "testapp.Photo", "id": str(photo.pk)},
        format="json",
        headers={"Idempotency-Key": key},
    )
    problem = assert_problem(response, 400, "invalid")
    assert problem["errors"][0]["field"] == "Idempotency-Key"
    assert EnhancementJob.objects.count() == 0


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"", "mug.jpg", "source_unreadable"),
        (b"GIF89a" + bytes(60), "mug.gif", "unsupported_format"),
        (builders.picture((8, 8)), "mug.jpg", "source_invalid"),
        (builders.picture(), "mug.png", "unsupported_format"),
    ],
    ids=["empty", "gif", "tiny", "wrong extension"],
)
def test_create__refused_upload_says_why_and_names_its_job(
    api: APIClient, sent: list[Any], content: bytes, name: str, code: str
) -> None:
    photo = photo_without_job(content, name)
    headers = {"Idempotency-Key": "order-8"}
    body = {"source": "testapp.Photo", "id": str(photo.pk)}
    for replayed in (None, "true"):
        response = api.post(JOBS, body, format="json", headers=headers)
        assert response.get("Idempotency-Replayed") == replayed
        problem = assert_problem(response, 422, code)
        job = EnhancementJob.objects.get()
        assert problem["job"] == str(job.pk)
        assert problem["detail"] == job.error_message
    assert job.state == JobState.FAILED
    assert sent == []


def test_create__job_that_a_worker_failed_at_is_not_an_error_of_the_request(
    api: APIClient,
) -> None:
    job = failed()
    response = api.post(JOBS, {"source": "testapp.Photo", "id": job.source_id}, format="json")
    assert response.status_code == 202
    assert response.json()["status"] == "failed"


def test_create__unknown_recipe(api: APIClient) -> None:
    photo = photo_without_job()
    response = api.post(
        JOBS, {"source": "testapp.Photo", "id": str(photo.pk), "recipe": "magic"}, format="json"
    )
    assert_problem(response, 400, "recipe_invalid")
    assert EnhancementJob.objects.count() == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "source"),
        ({"source": "testapp.Photo"}, "id"),
        ({"source": "testapp.UnwatchedPhoto", "id": "1"}, "source"),
        ({"source": "auth.User", "id": "1"}, "source"),
        ({"source": "testapp.Photo", "id": "abc"}, "id"),
        ({"source": "testapp.Photo", "id": "9" * 40}, "id"),
        ({"source": "testapp.Photo", "id": "1\x00"}, "id"),
        ({"source": "testapp.Photo", "id": ["1"]}, "id"),
        ({"source": {"a": 1}, "id": "1"}, "source"),
        ({"source": "testapp.Photo", "id": "1", "recipe": ""}, "recipe"),
    ],
)
def test_create__invalid_body(api: APIClient, body: dict[str, Any], field: str) -> None:
    UnwatchedPhoto.objects.create(file=builders.upload())
    problem = assert_problem(api.post(JOBS, body, format="json"), 400, "invalid")
    assert field in [error["field"] for error in problem["errors"]]
    assert EnhancementJob.objects.count() == 0


def test_create__steps_are_not_taken_from_outside(api: APIClient) -> None:
    photo = photo_without_job()
    body = {"source": "testapp.Photo", "id": str(photo.pk), "steps": [{"restore": {}}]}
    problem = assert_problem(api.post(JOBS, body, format="json"), 400, "invalid")
    message = "There is no such field. Known: source, id, recipe, options."
    assert problem["errors"] == [{"field": "steps", "code": "invalid", "detail": message}]
    assert not EnhancementJob.objects.exists()


def test_create__image_that_does_not_exist(api: APIClient) -> None:
    response = api.post(JOBS, {"source": "testapp.Photo", "id": "424242"}, format="json")
    assert_problem(response, 404, "not_found")


def test_detail__finished_job_names_its_variants(api: APIClient) -> None:
    variant = builders.draft()
    response = api.get(f"{JOBS}{variant.job_id}/")
    assert response.status_code == 200
    body = response.json()
    assert body["status"] == "succeeded"
    assert body["attempts"] == 1
    assert body["timings"] == {"restore": 0.25, "upscale": 0.5}
    assert body["variants"] == [
        {
            "id": str(variant.pk),
            "role": "main",
            "candidate": 0,
            "status": "awaiting_review",
            "url": f"http://testserver{ROOT}variants/{variant.pk}/",
        }
    ]


def test_detail__failure_is_told_without_technical_detail(api: APIClient) -> None:
    job = failed()
    response = api.get(f"{JOBS}{job.pk}/")
    assert response.json()["error"] == {
        "code": "source_unreadable",
        "message": "The uploaded file is damaged or is not a picture.",
    }
    assert "libjpeg" not in response.content.decode()


def test_detail__etag_follows_the_state(api: APIClient) -> None:
    job = builders.job_of(builders.photo())
    first = api.get(f"{JOBS}{job.pk}/")
    assert first["Cache-Control"] == "private, no-cache"
    unchanged = api.get(f"{JOBS}{job.pk}/", headers={"If-None-Match": first["ETag"]})
    assert unchanged.status_code == 304
    jobs.claim(job.pk)
    changed = api.get(f"{JOBS}{job.pk}/", headers={"If-None-Match": first["ETag"]})
    assert changed.status_code == 200
    assert changed.json()["status"] == "running"


def test_detail__no_date_while_another_change_may_fall_into_the_same_second(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = builders.job_of(builders.photo())
    EnhancementJob.objects.update(run_after=job.created_at, sent_at=None)
    second = job.created_at.replace(microsecond=0)
    monkeypatch.setattr(timezone, "now", lambda: second + timedelta(microseconds=999_999))
    assert "Last-Modified" not in api.get(f"{JOBS}{job.pk}/")
    monkeypatch.setattr(timezone, "now", lambda: second + timedelta(seconds=1))
    dated = api.get(f"{JOBS}{job.pk}/")
    assert dated["Last-Modified"] == http_date(second.timestamp())
    again = api.get(f"{JOBS}{job.pk}/", headers={"If-Modified-Since": dated["Last-Modified"]})
    assert again.status_code == 304


def test_retry__failed_job_is_queued_again_and_its_worker_woken(
    operator: APIClient, sent: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    job = failed()
    with django_capture_on_commit_callbacks(execute=True):
        response = operator.post(f"{JOBS}{job.pk}/retry/")
    assert response.status_code == 202
    assert response["Location"] == f"http://testserver{JOBS}{job.pk}/"
    assert response.json()["status"] == "queued"
    assert response.json()["error"] is None
    assert sent == [(job.pk, False)]


def test_retry__job_of_a_bulk_run_goes_to_the_bulk_queue(
    operator: APIClient, sent: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    job = failed()
    EnhancementJob.objects.update(bulk_run=BulkRun.objects.create())
    with django_capture_on_commit_callbacks(execute=True):
        operator.post(f"{JOBS}{job.pk}/retry/")
    assert sent == [(job.pk, True)]


def test_retry__job_of_a_replaced_photo_keeps_what_it_has_done(
    operator: APIClient, sent: list[Any]
) -> None:
    photo = builders.photo()
    job = builders.draft(photo).job
    photo.file = builders.upload(builders.picture((100, 100)))
    photo.save()
    sent.clear()
    problem = assert_problem(operator.post(f"{JOBS}{job.pk}/retry/"), 409, "invalid_transition")
    assert problem["detail"] == "The photo has been replaced since: run its own job."
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED
    assert sent == []


def test_retry__queued_job_is_a_conflict(operator: APIClient, sent: list[Any]) -> None:
    job = builders.job_of(builders.photo())
    assert_problem(operator.post(f"{JOBS}{job.pk}/retry/"), 409, "invalid_transition")
    assert sent == []


def test_cancel__queued_job(operator: APIClient) -> None:
    job = builders.job_of(builders.photo())
    response = operator.post(f"{JOBS}{job.pk}/cancel/")
    assert response.status_code == 200
    assert response.json()["status"] == "cancelled"
    assert response.json()["finished_at"]


def test_cancel__finished_job_is_a_conflict(operator: APIClient) -> None:
    job = failed()
    assert_problem(operator.post(f"{JOBS}{job.pk}/cancel/"), 409, "invalid_transition")
    job.refresh_from_db()
    assert job.state == JobState.FAILED


def test_detail__last_modified_follows_the_variants(api: APIClient) -> None:
    variant, old = builders.draft(), timezone.now() - timedelta(hours=2)
    moments = ("created_at", "run_after", "started_at", "finished_at")
    EnhancementJob.objects.update(**dict.fromkeys(moments, old), sent_at=None)
    decided = timezone.now() - timedelta(hours=1)
    EnhancedVariant.objects.update(updated_at=decided)
    found = api.get(f"{JOBS}{variant.job.pk}/")
    assert found["Last-Modified"] == http_date(decided.timestamp())
