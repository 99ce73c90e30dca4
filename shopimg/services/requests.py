"""Ask for an image to be enhanced: inspect the upload, write the job row, wake a worker."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import IntegrityError, models, transaction
from django.utils import timezone

from shopimg import inspection, sources, wakeup
from shopimg.contract import EnhancementError, JobSupersededError, Recipe
from shopimg.models import BulkRun, EnhancedVariant, EnhancementJob
from shopimg.querysets import source_key
from shopimg.recipes import fingerprint, get_recipe
from shopimg.states import OPEN_JOBS, JobState, ReviewState


@dataclass(frozen=True, slots=True)
class Order:
    """Who asks for what, and how."""

    recipe: str | None = None
    """Name of a recipe; the watched model's own by default."""
    requested_by: models.Model | None = None
    """The user behind the request."""
    bulk_run: BulkRun | None = None
    """Set for jobs of ``shopimg_reprocess``, which go to their own queue."""
    force: bool = False
    """Run again what has been run for the same upload, recipe and weights."""


@dataclass(frozen=True, slots=True)
class Request:
    """What became of an order."""

    job: EnhancementJob
    """The job for this upload and recipe, new or not."""
    queued: bool
    """Whether this order has put it into the queue."""


def request_enhancement(instance: models.Model, order: Order | None = None) -> Request:
    """Make sure that there is a job for an image's current upload.

    Equal upload, recipe and weights give the same job, however often they are asked for. A refused
    upload gets a job too: failed, with the reason. Older jobs and drafts of the image give way;
    what is published stays.

    Raises:
        RecipeError: the recipe is unknown.
        LookupError: the model is not watched.
    """
    order = order or Order()
    source = sources.source_for(type(instance))
    recipe = get_recipe(order.recipe or source.recipe)
    with transaction.atomic():
        job = _describe(source, instance, recipe)
        job.requested_by_id = order.requested_by.pk if order.requested_by else None
        job.bulk_run = order.bulk_run
        request = _insert_once(job, force=order.force)
        _give_way(request.job)
        if request.queued:
            send = partial(wakeup.send, request.job.pk, bulk=order.bulk_run is not None)
            transaction.on_commit(send, robust=True)
    return request


def forget_source(key: dict[str, Any]) -> None:
    """Cancel the jobs and supersede the drafts of an image whose file is gone.

    What is published is withdrawn by ``services.publishing``.

    Args:
        key: lookup of the image's rows, from ``querysets.source_key``.
    """
    with transaction.atomic():
        jobs = EnhancementJob.objects.filter(**key)
        _cancel(jobs)
        _supersede_unpublished(jobs)


def _describe(source: sources.Source, instance: models.Model, recipe: Recipe) -> EnhancementJob:
    """Build the unsaved row; a refused upload makes it a failed one."""
    job = EnhancementJob(
        **source_key(instance),
        source_name=source.file_of(instance).name or "",
        recipe=recipe.name,
        recipe_table=recipe.to_table(),
        fingerprint=fingerprint(recipe),
    )
    try:
        data = sources.read_bytes(source, instance)
        job.source_digest = hashlib.sha256(data).hexdigest()
        job.source_bytes = len(data)
        found = inspection.inspect(data, job.source_name)
        job.source_width, job.source_height = found.width, found.height
        inspection.check_output(found, recipe)
    except EnhancementError as err:
        job.state = JobState.FAILED
        job.finished_at = timezone.now()
        job.error_code, job.error_message, job.error_detail = (
            err.code,
            err.public_message,
            err.detail,
        )
    return job


def _insert_once(job: EnhancementJob, *, force: bool) -> Request:
    """Insert the job, or return the one with the same content."""
    try:
        with transaction.atomic():
            job.save(force_insert=True)
    except IntegrityError:
        existing = EnhancementJob.objects.get(
            source_type=job.source_type,
            source_id=job.source_id,
            source_digest=job.source_digest,
            fingerprint=job.fingerprint,
        )
        return Request(existing, queued=_requeue_known(existing, job, force=force))
    return Request(job, queued=job.state == JobState.QUEUED)


def _requeue_known(existing: EnhancementJob, wanted: EnhancementJob, *, force: bool) -> bool:
    """Queue a job again when asked to, or when its upload has come back after another one."""
    states = set(JobState) - OPEN_JOBS if force else {JobState.CANCELLED}
    if wanted.state != JobState.QUEUED:
        return False
    updated = EnhancementJob.objects.filter(pk=existing.pk, state__in=states).update(
        state=JobState.QUEUED,
        attempts=0,
        run_after=timezone.now(),
        sent_at=None,
        source_name=wanted.source_name,
        bulk_run=wanted.bulk_run,
        error_code="",
        error_message="",
        error_detail="",
    )
    if updated:
        existing.refresh_from_db()
    return bool(updated)


def _give_way(job: EnhancementJob) -> None:
    """Cancel jobs and supersede drafts that were made from an older upload of the same image."""
    older = EnhancementJob.objects.filter(
        source_type=job.source_type, source_id=job.source_id
    ).exclude(source_digest=job.source_digest)
    _cancel(older)
    _supersede_unpublished(older)


def _supersede_unpublished(jobs: models.QuerySet[EnhancementJob]) -> None:
    """Approvals that nobody has published yet go too: they were about an older upload."""
    EnhancedVariant.objects.filter(
        job__in=jobs, state__in=[ReviewState.AWAITING_REVIEW, ReviewState.APPROVED]
    ).update(
        state=ReviewState.SUPERSEDED, version=models.F("version") + 1, updated_at=timezone.now()
    )


def _cancel(jobs: models.QuerySet[EnhancementJob]) -> None:
    jobs.filter(state__in=OPEN_JOBS).update(
        state=JobState.CANCELLED,
        finished_at=timezone.now(),
        lease_owner="",
        lease_until=None,
        error_code=JobSupersededError.code,
        error_message=JobSupersededError().public_message,
    )
