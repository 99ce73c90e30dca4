"""Job and review states and their allowed transitions, as data."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import models
from django.utils.translation import gettext_lazy as _


class JobState(models.TextChoices):
    """Where a job is."""

    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    QUARANTINED = "quarantined", _("Quarantined")
    CANCELLED = "cancelled", _("Cancelled")


class ReviewState(models.TextChoices):
    """Where a variant is between the worker and the shopper."""

    AWAITING_REVIEW = "awaiting_review", _("Awaiting review")
    APPROVED = "approved", _("Approved")
    REJECTED = "rejected", _("Rejected")
    PUBLISHED = "published", _("Published")
    SUPERSEDED = "superseded", _("Superseded")


class Decision(models.TextChoices):
    """What a person decided about a variant."""

    APPROVE = "approve", _("Approved")
    REJECT = "reject", _("Rejected")
    PUBLISH = "publish", _("Published")
    WITHDRAW = "withdraw", _("Withdrawn")
    ROLLBACK = "rollback", _("Rolled back to")


class RejectReason(models.TextChoices):
    """Why a variant was rejected."""

    COLOUR = "colour", _("Colour changed")
    TEXT = "text", _("Text or logo changed")
    ARTEFACTS = "artefacts", _("Artefacts or plastic look")
    BLURRY = "blurry", _("Still blurry or noisy")
    SHAPE = "shape", _("Product changed")
    OTHER = "other", _("Other")


class RunState(models.TextChoices):
    """Where a bulk run is."""

    QUEUEING = "queueing", _("Queueing")
    QUEUED = "queued", _("All queued")
    INTERRUPTED = "interrupted", _("Interrupted")


JOB_TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED}),
    JobState.RUNNING: frozenset(
        {
            JobState.SUCCEEDED,
            JobState.FAILED,
            JobState.QUARANTINED,
            JobState.QUEUED,
            JobState.CANCELLED,
        }
    ),
    JobState.SUCCEEDED: frozenset({JobState.QUEUED}),
    JobState.FAILED: frozenset({JobState.QUEUED}),
    JobState.QUARANTINED: frozenset({JobState.QUEUED}),
    JobState.CANCELLED: frozenset({JobState.QUEUED}),
}
"""From -> to; anything else is an ``InvalidTransitionError``."""

REVIEW_TRANSITIONS: Mapping[ReviewState, frozenset[ReviewState]] = {
    ReviewState.AWAITING_REVIEW: frozenset(
        {ReviewState.APPROVED, ReviewState.REJECTED, ReviewState.SUPERSEDED}
    ),
    ReviewState.APPROVED: frozenset({ReviewState.PUBLISHED, ReviewState.SUPERSEDED}),
    ReviewState.REJECTED: frozenset(),
    ReviewState.PUBLISHED: frozenset({ReviewState.SUPERSEDED}),
    ReviewState.SUPERSEDED: frozenset({ReviewState.PUBLISHED}),
}
"""From -> to; a superseded variant may return only if it had been approved."""

OPEN_JOBS = frozenset({JobState.QUEUED, JobState.RUNNING})
"""Jobs that still have something to do."""

RETRYABLE_JOBS = frozenset(s for s, to in JOB_TRANSITIONS.items() if JobState.QUEUED in to) - {
    JobState.RUNNING
}
"""Jobs that an operator may run again."""
