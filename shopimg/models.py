"""Jobs, variants, decisions, bulk runs: what shopimg remembers, with its rules as constraints."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar, NoReturn

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models import Q, functions
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from shopimg import storage
from shopimg.querysets import (
    EnhancedVariantQuerySet,
    EnhancementJobQuerySet,
    ReviewDecisionQuerySet,
)
from shopimg.states import FAILED_JOBS, Decision, JobState, RejectReason, ReviewState, RunState
from shopimg.worker_models import CostQuestion, WorkerHeartbeat

__all__ = (
    "BulkRun",
    "CostQuestion",
    "EnhancedVariant",
    "EnhancementJob",
    "IdempotencyKey",
    "ReviewDecision",
    "SourceRow",
    "WorkerHeartbeat",
)


class SourceRow(models.Model):
    """A row that belongs to one image of the host's catalogue."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    source_type = models.ForeignKey(ContentType, on_delete=models.CASCADE, related_name="+")
    # Text, so that any kind of primary key fits.
    source_id = models.CharField(_("source"), max_length=255)
    source = GenericForeignKey("source_type", "source_id")
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        abstract = True


class BulkRun(models.Model):
    """One run over the catalogue, by ``shopimg_reprocess`` or the API; resumable."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    recipe = models.CharField(_("recipe"), max_length=64, blank=True)
    filters = models.JSONField(_("filters"), default=dict)
    state = models.CharField(_("state"), max_length=16, choices=RunState, default=RunState.QUEUEING)
    cursor = models.JSONField(_("cursor"), default=dict)
    examined = models.PositiveIntegerField(_("images examined"), default=0)
    queued = models.PositiveIntegerField(_("jobs queued"), default=0)
    skipped = models.PositiveIntegerField(_("images up to date"), default=0)
    refused = models.PositiveIntegerField(_("images refused"), default=0)
    queued_at = models.DateTimeField(_("all queued"), null=True, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # The lease of whoever queues it; empty for a run that waits for the command to resume it.
    queue_after = models.DateTimeField(_("a worker goes on after"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects: ClassVar[models.Manager[BulkRun]]

    class Meta:
        verbose_name = _("bulk run")
        verbose_name_plural = _("bulk runs")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        recipe = self.recipe or _("every recipe")
        return f"{recipe}, {timezone.localtime(self.created_at):%Y-%m-%d %H:%M}"


class EnhancementJob(SourceRow):
    """One recipe to run on one uploaded file. The row is the job; messages are only hints."""

    # As long as an object storage allows: the host's own field may allow more than 255.
    source_name = models.CharField(_("file"), max_length=1024)
    source_digest = models.CharField(_("sha256 of the upload"), max_length=64)
    source_bytes = models.PositiveBigIntegerField(_("upload bytes"), default=0)
    source_width = models.PositiveIntegerField(_("upload width"), default=0)
    source_height = models.PositiveIntegerField(_("upload height"), default=0)
    recipe = models.CharField(_("recipe"), max_length=64)
    recipe_table = models.JSONField(_("recipe as it was asked for"))
    fingerprint = models.CharField(_("fingerprint"), max_length=64)
    state = models.CharField(_("state"), max_length=16, choices=JobState, default=JobState.QUEUED)
    bulk_run = models.ForeignKey(
        BulkRun, on_delete=models.SET_NULL, null=True, blank=True, related_name="jobs"
    )
    # Also without a run: nobody waits for images that the sweeper has found.
    bulk = models.BooleanField(_("in the bulk queue"), default=False)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # Of the last request: a job that is run again counts as newer. Processes of before insert it.
    requested_at = models.DateTimeField(default=timezone.now, db_default=functions.Now())
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    run_after = models.DateTimeField(_("run after"), default=timezone.now)
    sent_at = models.DateTimeField(_("message sent"), null=True, blank=True)
    lease_owner = models.CharField(_("lease owner"), max_length=64, blank=True)
    lease_until = models.DateTimeField(_("lease until"), null=True, blank=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    error_code = models.CharField(_("error code"), max_length=32, blank=True)
    error_message = models.TextField(_("error"), blank=True)
    error_detail = models.TextField(_("technical detail"), blank=True)
    timings = models.JSONField(_("seconds by step"), default=dict, blank=True)

    objects = EnhancementJobQuerySet.as_manager()

    class Meta:
        verbose_name = _("enhancement job")
        verbose_name_plural = _("enhancement jobs")
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["source_type", "source_id", "source_digest", "fingerprint"],
                name="shopimg_job_once_per_content",
            ),
            models.CheckConstraint(
                condition=~Q(state=JobState.RUNNING)
                | Q(lease_until__isnull=False) & ~Q(lease_owner=""),
                name="shopimg_running_job_has_lease",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=list(FAILED_JOBS)) | ~Q(error_code=""),
                name="shopimg_failed_job_says_why",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "run_after"], name="shopimg_job_due"),
            # The sweeper asks for these every few seconds, also while a million bulk jobs wait.
            models.Index(
                fields=["sent_at", "run_after"],
                condition=Q(state=JobState.QUEUED, bulk=False),
                name="shopimg_job_unsent",
            ),
            models.Index(
                fields=["sent_at", "run_after"],
                condition=Q(state=JobState.QUEUED, bulk=True),
                name="shopimg_bulk_job_unsent",
            ),
            # Each request for a job counts the open ones of its user.
            models.Index(
                fields=["requested_by"],
                condition=Q(state__in=[JobState.QUEUED, JobState.RUNNING], bulk=False),
                name="shopimg_job_open_of_user",
            ),
            models.Index(fields=["-created_at", "id"], name="shopimg_job_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.recipe} · {self.source_name}"

    @property
    def seconds(self) -> float | None:
        """Wall-clock seconds of the last attempt, once it is over."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


