"""Idempotency-Keys end after a day, whether the clean-up has come by or not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.utils import timezone

from shopimg.models import BulkRun, EnhancementJob, IdempotencyKey
from shopimg.services import idempotency
from tests import builders

pytestmark = pytest.mark.django_db

DAY = timedelta(hours=24)


@pytest.fixture
def rosa() -> User:
    return User.objects.create_user("rosa")


def _once(user: User, key: str = "1") -> idempotency.Outcome[BulkRun]:
    request = idempotency.Request(user, key, {"force": True})
    return idempotency.once(request, BulkRun, BulkRun.objects.create)


def _age(by: timedelta, key: str = "1") -> None:
    IdempotencyKey.objects.filter(key=key).update(created_at=timezone.now() - by)


def test_once__key_that_has_expired_may_be_used_again(rosa: User) -> None:
    first = _once(rosa)
    _age(DAY - timedelta(minutes=1))
    assert _once(rosa) == idempotency.Outcome(first.made, replayed=True)
    _age(DAY + timedelta(seconds=1))
    second = _once(rosa)
    assert not second.replayed
    assert second.made != first.made
    assert IdempotencyKey.objects.get().bulk_run == second.made


def test_cleanup__deletes_what_has_expired_and_nothing_else(rosa: User) -> None:
    for key in ("old", "young"):
        _once(rosa, key)
    _age(DAY + timedelta(seconds=1), "old")
    call_command("shopimg_cleanup", "--dry-run")
    assert IdempotencyKey.objects.count() == 2
    call_command("shopimg_cleanup")
    assert IdempotencyKey.objects.get().key == "young"
    assert BulkRun.objects.count() == 2


@pytest.mark.parametrize("both", [False, True])
def test_key__stands_for_one_thing(rosa: User, *, both: bool) -> None:
    made = {"job": builders.job_of(builders.photo()), "bulk_run": BulkRun.objects.create()}
    given = made if both else {}
    key = IdempotencyKey(user=rosa, key="1", request_digest="x", **given)
    with pytest.raises(IntegrityError, match="key_for_one"), transaction.atomic():
        key.save()
    assert EnhancementJob.objects.count() == 1
