"""Jobs that run again: by themselves, after a wait, or because somebody asks."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from shopimg.contract import (
    EnhancementError,
    InvalidTransitionError,
)
from shopimg.models import EnhancementJob
from shopimg.services import jobs
from tests import builders

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("attempts", "longest"), [(1, 20), (2, 40), (3, 80)])
def test_backoff__is_spread_over_a_time_that_doubles(attempts: int, longest: int) -> None:
    waits = [jobs.backoff(attempts).total_seconds() for _ in range(300)]
    assert 0 <= min(waits) < longest / 4
    assert longest * 3 / 4 < max(waits) <= longest


@pytest.mark.parametrize("state", ["succeeded", "failed", "quarantined", "cancelled"])
def test_retry__gives_all_attempts_again(state: str) -> None:
    job = builders.job_of(builders.photo())
    EnhancementJob.objects.update(state=state, error_code="x", attempts=3, sent_at=timezone.now())
    jobs.retry(job)
    assert (job.state, job.attempts, job.error_code, job.sent_at) == ("queued", 0, "", None)
    assert jobs.claim(job.pk) is not None


def test_retry__of_an_open_job_is_refused() -> None:
    claim = jobs.claim(builders.job_of(builders.photo()).pk)
    assert claim is not None
    with pytest.raises(InvalidTransitionError, match=r"The state of the job is: Running\."):
        jobs.retry(claim.job)
    assert EnhancementJob.objects.filter(attempts=F("attempts"), state="running").exists()


def test_retry__of_a_refused_upload_is_refused_again() -> None:
    job = builders.job_of(builders.photo(builders.picture((8, 8))))
    jobs.retry(job)
    claim = jobs.claim(job.pk)
    assert claim is not None
    with pytest.raises(EnhancementError, match="at least 16 pixels"):
        jobs.read_source(claim)


def test_take_back__lets_the_job_be_sent_again_at_once() -> None:
    job = builders.job_of(builders.photo())
    jobs.claim(job.pk)
    now = timezone.now()
    EnhancementJob.objects.update(sent_at=now, lease_until=now - timedelta(seconds=1))
    assert jobs.take_back_expired() == 1
    job.refresh_from_db()
    assert job.sent_at is None
