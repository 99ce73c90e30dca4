"""A host with ``ATOMIC_REQUESTS``: what an answer tells is what the database holds afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.urls import reverse

from shopimg import storage
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.states import JobState, ReviewState
from tests import builders
from tests.shop.api_client import JOBS, assert_problem, at, client

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _atomic_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)


@pytest.fixture
def transactions(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return whether a transaction was open at each copy to the public storage."""
    seen: list[bool] = []
    copy = storage.publish_copy

    def look_first(*args: Any) -> str:
        seen.append(connection.in_atomic_block)
        return copy(*args)

    monkeypatch.setattr(storage, "publish_copy", look_first)
    return seen


def test_refused_upload__the_job_that_is_named_is_there() -> None:
    photo = builders.photo(b"")
    EnhancementJob.objects.all().delete()
    body = {"source": "testapp.Photo", "id": str(photo.pk)}
    response = client("integration").post(JOBS, body, format="json")
    named = assert_problem(response, 422, "source_unreadable")["job"]
    assert EnhancementJob.objects.get(pk=named).state == JobState.FAILED


def test_approve__stands_as_told_where_the_storage_is_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> str:
        raise OSError("bucket is full")

    monkeypatch.setattr(storage, "publish_copy", refuse)
    variant = builders.draft()
    response = client("editor").post(at(variant, "approve"))
    told = assert_problem(response, 503, "capacity")["current"]
    assert (told["status"], told["version"]) == ("approved", 2)
    now = EnhancedVariant.objects.get()
    assert (now.state, now.version) == (ReviewState.APPROVED, 2)
    assert now.decisions.count() == 1


def test_approve__is_certain_before_the_api_makes_a_file_public(transactions: list[bool]) -> None:
    assert client("editor").post(at(builders.draft(), "approve")).status_code == 200
    assert transactions == [False]


def test_approve__is_certain_before_the_review_page_makes_a_file_public(
    transactions: list[bool],
) -> None:
    variant = builders.draft()
    address = reverse("admin:shopimg_enhancedvariant_approve", args=[variant.pk])
    builders.client_of(builders.reviewer()).post(address, {"version": variant.version})
    assert EnhancedVariant.objects.get().state == ReviewState.PUBLISHED
    assert transactions == [False]


def test_approve__is_certain_before_the_queue_makes_a_file_public(
    transactions: list[bool],
) -> None:
    drafts = [builders.draft() for _ in range(2)]
    form = {
        "action": "approve_selected",
        "_selected_action": [draft.pk for draft in drafts],
        "confirmed": "yes",
        **{f"version-{draft.pk}": draft.version for draft in drafts},
    }
    address = reverse("admin:shopimg_enhancedvariant_changelist")
    builders.client_of(builders.reviewer()).post(address, form)
    assert EnhancedVariant.objects.published().count() == 2
    assert transactions == [False, False]
