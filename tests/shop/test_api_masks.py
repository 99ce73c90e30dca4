"""The REST API of corrected masks: who may see and send them, and what is refused."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from shopimg.models import EnhancedVariant, EnhancementJob
from tests import builders
from tests.shop.api_client import GROUPS, ROOT, assert_problem, at, client, user

pytestmark = pytest.mark.django_db

CORRECTED = builders.mask(box=(8, 8, 56, 40))


def upload(api: APIClient, variant: EnhancedVariant, content: bytes = CORRECTED) -> Any:
    return api.generic("POST", at(variant, "mask"), content, content_type="image/png")


def test_mask__is_served_to_those_who_may_see_the_variant(reviewer: APIClient) -> None:
    first, *_others = builders.scenes()
    response = reviewer.get(at(first, "mask"))
    assert (response.status_code, response["Content-Type"]) == (200, "image/png")
    assert response["Cache-Control"] == "private, no-store"
    assert response.content == builders.mask()
    draft = builders.draft()
    assert_problem(reviewer.get(at(draft, "mask")), 404, "not_found")
    assert reviewer.get(at(draft)).json()["mask_url"] is None


@pytest.mark.parametrize("form", [False, True])
def test_mask__corrected_gives_a_job(reviewer: APIClient, form: bool) -> None:
    first, *_others = builders.scenes()
    if form:
        file = SimpleUploadedFile("mug.png", CORRECTED, "image/png")
        response = reviewer.post(at(first, "mask"), {"mask": file}, format="multipart")
    else:
        response = upload(reviewer, first)
    assert response.status_code == 202
    job = EnhancementJob.objects.get(pk=response.json()["id"])
    assert response["Location"] == response.json()["result_url"]
    assert response["Location"].endswith(f"/jobs/{job.pk}/")
    assert job.requested_by is not None
    assert job.recipe_table["scene"]["steps"][2]["mask"]
    assert upload(reviewer, first).json()["id"] == str(job.pk)


def test_mask__wrong_one_is_refused(reviewer: APIClient) -> None:
    first, *_others = builders.scenes()
    count = EnhancementJob.objects.count()
    for content in (b"\x89PNG\r\n\x1a\n", builders.picture(), builders.mask((48, 64))):
        assert_problem(upload(reviewer, first, content), 422, "mask_invalid")
    for name, content in (("mask", b""), ("picture", CORRECTED)):
        file = SimpleUploadedFile("mug.png", content, "image/png")
        response = reviewer.post(at(first, "mask"), {name: file}, format="multipart")
        problem = assert_problem(response, 400, "invalid")
        assert problem["errors"][0]["field"] == name
    assert_problem(upload(reviewer, builders.draft()), 400, "recipe_invalid")
    as_json = reviewer.post(at(first, "mask"), {"mask": "x"}, format="json")
    assert_problem(as_json, 415, "unsupported_media_type")
    assert EnhancementJob.objects.count() == count + 1  # the one of the draft


@pytest.mark.parametrize("form", [False, True])
def test_mask__too_heavy_is_refused_before_it_is_kept(
    reviewer: APIClient, monkeypatch: Any, form: bool
) -> None:
    first, *_others = builders.scenes()
    monkeypatch.setattr("shopimg.services.masks.MAX_BYTES", 99)
    monkeypatch.setattr("shopimg.api.parsers.MAX_BODY_BYTES", 0)
    file = SimpleUploadedFile("mug.png", b"x" * 100, "image/png")
    address = at(first, "mask")
    response = (
        reviewer.post(address, {"mask": file}, format="multipart")
        if form
        else upload(reviewer, first, b"x" * 100)
    )
    assert_problem(response, 413, "body_too_large")


def test_mask__whose_length_is_no_number_is_refused(reviewer: APIClient) -> None:
    first, *_others = builders.scenes()
    file = SimpleUploadedFile("mug.png", CORRECTED, "image/png")
    address = at(first, "mask")
    response = reviewer.post(address, {"mask": file}, format="multipart", CONTENT_LENGTH="many")
    assert_problem(response, 400, "invalid")


def test_mask__of_a_photo_that_was_replaced_is_a_conflict(reviewer: APIClient) -> None:
    first, *_others = builders.scenes()
    photo = first.source
    photo.file = builders.upload(builders.picture(colour=(1, 1, 1)))
    photo.save()
    assert_problem(upload(reviewer, first), 409, "invalid_transition")


def test_mask__quota_holds(settings: Any) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "API_OPEN_JOBS_PER_USER": 1}
    first, *_others = builders.scenes()
    api = client("reviewer")
    assert upload(api, first).status_code == 202
    assert_problem(upload(api, first, builders.mask()), 429, "quota_exceeded")


@pytest.mark.parametrize("who", [None, *GROUPS])
def test_mask__every_cell_of_the_matrix(who: str | None) -> None:
    first, *_others = builders.scenes()
    count = EnhancementJob.objects.count()
    api = client(who)
    read = api.get(at(first, "mask"))
    written = upload(api, first)
    may_read = who in {"viewer", "reviewer", "publisher", "editor"}
    may_write = who in {"reviewer", "editor"}
    assert read.status_code == (200 if may_read else 403)
    assert written.status_code == (202 if may_write else 403)
    assert EnhancementJob.objects.count() == count + may_write


def test_mask__of_other_merchants_does_not_exist(settings: Any) -> None:
    from tests.testapp.models import OwnedPhoto

    settings.SHOPIMG = {**settings.SHOPIMG, "SCOPE": "tests.testapp.scope.own_photos"}
    other = user("plain", "other")
    theirs = builders.scenes(OwnedPhoto.objects.create(owner=other, file=builders.upload()))[0]
    api = client("editor")
    assert_problem(api.get(at(theirs, "mask")), 404, "not_found")
    assert_problem(upload(api, theirs), 404, "not_found")
    for key in (uuid.UUID(int=0), "7", "%00"):
        assert_problem(api.get(f"{ROOT}variants/{key}/mask/"), 404, "not_found")
