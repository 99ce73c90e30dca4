"""Requests that arrive at the same moment, on a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from shopimg import wakeup
from shopimg.models import EnhancedVariant, EnhancementJob, IdempotencyKey, ReviewDecision
from shopimg.services import photographs, requests
from shopimg.states import Decision
from tests import builders
from tests.racing import at_once
from tests.shop.api_client import ROOT, client, user
from tests.testapp.models import Photo

pytestmark = pytest.mark.django_db(transaction=True)


def meeting(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
    """Let two callers of a function wait for each other before either goes on."""
    barrier, original = threading.Barrier(2, timeout=20), getattr(module, name)

    def wait_first(*args: Any, **kwargs: Any) -> Any:
        barrier.wait()
        return original(*args, **kwargs)

    monkeypatch.setattr(module, name, wait_first)


def create(somebody: User, image: Any) -> Callable[[], Any]:
    return lambda: client(somebody).post(
        f"{ROOT}jobs/",
        {"source": "testapp.Photo", "id": str(image.pk)},
        format="json",
        headers={"Idempotency-Key": "once"},
    )


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    messages: list[Any] = []
    monkeypatch.setattr(wakeup, "send", lambda job, *, bulk=False: messages.append(job))
    return messages


def test_create__same_key_and_body_at_once_is_one_job_and_one_message(
    monkeypatch: pytest.MonkeyPatch, sent: list[Any]
) -> None:
    image, robot = builders.photo(), user("integration")
    EnhancementJob.objects.all().delete()
    sent.clear()
    meeting(monkeypatch, requests, "request_enhancement")
    answers = at_once(create(robot, image), create(robot, image))
    assert [answer.status_code for answer in answers] == [202, 202]
    job = EnhancementJob.objects.get()
    assert {answer.json()["id"] for answer in answers} == {str(job.pk)}
    assert sorted("Idempotency-Replayed" in answer for answer in answers) == [False, True]
    assert IdempotencyKey.objects.count() == 1
    assert sent == [job.pk]


def test_approve__photo_that_is_deleted_after_it_was_looked_at_is_told(
    settings: Any,
) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "PUBLISH_ON_APPROVAL": False}
    variant = builders.draft()
    looked: list[str] = []

    def delete_after(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if f'FROM "{Photo._meta.db_table}"' in sql and not looked:
            looked.append(sql)
            at_once(lambda: Photo.objects.all()._raw_delete("default"))
        return result

    reviewer = client(user("reviewer"))
    with connection.execute_wrapper(delete_after):
        answer = reviewer.post(f"{ROOT}variants/{variant.pk}/approve/")
    assert looked
    assert (answer.status_code, answer.json()["code"]) == (409, "invalid_transition")
    assert "deleted" in answer.json()["detail"]


def test_create__same_key_with_two_bodies_at_once_creates_one_of_them(
    monkeypatch: pytest.MonkeyPatch, sent: list[Any]
) -> None:
    images, robot = [builders.photo(), builders.photo()], user("integration")
    EnhancementJob.objects.all().delete()
    sent.clear()
    meeting(monkeypatch, requests, "request_enhancement")
    answers = at_once(*(create(robot, image) for image in images))
    assert sorted(answer.status_code for answer in answers) == [202, 422]
    assert [job.pk for job in EnhancementJob.objects.all()] == sent


@pytest.mark.parametrize("headers", [{}, {"If-Match": '"1-any"'}])
def test_approve__two_reviewers_at_once_one_wins_and_the_other_is_told(
    monkeypatch: pytest.MonkeyPatch, settings: Any, headers: dict[str, str]
) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "PUBLISH_ON_APPROVAL": False}
    variant = builders.draft()
    people = [user("reviewer", name) for name in ("rosa", "max")]
    meeting(monkeypatch, photographs, "refuse_overwritten")

    def approve(somebody: User) -> Callable[[], Any]:
        address = f"{ROOT}variants/{variant.pk}/approve/"
        return lambda: client(somebody).post(address, headers=headers)

    answers = at_once(*(approve(somebody) for somebody in people))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    winner = EnhancedVariant.objects.get().approved_by
    (lost,) = [answer.json() for answer in answers if answer.status_code == 409]
    assert winner is not None
    assert lost["current"]["last_decision"]["by"] == winner.get_username()
    decision = ReviewDecision.objects.get()
    assert (decision.decision, decision.by) == (Decision.APPROVE, winner)