class EnhancedVariant(SourceRow):
    """One produced file: a private draft until somebody approves exactly these bytes."""

    job = models.ForeignKey(EnhancementJob, on_delete=models.CASCADE, related_name="variants")
    role = models.CharField(_("role"), max_length=64)
    candidate = models.PositiveSmallIntegerField(_("candidate"), default=0)
    state = models.CharField(
        _("state"), max_length=16, choices=ReviewState, default=ReviewState.AWAITING_REVIEW
    )
    # Names, not FileFields: the storages are looked up by alias when used, so that a host's
    # settings error becomes a system check instead of a failing import.
    draft_name = models.CharField(_("draft"), max_length=255)
    published_name = models.CharField(_("published file"), max_length=255, blank=True)
    # What was taken for the product; empty without a cut-out.
    mask_name = models.CharField(_("mask"), max_length=255, blank=True)
    digest = models.CharField(_("sha256"), max_length=64)
    size_bytes = models.PositiveBigIntegerField(_("bytes"))
    width = models.PositiveIntegerField(_("width"))
    height = models.PositiveIntegerField(_("height"))
    mime_type = models.CharField(_("media type"), max_length=32)
    quality = models.JSONField(_("measured figures"), default=dict, blank=True)
    provenance = models.JSONField(_("provenance"), default=dict, blank=True)
    version = models.PositiveIntegerField(_("version"), default=1)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    approved_at = models.DateTimeField(_("approved"), null=True, blank=True)
    published_at = models.DateTimeField(_("published"), null=True, blank=True)
    renditions_at = models.DateTimeField(_("renditions made"), null=True, blank=True)
    updated_at = models.DateTimeField(_("updated"), default=timezone.now, editable=False)

    objects = EnhancedVariantQuerySet.as_manager()

    class Meta:
        verbose_name = _("enhanced variant")
        verbose_name_plural = _("enhanced variants")
        ordering = ["-created_at"]
        permissions = [
            ("review_enhancedvariant", _("Can approve and reject enhanced variants")),
            ("publish_enhancedvariant", _("Can publish, withdraw and roll back variants")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["source_type", "source_id", "role"],
                condition=Q(state=ReviewState.PUBLISHED),
                name="shopimg_one_published_per_role",
            ),
            models.UniqueConstraint(
                fields=["job", "role", "candidate"],
                condition=Q(state=ReviewState.AWAITING_REVIEW),
                name="shopimg_one_draft_per_candidate",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=[ReviewState.APPROVED, ReviewState.PUBLISHED])
                | Q(approved_by__isnull=False, approved_at__isnull=False),
                name="shopimg_approved_by_somebody",
            ),
            models.CheckConstraint(
                condition=~Q(state=ReviewState.PUBLISHED)
                | Q(published_at__isnull=False) & ~Q(published_name=""),
                name="shopimg_published_has_file",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "created_at", "id"], name="shopimg_variant_queue"),
            models.Index(
                fields=["source_type", "source_id", "state"], name="shopimg_variant_source"
            ),
            models.Index(fields=["-created_at", "id"], name="shopimg_variant_newest"),
            models.Index(fields=["-updated_at", "id"], name="shopimg_variant_changed"),
            # The sweeper asks for these every few seconds, whatever the length of the history.
            models.Index(
                fields=["updated_at"],
                condition=Q(state=ReviewState.SUPERSEDED, published_at__isnull=True)
                & ~Q(published_name=""),
                name="shopimg_variant_withdrawn",
            ),
            models.Index(
                fields=["updated_at"],
                condition=Q(state=ReviewState.PUBLISHED, renditions_at__isnull=True),
                name="shopimg_variant_one_size",
            ),
            # The clean-up asks for these of every file that it is about to delete.
            models.Index(
                fields=["published_name"],
                opclasses=["varchar_pattern_ops"],  # for LIKE, whatever the collation
                condition=Q(state=ReviewState.PUBLISHED),
                name="shopimg_variant_public_file",
            ),
            models.Index(
                fields=["mask_name"], condition=~Q(mask_name=""), name="shopimg_variant_mask"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role} · {self.width}×{self.height}"

    def candidates(self) -> list[EnhancedVariant]:
        """Return the candidates that were made beside this one, itself among them, in order.

        Where a job has run several times, of each number the newest.
        """
        made = sorted(self.job.variants.all(), key=lambda variant: variant.created_at)
        newest = {v.candidate: v for v in made if v.role == self.role}
        newest[self.candidate] = self
        return [newest[number] for number in sorted(newest)]

    @property
    def published_url(self) -> str | None:
        """Address of the public file, or None while there is none."""
        if self.state != ReviewState.PUBLISHED:
            return None
        return storage.published().url(self.published_name)


