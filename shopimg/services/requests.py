"""Ask for an image to be enhanced: inspect the upload, write the job row, wake a worker."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from shopimg import inspection, signals, sources, wakeup
from shopimg.contract import EnhancementError, InvalidTransitionError, Recipe
from shopimg.models import BulkRun, EnhancedVariant, EnhancementJob
from shopimg.querysets import source_key
from shopimg.recipes import fingerprint, get_recipe, with_options
from shopimg.services import jobs
from shopimg.states import RETRYABLE_JOBS, JobState, ReviewState

if TYPE_CHECKING:
    from shopimg.querysets import EnhancementJobQuerySet

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """Who asks for what, and how."""

    recipe: str | None = None
    """Name of a recipe; the watched model's own by default."""
    base: Recipe | None = None
    """The recipe itself, where it is none of the settings' any more; instead of its name."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What to change in the recipe, by the names of ``contract.OPTIONS``."""
    requested_by: models.Model | None = None
    """The user behind the request."""
    bulk_run: BulkRun | None = None
    """The run of ``shopimg_reprocess`` that the job belongs to."""
    bulk: bool = False
    """Nobody waits for the result: it goes to the bulk queue, as all jobs of a run do."""
    force: bool = False
    """Run again what has been run for the same upload, recipe and weights."""


@dataclass(frozen=True, slots=True)
class Request:
    """What became of an order."""

    job: EnhancementJob
    """The job for this upload and recipe, new or not."""
    queued: bool
    """Whether this order has put it into the queue, or from the bulk queue into the other one."""


def request_enhancement(instance: models.Model, order: Order | None = None) -> Request:
    """Make sure that there is a job for an image's current upload.

    Equal upload, recipe and weights give the same job, however often they are asked for. A refused
    upload gets a job too: failed, with the reason. Older jobs and drafts of the image give way;
    what is published stays.

    Raises:
        RecipeError: the recipe is unknown, or has no such option or value.
        LookupError: the model is not watched.
        CapacityError: the storage failed; nothing has changed.
    """
    order = order or Order()
    return place(describe(instance, order), force=order.force)


def request_or_log(instance: models.Model, order: Order | None = None) -> bool:
    """Ask for an image to be enhanced where nobody can be told of a failure.

    The host's save must not fail because of shopimg, and one image must not keep a sweep or a
    run from the others. The sweeper asks again for an image that got no job.

    Returns:
        Whether a job was queued.
    """
    try:
        return request_enhancement(instance, order).queued
    except Exception:
        logger.exception("no job for %s %s", instance._meta.label, instance.pk)
        return False


def describe(instance: models.Model, order: Order) -> EnhancementJob:
    """Build the unsaved job of an image; a refused upload makes it a failed one.

    Raises:
        RecipeError: the recipe is unknown, or has no such option or value.
        LookupError: the model is not watched.
        CapacityError: the storage failed.
    """
    source = sources.source_for(type(instance))
    base = order.base or get_recipe(order.recipe or source.recipe)
    recipe = with_options(base, order.options)
    job = EnhancementJob(
        **source_key(instance),
        source_name=source.file_of(instance).name or "",
        recipe=recipe.name,
        recipe_table=recipe.to_table(),
        fingerprint=fingerprint(recipe),
        bulk_run=order.bulk_run,
        bulk=order.bulk or order.bulk_run is not None,
        requested_by_id=order.requested_by.pk if order.requested_by else None,
    )
    try:
        _measure(job, sources.read_bytes(source, instance), recipe)
    except EnhancementError as err:
        if err.retryable:
            raise
        job.state = JobState.FAILED
        job.finished_at = timezone.now()
        for column, text in jobs.error_columns(err).items():
            setattr(job, column, text)
    return job


def place(job: EnhancementJob, *, force: bool) -> Request:
    """Write a job, or find the one with the same content, and let older ones give way.

    Args:
        job: from ``describe``.
        force: run again what has been run for the same upload, recipe and weights.
    """
    with transaction.atomic():
        request = _insert_once(job, force=force)
        _give_way(request.job)
        if request.queued and not job.bulk:
            # Bulk jobs are sent by services.sending, which never lets too many wait.
            transaction.on_commit(partial(wakeup.send, request.job.pk), robust=True)
    return request


