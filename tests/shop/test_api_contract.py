"""What the API really answers is what its OpenAPI document says."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from rest_framework.test import APIClient

from shopimg.models import BulkRun, EnhancementJob
from shopimg.services import publishing, reviews
from tests import builders
from tests.shop.api_client import ROOT, client, user

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document as the API serves it, with its null values as JSON Schema writes them."""
    response = client().get(f"{ROOT}schema/", headers={"Accept": "application/json"})
    loaded: dict[str, Any] = _with_nulls(response.json())
    return loaded


def _with_nulls(node: Any) -> Any:
    """Turn OpenAPI 3.0's ``nullable`` into a choice that JSON Schema understands."""
    if isinstance(node, list):
        return [_with_nulls(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    rest = {name: _with_nulls(entry) for name, entry in node.items() if name != "nullable"}
    return {"anyOf": [rest, {"type": "null"}]} if node.get("nullable") is True else rest


@pytest.fixture
def api() -> APIClient:
    somebody = user("plain", "chief")
    somebody.is_superuser = True
    somebody.save()
    return client(somebody)


def described(document: dict[str, Any], path: str, method: str, response: Any) -> int:
    """Return the status of an answer that is what the document says of its operation and status.

    Raises:
        jsonschema.ValidationError: it is something else.
    """
    answers = document["paths"][path][method]["responses"]
    content = answers[str(response.status_code)]["content"]
    media_type = response["Content-Type"].split(";")[0]
    schema = content[media_type]["schema"]
    jsonschema.validate(
        response.json(),
        {**schema, "components": document["components"]},
        format_checker=jsonschema.FormatChecker(),
    )
    return int(response.status_code)


def test_images__are_as_described(api: APIClient, document: dict[str, Any]) -> None:
    shown, plain = builders.photo(), builders.photo()
    (variant,) = builders.finished(shown, [builders.enhanced((1000, 750))])
    publishing.make_renditions(reviews.approve(variant, by=builders.reviewer()))
    root = f"{ROOT}images/testapp.photo/"
    detail = "/images/{model}/{id}/"
    assert described(document, detail, "get", api.get(f"{root}{shown.pk}/")) == 200
    assert described(document, detail, "get", api.get(f"{root}{plain.pk}/")) == 200
    assert described(document, detail, "get", api.get(f"{root}0/")) == 404
    listed = api.get(f"{root}?id={shown.pk}&id={plain.pk}")
    assert described(document, "/images/{model}/", "get", listed) == 200
    assert described(document, "/images/{model}/", "get", api.get(root)) == 400


def test_jobs__are_as_described(api: APIClient, document: dict[str, Any]) -> None:
    variant = builders.draft()
    body = {"source": "testapp.Photo", "id": variant.source_id}
    job = f"{ROOT}jobs/{variant.job_id}/"
    assert described(document, "/jobs/", "get", api.get(f"{ROOT}jobs/")) == 200
    assert (
        described(document, "/jobs/", "post", api.post(f"{ROOT}jobs/", body, format="json")) == 202
    )
    assert described(document, "/jobs/", "post", api.post(f"{ROOT}jobs/", {}, format="json")) == 400
    assert described(document, "/jobs/{id}/", "get", api.get(job)) == 200
    assert described(document, "/jobs/{id}/retry/", "post", api.post(f"{job}retry/")) == 202
    assert described(document, "/jobs/{id}/cancel/", "post", api.post(f"{job}cancel/")) == 200
    assert described(document, "/jobs/{id}/cancel/", "post", api.post(f"{job}cancel/")) == 409


def test_refused_upload__is_as_described(api: APIClient, document: dict[str, Any]) -> None:
    image = builders.photo(b"nothing")
    body = {"source": "testapp.Photo", "id": str(image.pk)}
    response = api.post(f"{ROOT}jobs/", body, format="json")
    assert described(document, "/jobs/", "post", response) == 422


def test_variants__are_as_described(api: APIClient, document: dict[str, Any]) -> None:
    first, second = builders.draft(), builders.draft()
    first_steps, second_steps = ("approve", "rollback", "restore"), ("approve", "withdraw")
    for variant, steps in ((first, first_steps), (second, second_steps)):
        assert (
            described(document, "/variants/{id}/", "get", api.get(f"{ROOT}variants/{variant.pk}/"))
            == 200
        )
        for step in steps:
            response = api.post(f"{ROOT}variants/{variant.pk}/{step}/")
            assert described(document, f"/variants/{{id}}/{step}/", "post", response) == 200
            conflict = api.post(f"{ROOT}variants/{variant.pk}/{step}/")
            assert described(document, f"/variants/{{id}}/{step}/", "post", conflict) == 409
    assert described(document, "/variants/", "get", api.get(f"{ROOT}variants/")) == 200
    draft = builders.draft()
    rejected = api.post(f"{ROOT}variants/{draft.pk}/reject/", {"reason": "text"}, format="json")
    assert described(document, "/variants/{id}/reject/", "post", rejected) == 200


def test_scenes__are_as_described(api: APIClient, document: dict[str, Any]) -> None:
    first, *_others = builders.scenes()
    address = f"{ROOT}variants/{first.pk}/"
    assert described(document, "/variants/{id}/", "get", api.get(address)) == 200
    for mask, status in ((builders.mask(), 202), (b"nothing", 422)):
        sent = api.generic("POST", f"{address}mask/", mask, content_type="image/png")
        assert described(document, "/variants/{id}/mask/", "post", sent) == status
    body = {"source": "testapp.Photo", "id": first.source_id, "recipe": "scene"}
    for seed, status in ((3, 202), (-1, 400)):
        asked = {**body, "options": {"background.seed": seed}}
        answer = api.post(f"{ROOT}jobs/", asked, format="json")
        assert described(document, "/jobs/", "post", answer) == status


def test_bulk_runs__are_as_described(api: APIClient, document: dict[str, Any]) -> None:
    builders.photo()
    run = BulkRun.objects.create(filters={"model": None})
    EnhancementJob.objects.update(bulk_run=run)
    assert described(document, "/bulk-runs/", "get", api.get(f"{ROOT}bulk-runs/")) == 200
    for body, status in (
        ({}, 202),
        ({"dry_run": True}, 200),
        ({"limit": 0}, 400),
        ({"model": "testapp.Photo", "ids": ["0"]}, 404),
    ):
        answer = api.post(f"{ROOT}bulk-runs/", body, format="json")
        assert described(document, "/bulk-runs/", "post", answer) == status
    address = f"{ROOT}bulk-runs/{run.pk}/"
    assert described(document, "/bulk-runs/{id}/", "get", api.get(address)) == 200
    for status in (200, 409):
        answer = api.post(f"{address}cancel/")
        assert described(document, "/bulk-runs/{id}/cancel/", "post", answer) == status
