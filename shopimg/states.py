"""Job and review states, as data.

Which state may follow which is written where it is enforced: in the condition of each UPDATE in
``services/jobs.py``, ``services/reviews.py`` and ``services/publishing.py``.
"""

from __future__ import annotations

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
    CUTOUT = "cutout", _("Cut-out or background wrong")
    OTHER = "other", _("Other")


class RunState(models.TextChoices):
    """Where a bulk run is."""

    QUEUEING = "queueing", _("Queueing")
    QUEUED = "queued", _("All queued")
    FINISHED = "finished", _("Finished")
    INTERRUPTED = "interrupted", _("Interrupted")
    CANCELLED = "cancelled", _("Cancelled")


OPEN_JOBS = frozenset({JobState.QUEUED, JobState.RUNNING})
"""Jobs that still have something to do."""

OPEN_RUNS = frozenset({RunState.QUEUEING, RunState.QUEUED, RunState.INTERRUPTED})
"""Bulk runs that still have something to do."""

FAILED_JOBS = (JobState.FAILED, JobState.QUARANTINED)
"""Jobs that somebody has to look at."""

RETRYABLE_JOBS = frozenset(JobState) - OPEN_JOBS
"""Jobs that are over, which an operator may run again."""

LIVE_VARIANTS = frozenset(
    {ReviewState.AWAITING_REVIEW, ReviewState.APPROVED, ReviewState.PUBLISHED}
)
"""Variants that are, or may still become, what shoppers see."""

DECIDED = frozenset(ReviewState) - {ReviewState.AWAITING_REVIEW}
"""Variants that need no decision."""
