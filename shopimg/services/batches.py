"""Ask for many images at once: the files are read first, then few queries write all rows."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Model

from shopimg.contract import CapacityError, EnhancementError
from shopimg.models import EnhancementJob
from shopimg.services import requests
from shopimg.services.requests import Order
from shopimg.states import JobState

logger = logging.getLogger(__name__)

_Image = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of the jobs of a batch; the others were up to date."""

    queued: int
    """Jobs that were put into the queue."""
    refused: int
    """Jobs of uploads that are not acceptable, whether that is new or was known."""


def describe(instances: Iterable[Model], order: Order) -> list[EnhancementJob]:
    """Build the unsaved job of each image; one for which that fails unexpectedly is left out.

    Raises:
        CapacityError: the storage failed; the message names the image.
        RecipeError: the recipe is unknown.
    """
    jobs = []
    for instance in instances:
        try:
            jobs.append(requests.describe(instance, order))
        except CapacityError as err:
            detail = f"{instance._meta.label} {instance.pk}: {err.detail}"
            raise CapacityError(err.public_message, detail=detail) from err
        except EnhancementError:
            raise
        except Exception:
            # One image must not keep a run from all the others.
            logger.exception("no job for %s %s", instance._meta.label, instance.pk)
    return jobs


def place(wanted: Sequence[EnhancementJob], *, force: bool) -> Placed:
    """Write the jobs that are not there yet; call it in a transaction.

    Args:
        wanted: from ``describe``.
        force: run again what has been run for the same upload, recipe and weights.
    """
    by_image = _by_image(wanted)
    fresh = [job for job in wanted if _is_fresh(job, by_image.get(_image(job), []))]
    EnhancementJob.objects.bulk_create(fresh, ignore_conflicts=True)
    queued = sum(job.state == JobState.QUEUED for job in fresh)
    written = {job.pk for job in fresh}
    for job in wanted:
        settled = not force and _is_settled(job, by_image.get(_image(job), []))
        if job.pk not in written and not settled:
            queued += requests.place(job, force=force).queued
    return Placed(queued, sum(job.state == JobState.FAILED for job in wanted))


def _by_image(wanted: Iterable[EnhancementJob]) -> dict[_Image, list[EnhancementJob]]:
    ids: dict[int, list[str]] = {}
    for job in wanted:
        ids.setdefault(job.source_type_id, []).append(job.source_id)
    found: dict[_Image, list[EnhancementJob]] = {}
    for type_id, keys in ids.items():
        rows = EnhancementJob.objects.filter(source_type=type_id, source_id__in=keys)
        for job in rows.defer("recipe_table", "timings", "error_detail"):
            found.setdefault(_image(job), []).append(job)
    return found


def _image(job: EnhancementJob) -> _Image:
    return job.source_type_id, job.source_id


def _is_fresh(job: EnhancementJob, others: Iterable[EnhancementJob]) -> bool:
    """Tell whether a row can simply be inserted: nothing equal exists, nothing gives way."""
    return all(
        other.source_digest == job.source_digest and other.fingerprint != job.fingerprint
        for other in others
    )


def _is_settled(job: EnhancementJob, others: Sequence[EnhancementJob]) -> bool:
    """Tell whether an equal row exists that ``requests.place`` would leave as it is."""
    newest = max(others, key=lambda other: other.created_at, default=job)
    return newest.source_digest == job.source_digest and any(
        other.fingerprint == job.fingerprint
        and other.source_digest == job.source_digest
        and other.source_name == job.source_name
        and other.state != JobState.CANCELLED
        for other in others
    )
