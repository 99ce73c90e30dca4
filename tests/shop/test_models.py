"""The database refuses what the services never write: each constraint, violated once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from shopimg.models import (
    BulkRun,
    EnhancedVariant,
    EnhancementJob,
    IdempotencyKey,
    ReviewDecision,
)
from shopimg.services import reviews
from tests import builders

pytestmark = pytest.mark.django_db


def test_str__moments_are_local() -> None:
    moment = datetime(2026, 7, 1, 23, 30, tzinfo=UTC)
    reviews.approve(builders.draft(), by=builders.reviewer())
    decision = ReviewDecision.objects.get(decision="approve")
    decision.at = moment
    with timezone.override("Europe/Berlin"):
        assert str(decision) == "Approved · rosa · 2026-07-02 01:30"
        assert str(BulkRun(created_at=moment)) == "every recipe, 2026-07-02 01:30"


def test_job__once_per_content() -> None:
    job = builders.job_of(builders.photo())
    job.pk = None
    with pytest.raises(IntegrityError, match="shopimg_job_once_per_content"), transaction.atomic():
        job.save(force_insert=True)


@pytest.mark.parametrize("changes", [{"lease_owner": ""}, {"lease_until": None}])
def test_job__running_has_a_lease(changes: dict[str, Any]) -> None:
    builders.photo()
    values = {"state": "running", "lease_owner": "a", "lease_until": timezone.now(), **changes}
    with pytest.raises(IntegrityError, match="shopimg_running_job_has_lease"), transaction.atomic():
        EnhancementJob.objects.update(**values)


@pytest.mark.parametrize("state", ["failed", "quarantined"])
def test_job__failed_says_why(state: str) -> None:
    builders.photo()
    with pytest.raises(IntegrityError, match="shopimg_failed_job_says_why"), transaction.atomic():
        EnhancementJob.objects.update(state=state)


def test_variant__one_published_per_role() -> None:
    shown = reviews.approve(builders.draft(), by=builders.reviewer())
    shown.pk = None
    with (
        pytest.raises(IntegrityError, match="shopimg_one_published_per_role"),
        transaction.atomic(),
    ):
        shown.save(force_insert=True)
    shown.role = "another"
    shown.save(force_insert=True)


def test_variant__one_draft_per_job_role_and_candidate() -> None:
    draft = builders.draft()
    draft.pk = None
    with (
        pytest.raises(IntegrityError, match="shopimg_one_draft_per_candidate"),
        transaction.atomic(),
    ):
        draft.save(force_insert=True)


@pytest.mark.parametrize("state", ["approved", "published"])
@pytest.mark.parametrize("missing", ["approved_by", "approved_at"])
def test_variant__approved_by_somebody(state: str, missing: str) -> None:
    builders.draft()
    values = {
        "state": state,
        "approved_by": builders.reviewer(),
        "approved_at": timezone.now(),
        "published_at": timezone.now(),
        "published_name": "x",
        missing: None,
    }
    with pytest.raises(IntegrityError, match="shopimg_approved_by_somebody"), transaction.atomic():
        EnhancedVariant.objects.update(**values)


@pytest.mark.parametrize("changes", [{"published_at": None}, {"published_name": ""}])
def test_variant__published_has_a_file(changes: dict[str, Any]) -> None:
    reviews.approve(builders.draft(), by=builders.reviewer())
    with pytest.raises(IntegrityError, match="shopimg_published_has_file"), transaction.atomic():
        EnhancedVariant.objects.update(**changes)


def test_decision__rejection_has_a_reason() -> None:
    draft = builders.draft()
    decision = ReviewDecision(variant=draft, decision="reject", digest=draft.digest)
    with pytest.raises(IntegrityError, match="shopimg_rejection_has_reason"), transaction.atomic():
        decision.save()


def test_decision__saved_again_is_refused() -> None:
    reviews.approve(builders.draft(), by=builders.reviewer())
    decision = ReviewDecision.objects.latest("at")
    with pytest.raises(IntegrityError, match="shopimg_reviewdecision_pkey"), transaction.atomic():
        decision.save()


def test_idempotency_key__once_per_user() -> None:
    job, rosa = builders.job_of(builders.photo()), builders.reviewer()
    IdempotencyKey.objects.create(user=rosa, key="k", request_digest="d", job=job)
    other = IdempotencyKey(user=rosa, key="k", request_digest="e", job=job)
    with pytest.raises(IntegrityError, match="shopimg_idempotency_key_once"), transaction.atomic():
        other.save()


def test_job__long_names_fit() -> None:
    builders.photo()
    EnhancementJob.objects.update(source_name="x" * 1024, source_id="y" * 255)
    assert len(EnhancementJob.objects.get().source_name) == 1024