class ReviewDecision(models.Model):
    """What somebody decided about exact bytes. Written once, never changed."""

    variant = models.ForeignKey(EnhancedVariant, on_delete=models.PROTECT, related_name="decisions")
    decision = models.CharField(_("decision"), max_length=16, choices=Decision)
    # The index of ``by`` and ``at`` serves it.
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False
    )
    at = models.DateTimeField(_("at"), default=timezone.now, editable=False)
    reason = models.CharField(_("reason"), max_length=16, choices=RejectReason, blank=True)
    note = models.TextField(_("note"), blank=True)
    digest = models.CharField(_("sha256 of the reviewed file"), max_length=64)

    objects = ReviewDecisionQuerySet.as_manager()

    class Meta:
        verbose_name = _("review decision")
        verbose_name_plural = _("review decisions")
        ordering = ["-at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(decision=Decision.REJECT) | ~Q(reason=""),
                name="shopimg_rejection_has_reason",
            ),
        ]
        indexes = [models.Index(fields=["by", "at"], name="shopimg_decision_of_reviewer")]

    def __str__(self) -> str:
        moment = timezone.localtime(self.at)
        return f"{self.get_decision_display()} · {self.by} · {moment:%Y-%m-%d %H:%M}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert; a decision is history and cannot be changed."""
        kwargs["force_insert"] = True
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: a decision is history."""
        raise TypeError("ReviewDecision is append-only.")


class IdempotencyKey(models.Model):
    """Remembers which job or run a client's ``Idempotency-Key`` created."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    request_digest = models.CharField(max_length=64)
    job = models.ForeignKey(EnhancementJob, on_delete=models.CASCADE, null=True, related_name="+")
    bulk_run = models.ForeignKey(BulkRun, on_delete=models.CASCADE, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "key"], name="shopimg_idempotency_key_once"),
            models.CheckConstraint(
                condition=Q(job__isnull=True) ^ Q(bulk_run__isnull=True),
                name="shopimg_idempotency_key_for_one",
            ),
        ]

    def __str__(self) -> str:
        return self.key