def run_again(job: EnhancementJob, by: models.Model | None = None) -> None:
    """Queue a job that is over once more, and wake a worker for it.

    Args:
        job: of any state.
        by: whose job it is from now on; by default whose it was.

    Raises:
        InvalidTransitionError: it is not over yet, or its photo has been replaced: it would only be
            cancelled again, and the record of what it has done lost.
    """
    if _has_newer_upload(job):
        raise InvalidTransitionError(_("The photo has been replaced since: run its own job."))
    with transaction.atomic():
        jobs.retry(job, by)
        transaction.on_commit(partial(wakeup.send, job.pk, bulk=job.bulk), robust=True)


def forget_source(key: dict[str, Any]) -> None:
    """Cancel the jobs and supersede the drafts of an image whose file is gone.

    What is published is withdrawn by ``services.publishing``.

    Args:
        key: lookup of the image's rows, from ``querysets.source_key``.
    """
    with transaction.atomic():
        of_image = EnhancementJob.objects.filter(**key)
        jobs.cancel_superseded(of_image)
        _supersede_unpublished(of_image)


def _measure(job: EnhancementJob, data: bytes, recipe: Recipe) -> None:
    job.source_digest = hashlib.sha256(data).hexdigest()
    job.source_bytes = len(data)
    found = inspection.inspect(data, job.source_name)
    job.source_width, job.source_height = found.width, found.height
    inspection.check_output(found, recipe)


def _insert_once(job: EnhancementJob, *, force: bool) -> Request:
    """Insert the job, or return the one with the same content."""
    try:
        with transaction.atomic():
            job.save(force_insert=True)
    except IntegrityError:
        existing = EnhancementJob.objects.select_for_update().get(
            source_type=job.source_type,
            source_id=job.source_id,
            source_digest=job.source_digest,
            fingerprint=job.fingerprint,
        )
        return Request(existing, queued=_reuse(existing, job, force=force))
    if job.state == JobState.FAILED:
        signals.send_after_commit(signals.job_finished, job=job)
    return Request(job, queued=job.state == JobState.QUEUED)


def _reuse(existing: EnhancementJob, wanted: EnhancementJob, *, force: bool) -> bool:
    """Queue a job again when asked to, when its upload has come back, or when somebody waits."""
    came_back = _has_newer_upload(existing)
    changes: dict[str, Any] = {"source_name": wanted.source_name}
    if came_back:
        # The newest job of an image is the one about its current upload.
        changes["created_at"] = timezone.now()
    again = RETRYABLE_JOBS if force or came_back else {JobState.CANCELLED}
    queued = existing.state in again and wanted.state == JobState.QUEUED
    # Somebody waits for it now: it must not stay behind a whole catalogue.
    promoted = existing.state == JobState.QUEUED and existing.bulk and not wanted.bulk
    if promoted:
        changes |= {"bulk": False, "sent_at": None, "requested_by": wanted.requested_by_id}
    if queued:
        changes |= {
            **jobs.requeued(),
            "requested_by": wanted.requested_by_id,
            "bulk_run": wanted.bulk_run,
            "bulk": wanted.bulk,
        }
    EnhancementJob.objects.filter(pk=existing.pk).update(**changes)
    existing.refresh_from_db()
    return queued or promoted


def _has_newer_upload(job: EnhancementJob) -> bool:
    newer = _of_same_image(job).filter(created_at__gt=job.created_at)
    return newer.exclude(source_digest=job.source_digest).exists()


def _of_same_image(job: EnhancementJob) -> EnhancementJobQuerySet:
    return EnhancementJob.objects.filter(source_type=job.source_type, source_id=job.source_id)


def _give_way(job: EnhancementJob) -> None:
    """Cancel jobs and supersede drafts that were made from an older upload of the same image."""
    older = _of_same_image(job).exclude(source_digest=job.source_digest)
    if not job.source_digest:
        # The file could not be read: whether it is another one, only its name can tell.
        older = older.exclude(source_name=job.source_name)
    jobs.cancel_superseded(older)
    _supersede_unpublished(older)


def _supersede_unpublished(rows: EnhancementJobQuerySet) -> None:
    """Approvals that nobody has published yet go too: they were about an older upload."""
    undecided = [ReviewState.AWAITING_REVIEW, ReviewState.APPROVED]
    EnhancedVariant.objects.filter(job__in=rows, state__in=undecided).supersede()
