"""Ask for many images at once: the files are read first, then few queries write all rows."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Model

from shopimg import signals
from shopimg.contract import CapacityError, EnhancementError
from shopimg.models import EnhancementJob
from shopimg.services import requests
from shopimg.services.requests import Order
from shopimg.states import JobState

logger = logging.getLogger(__name__)

OUTAGE_AFTER = 5
"""So many files in a row that cannot be read now mean that the storage is down."""

_Image = tuple[int, str]


class Outage:
    """Tells one file that cannot be read from a storage that is down, across batches."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def read(self) -> None:
        """Note a file that could be read."""
        self._in_a_row = 0

    def unread(self, error: CapacityError) -> None:
        """Note a file that could not be read.

        Raises:
            CapacityError: it was one too many in a row.
        """
        self._in_a_row += 1
        if self._in_a_row >= OUTAGE_AFTER:
            raise error


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of the jobs of a batch; the others were up to date."""

    queued: int
    """Jobs that were put into the queue."""
    refused: int
    """Jobs of uploads that are not acceptable, whether that is new or was known."""


def describe(
    instances: Sequence[Model], order: Order, outage: Outage | None = None
) -> list[EnhancementJob]:
    """Build the unsaved job of each image; one for which that fails is left out.

    Args:
        instances: images of one batch.
        order: what to do with them.
        outage: what is known from earlier batches of the same run.

    Raises:
        CapacityError: the storage is down: no file of a batch, or too many in a row, could be read;
            the message names an image.
        RecipeError: the recipe is unknown.
    """
    outage = outage or Outage()
    jobs: list[EnhancementJob] = []
    unread: list[CapacityError] = []
    for instance in instances:
        try:
            jobs.append(requests.describe(instance, order))
            outage.read()
        except CapacityError as err:
            unread.append(_named(err, instance))
            logger.warning("no job for %s", unread[-1].detail)
            outage.unread(unread[-1])
        except EnhancementError:
            raise
        except Exception:
            # One image must not keep a run from all the others.
            logger.exception("no job for %s %s", instance._meta.label, instance.pk)
    # Of a single file nobody can tell; a run must not stand before it for ever.
    if 1 < len(unread) == len(instances):
        raise unread[0]
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
    refused = [job.pk for job in fresh if job.state == JobState.FAILED]
    # Only those that were written: somebody else may have been quicker, and has told of them.
    for job in EnhancementJob.objects.filter(pk__in=refused):
        signals.send_after_commit(signals.job_finished, job=job)
    queued = sum(job.state == JobState.QUEUED for job in fresh)
    written = {job.pk for job in fresh}
    for job in wanted:
        settled = not force and _is_settled(job, by_image.get(_image(job), []))
        if job.pk not in written and not settled:
            queued += requests.place(job, force=force).queued
    return Placed(queued, sum(job.state == JobState.FAILED for job in wanted))


def _named(error: CapacityError, instance: Model) -> CapacityError:
    detail = f"{instance._meta.label} {instance.pk}: {error.detail}"
    return CapacityError(error.public_message, detail=detail)


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
