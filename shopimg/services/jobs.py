"""The life of a job: claimed under a lease, kept alive, finished once, or put back."""

from __future__ import annotations

import hashlib
import logging
import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.db.models import Case, F, When
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from shopimg import inspection, signals, sources
from shopimg.conf import settings
from shopimg.contract import (
    EnhancedImage,
    EnhancementError,
    InvalidTransitionError,
    JobSupersededError,
    Recipe,
    SourceMissingError,
    StorageUnavailableError,
    WorkerError,
)
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.services import results
from shopimg.states import OPEN_JOBS, RETRYABLE_JOBS, JobState

if TYPE_CHECKING:
    from shopimg.querysets import EnhancementJobQuerySet

logger = logging.getLogger(__name__)

_NO_LEASE: dict[str, Any] = {"lease_owner": "", "lease_until": None}
_NO_ERROR: dict[str, Any] = {"error_code": "", "error_message": "", "error_detail": ""}
_GIVEN_UP = (
    "The worker failed in every attempt. An operator has to look, and can run the job again."
)
_CLOCKS_APART = timedelta(seconds=5)
_LONGEST_OUTAGE = timedelta(days=1)
_OUTAGE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a job, until the lease ends."""

    job: EnhancementJob
    owner: str

    @property
    def recipe(self) -> Recipe:
        """The recipe as it was asked for."""
        return Recipe.parse(self.job.recipe, self.job.recipe_table)


def claim(job_id: uuid.UUID | str) -> Claim | None:
    """Take a due job, counting the attempt before any pixel is touched.

    Returns:
        None where somebody else has it or there is nothing to do.
    """
    owner = uuid.uuid4().hex
    claimed = (
        # The moment was written by the clock of another machine, and its message comes once.
        EnhancementJob.objects.claimable(_CLOCKS_APART)
        .filter(pk=job_id)
        .update(
            state=JobState.RUNNING,
            attempts=F("attempts") + 1,
            started_at=timezone.now(),
            finished_at=None,
            lease_owner=owner,
            lease_until=_lease_end(),
        )
    )
    return Claim(EnhancementJob.objects.get(pk=job_id), owner) if claimed else None


def keep_alive(claim: Claim) -> None:
    """Extend the lease.

    Raises:
        JobSupersededError: the job belongs to somebody else now.
    """
    held = EnhancementJob.objects.held_by(claim.owner).filter(pk=claim.job.pk)
    if not held.update(lease_until=_lease_end()):
        raise JobSupersededError


def read_source(claim: Claim) -> bytes:
    """Return the upload that the job is about.

    Raises:
        SourceError: the image or its file is gone, or the file is not acceptable.
        JobSupersededError: the file is another one by now.
        StorageUnavailableError: it may have the file.
    """
    instance = current_source(claim.job)
    data = sources.read_bytes(sources.source_for(type(instance)), instance)
    if hashlib.sha256(data).hexdigest() != claim.job.source_digest:
        raise JobSupersededError
    # Again: an operator may have retried a job that was refused.
    inspection.check_output(inspection.inspect(data, claim.job.source_name), claim.recipe)
    return data


def current_source(job: EnhancementJob) -> models.Model:
    """Return the image that a job is about.

    Raises:
        SourceMissingError: it is gone.
    """
    instance = job.source
    if not isinstance(instance, models.Model):
        raise SourceMissingError
    return instance


def finish(
    claim: Claim, images: Sequence[EnhancedImage], problem: EnhancementError | None = None
) -> list[EnhancedVariant]:
    """Store the results as drafts and end the job, if the claim still holds.

    Files come first: a crash in between leaves files that nobody refers to, which the clean-up
    removes, and never a row without its file.

    Args:
        claim: from ``claim``.
        images: what was made.
        problem: why that is not all that the recipe asks for; the job fails by it.

    Raises:
        JobSupersededError: the job was cancelled or taken over; nothing was recorded.
        StorageUnavailableError: the storage did not take the files.
    """
    try:
        variants = [results.stored(claim.job, image) for image in images]
    except OSError as err:
        raise StorageUnavailableError(detail=f"draft storage: {err}") from err
    outcome: dict[str, Any] = {"state": JobState.SUCCEEDED}
    if problem is not None:
        outcome = {"state": JobState.FAILED, **error_columns(problem)}
    with transaction.atomic():
        _end(claim, **outcome, timings=results.timings(images))
        _check_source_unchanged(claim.job)
        results.place(claim.job, variants)
    return variants


def fail(claim: Claim, error: EnhancementError) -> bool:
    """Record why an attempt failed; put the job back if another attempt may help.

    Returns:
        False where the claim no longer holds: then nothing was changed.
    """
    try:
        with transaction.atomic():
            _end(claim, **{**error_columns(error), **_after(claim.job, error)})
    except JobSupersededError:
        logger.info("job %s was taken over; its error is dropped: %s", claim.job.pk, error)
        return False
    if claim.job.state == JobState.QUARANTINED:
        _log_given_up(claim.job)
    return True


def error_columns(error: EnhancementError) -> dict[str, str]:
    """Return an error as the columns of a job; PostgreSQL stores no NUL characters."""
    return {
        "error_code": error.code,
        "error_message": error.public_message.replace("\0", ""),
        "error_detail": error.detail.replace("\0", "")[:2000],
    }


def cancel(job: EnhancementJob) -> None:
    """Stop a job that is not over.

    Raises:
        InvalidTransitionError: it is over.
    """
    with transaction.atomic():
        updated = EnhancementJob.objects.filter(pk=job.pk, state__in=OPEN_JOBS).update(
            state=JobState.CANCELLED, finished_at=timezone.now(), **_NO_LEASE
        )
        _require(updated, job)
        signals.send_after_commit(signals.job_finished, job=job)


def cancel_superseded(rows: EnhancementJobQuerySet) -> None:
    """Stop the open ones among jobs that give way to others; call it in a transaction."""
    _cancel_open(rows, None, error_columns(JobSupersededError()))


def cancel_some(rows: EnhancementJobQuerySet, most: int) -> int:
    """Stop so many of the open ones among jobs, and return how many there were."""
    with transaction.atomic():
        return _cancel_open(rows, most, {})


def _cancel_open(rows: EnhancementJobQuerySet, most: int | None, why: Mapping[str, str]) -> int:
    """Stop jobs, locked in one order, so that no two callers block each other."""
    changes = {"state": JobState.CANCELLED, "finished_at": timezone.now(), **why, **_NO_LEASE}
    locked = list(rows.unfinished().select_for_update().order_by("pk")[:most])
    EnhancementJob.objects.filter(pk__in=[job.pk for job in locked]).update(**changes)
    for job in locked:
        for column, value in changes.items():
            setattr(job, column, value)
        signals.send_after_commit(signals.job_finished, job=job)
    return len(locked)


def retry(job: EnhancementJob, by: models.Model | None = None) -> None:
    """Queue a job that is over once more, with all its attempts; the caller wakes a worker.

    Somebody waits for it now, so that only jobs of a run go back to the bulk queue.

    Args:
        job: of any state.
        by: whose job it is from now on; by default whose it was.

    Raises:
        InvalidTransitionError: it is not over yet.
    """
    updated = EnhancementJob.objects.filter(pk=job.pk, state__in=RETRYABLE_JOBS).update(
        bulk=Case(When(bulk_run=None, then=False), default=True),
        **({"requested_by": by.pk} if by else {}),
        **requeued(),
    )
    _require(updated, job)


def requeued() -> dict[str, Any]:
    """Return the columns of a job that begins anew, with all its attempts."""
    now = timezone.now()
    again = {"state": JobState.QUEUED, "requested_at": now, "run_after": now, "sent_at": None}
    return {**again, "attempts": 0, **_NO_ERROR}


def take_back_expired() -> int:
    """Put jobs of dead workers back into the queue; quarantine those out of attempts.

    Returns:
        How many jobs were taken back.
    """
    expired = EnhancementJob.objects.expired()
    spent = expired.filter(attempts__gte=settings.MAX_ATTEMPTS)
    quarantined = sum(map(_quarantine, spent))
    left = expired.filter(attempts__lt=settings.MAX_ATTEMPTS)
    for job in left.only("attempts"):
        logger.warning(
            "job %s, attempt %d: its worker died or hung; it is queued again", job.pk, job.attempts
        )
    return quarantined + left.update(
        state=JobState.QUEUED, run_after=Now(), sent_at=None, **_NO_LEASE
    )


def _after(job: EnhancementJob, error: EnhancementError) -> dict[str, Any]:
    """Decide what becomes of a job whose attempt ended in an error, in the columns of its row."""
    now = timezone.now()
    if isinstance(error, JobSupersededError):
        return {"state": JobState.CANCELLED}
    if not error.retryable:
        return {"state": JobState.FAILED}
    again: dict[str, Any] = {"state": JobState.QUEUED, "sent_at": None}
    if isinstance(error, StorageUnavailableError) and now - job.requested_at < _LONGEST_OUTAGE:
        # The picture is not to blame: an outage of minutes must not use up what is meant for
        # pictures that kill their workers, or every job of that time would be given up.
        wait = timedelta(seconds=random.uniform(0, _OUTAGE_SECONDS))  # noqa: S311  # not a secret
        return again | {"run_after": now + wait, "attempts": F("attempts") - 1}
    if job.attempts < settings.MAX_ATTEMPTS:
        return again | {"run_after": now + backoff(job.attempts)}
    return {"state": JobState.QUARANTINED, "error_message": _GIVEN_UP}


def backoff(attempts: int) -> timedelta:
    """Return a random wait before the next attempt ("full jitter"), doubling with each one."""
    longest = settings.RETRY_SECONDS * 2 ** (attempts - 1)
    return timedelta(seconds=random.uniform(0, longest))  # noqa: S311  # not a secret


def _quarantine(job: EnhancementJob) -> int:
    """Give up on a job whose worker died in every attempt, unless it shows a sign of life."""
    error = WorkerError(detail="The worker died or hung in every attempt.")
    with transaction.atomic():
        held = EnhancementJob.objects.expired().filter(pk=job.pk, attempts=job.attempts)
        updated = held.update(
            state=JobState.QUARANTINED,
            finished_at=timezone.now(),
            **{**error_columns(error), "error_message": _GIVEN_UP},
            **_NO_LEASE,
        )
        if updated:
            job.refresh_from_db()
            _log_given_up(job)
            signals.send_after_commit(signals.job_finished, job=job)
    return updated


def _log_given_up(job: EnhancementJob) -> None:
    logger.error(
        "job %s is quarantined after %d attempts, %s: %s",
        *(job.pk, job.attempts, job.source_name, job.error_detail),
    )


def _end(claim: Claim, **changes: Any) -> None:
    changes = {"finished_at": timezone.now(), **_NO_ERROR, **_NO_LEASE, **changes}
    held = EnhancementJob.objects.held_by(claim.owner).filter(pk=claim.job.pk)
    if not held.update(**changes):
        raise JobSupersededError
    claim.job.refresh_from_db()
    if claim.job.state not in OPEN_JOBS:
        signals.send_after_commit(signals.job_finished, job=claim.job)


def _check_source_unchanged(job: EnhancementJob) -> None:
    """Raise, and so roll back, if the image got another file behind the hook's back."""
    instance = current_source(job)
    if sources.source_for(type(instance)).file_of(instance).name != job.source_name:
        raise JobSupersededError


def _lease_end() -> CombinedExpression:
    """By the clock of the database, the only one that workers and sweepers share."""
    return Now() + timedelta(seconds=settings.LEASE_SECONDS)


def _require(updated: int, job: EnhancementJob) -> None:
    job.refresh_from_db()
    if not updated:
        state = job.get_state_display()
        raise InvalidTransitionError(_("The state of the job is: %(state)s.") % {"state": state})
