"""Reprocess a catalogue: rows in batches, constant memory, resumable after any interruption."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

from django.contrib.contenttypes.models import ContentType
from django.db import models, transaction
from django.db.models import Avg, Count, F
from django.utils import timezone

from shopimg import keys, recipes, sources
from shopimg.models import BulkRun, EnhancementJob
from shopimg.querysets import key_as_text
from shopimg.services import batches, sending
from shopimg.services.patience import persist
from shopimg.services.requests import Order
from shopimg.states import FAILED_JOBS, JobState, RunState

BATCH = 100
"""Images whose files are read, and which then are queued in one transaction. It locks them: who
replaces one of their photos waits as long."""


class RunTakenOverError(Exception):
    """Somebody else has gone on with a run in the meantime, or cancelled it."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which images a run is about, and what to do with them."""

    model: str | None = None
    """``app.Model``; every watched model by default."""
    recipe: str | None = None
    """Recipe name; each model's own by default."""
    ids: tuple[str, ...] = ()
    """Primary keys; all by default."""
    statuses: tuple[str, ...] = ()
    """Only images whose latest job is in one of these states."""
    since: datetime | None = None
    """Only images whose latest job was created at or after this moment."""
    limit: int | None = None
    """Most images."""
    force: bool = False
    """Run again what has been run with the same recipe and weights."""

    def to_json(self) -> dict[str, Any]:
        """Return the selection as it is kept with the run."""
        values = asdict(self)
        return {**values, "since": self.since.isoformat() if self.since else None}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Return the selection that ``to_json`` wrote."""
        since = values["since"]
        return cls(
            **{
                **values,
                "ids": tuple(values["ids"]),
                "statuses": tuple(values["statuses"]),
                "since": datetime.fromisoformat(since) if since else None,
            }
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run would cost, from the figures of earlier jobs."""

    images: int
    """How many images the selection holds."""
    up_to_date: int
    """How many of them have been asked for with the same recipe and weights."""
    seconds_per_image: float | None
    """Mean worker time of succeeded jobs with these recipes, or None without any."""

    @property
    def to_queue(self) -> int:
        """How many jobs the run would queue."""
        return self.images - self.up_to_date

    @property
    def seconds(self) -> float | None:
        """Worker time of the whole run, for one worker process."""
        return None if self.seconds_per_image is None else self.to_queue * self.seconds_per_image


def start(selection: Selection) -> BulkRun:
    """Create a run.

    Raises:
        LookupError: the model is not watched.
        RecipeError: the recipe is unknown.
        ValueError: a status is unknown, or the primary keys fit no model or more than one.
    """
    check(selection)
    return BulkRun.objects.create(recipe=selection.recipe or "", filters=selection.to_json())


def check(selection: Selection) -> None:
    """Refuse a selection that could not be run.

    Raises:
        LookupError: the model is not watched.
        RecipeError: the recipe is unknown.
        ValueError: a status is unknown, or the primary keys fit no model or more than one.
    """
    selected = sources.chosen(selection.model)
    if selection.recipe:
        recipes.get_recipe(selection.recipe)
    for status in selection.statuses:
        JobState(status)
    if selection.ids and len(selected) > 1:
        raise ValueError("Name the model that the primary keys belong to.")
    for key in selection.ids:
        keys.parse(selected[0].model, key)


def count(selection: Selection) -> int:
    """Return how many images a selection holds."""
    total = sum(images(source, selection).count() for source in sources.chosen(selection.model))
    return total if selection.limit is None else min(total, selection.limit)


def estimate(selection: Selection) -> Estimate:
    """Predict what a run would queue, and its worker time; changes nothing.

    Tells what is up to date by the names of the files, in the database: reading a whole catalogue
    would take as long as the run. The run itself reads them, and so notices as well a file that
    was exchanged under its name.
    """
    names = {selection.recipe or source.recipe for source in sources.chosen(selection.model)}
    mean = EnhancementJob.objects.filter(state=JobState.SUCCEEDED, recipe__in=names).aggregate(
        mean=Avg(F("finished_at") - F("started_at"))
    )["mean"]
    return Estimate(
        count(selection), _count_up_to_date(selection), mean.total_seconds() if mean else None
    )


def advance(run: BulkRun, batch_size: int = BATCH) -> Iterator[int]:
    """Queue a run's jobs from where it stopped, and yield the number of images of each batch.

    The cursor is saved with each batch, so that a run which is interrupted anywhere goes on with
    the batch it was in; equal content gives the same job, so nothing is done twice.

    Raises:
        CapacityError: the storage is down; the run stands before the batch it was in. A single file
            that cannot be read is counted as refused.
        RecipeError: the recipe is unknown by now.
        RunTakenOverError: somebody else has queued a batch since the last one, or cancelled the
            run; this batch is dropped.
    """
    selection = Selection.from_json(run.filters)
    order = Order(recipe=selection.recipe, bulk_run=run, force=selection.force)
    outage = batches.Outage()
    for source in sources.chosen(selection.model):
        while batch := _next_batch(run, source, selection, batch_size):
            _queue(run, source, batch, batches.describe(batch, order, outage))
            yield len(batch)
    queued = BulkRun.objects.filter(pk=run.pk).exclude(state=RunState.CANCELLED)
    queued.update(state=RunState.QUEUED, queued_at=timezone.now())
    finish_runs()
    run.refresh_from_db()


def finish_runs() -> int:
    """Mark the runs whose jobs are all over, and return how many there were."""
    still_open = EnhancementJob.objects.unfinished().filter(bulk_run=models.OuterRef("pk"))
    over = BulkRun.objects.filter(~models.Exists(still_open), state=RunState.QUEUED)
    return over.update(state=RunState.FINISHED, finished_at=timezone.now())


def interrupt(run: BulkRun) -> None:
    """Mark a run that was stopped before all its jobs were queued; ``advance`` resumes it."""
    BulkRun.objects.filter(pk=run.pk, state=RunState.QUEUEING).update(state=RunState.INTERRUPTED)
    run.refresh_from_db()


def progress(run: BulkRun) -> dict[JobState, int]:
    """Return how many jobs of a run are in each state."""
    counts = run.jobs.values_list("state").annotate(Count("pk"))
    return {JobState(state): number for state, number in counts.order_by()}


def failures(run: BulkRun, most: int = 3) -> list[tuple[int, str]]:
    """Return the commonest reasons why jobs of a run failed, with how many jobs each ended.

    Args:
        run: any.
        most: reasons.
    """
    failed = run.jobs.filter(state__in=FAILED_JOBS)
    rows = failed.values_list("error_code", "error_detail").annotate(number=Count("pk"))
    ordered = rows.order_by("-number", "error_code", "error_detail")[:most]
    return [
        (number, f"{code}: {detail}" if detail else str(code)) for code, detail, number in ordered
    ]


def to_queue(selection: Selection) -> Iterator[tuple[sources.Source, models.QuerySet[Any]]]:
    """Yield the images of each model for which the run would queue a job."""
    for source, rows in _chosen(selection):
        if selection.force:
            yield source, rows
        else:
            yield source, rows.exclude(pk__in=_settled_rows(source, rows, selection).values("pk"))


def _count_up_to_date(selection: Selection) -> int:
    """Count the images that the run would leave as they are: one query for each model."""
    if selection.force:
        return 0
    chosen = _chosen(selection)
    return sum(_settled_rows(source, rows, selection).count() for source, rows in chosen)


def _chosen(selection: Selection) -> Iterator[tuple[sources.Source, models.QuerySet[Any]]]:
    """Yield the images of each model that a selection holds, its limit included."""
    left = selection.limit
    for source in sources.chosen(selection.model):
        rows = images(source, selection)
        if left is not None:
            rows = rows[: max(left, 0)]
            left -= rows.count()
        yield source, source.with_file().filter(pk__in=rows.values("pk"))


def _settled_rows(
    source: sources.Source, rows: models.QuerySet[Any], selection: Selection
) -> models.QuerySet[Any]:
    """Match those of the images that the run would leave as they are."""
    named: models.QuerySet[Any] = rows.alias(shopimg_id=key_as_text(rows))
    return named.filter(_settled(source, selection))


def _settled(source: sources.Source, selection: Selection) -> models.Exists:
    """Match images that have a job for their file with the recipe of a run."""
    recipe = recipes.get_recipe(selection.recipe or source.recipe)
    equal = EnhancementJob.objects.filter(
        source_type=ContentType.objects.get_for_model(source.model),
        source_id=models.OuterRef("shopimg_id"),
        source_name=models.OuterRef(source.field),
        fingerprint=recipes.fingerprint(recipe),
    )
    return models.Exists(equal.exclude(state=JobState.CANCELLED))


def images(source: sources.Source, selection: Selection) -> models.QuerySet[models.Model]:
    """Return the images of one model that a selection holds, but for its limit, by their keys."""
    rows = source.with_file().order_by("pk")
    if selection.ids:
        rows = rows.filter(pk__in=selection.ids)
    if not selection.statuses and selection.since is None:
        return rows
    chosen = _with_latest_job(source, rows)
    if selection.statuses:
        chosen = chosen.filter(shopimg_state__in=selection.statuses)
    if selection.since is not None:
        chosen = chosen.filter(shopimg_created_at__gte=selection.since)
    return chosen


def _with_latest_job(
    source: sources.Source, rows: models.QuerySet[models.Model]
) -> models.QuerySet[models.Model]:
    """Add state and moment of each image's latest job, for filters.

    Asked from the image: from the jobs, the database would hold every image against all of them.
    """
    of_image = EnhancementJob.objects.filter(
        source_type=ContentType.objects.get_for_model(source.model),
        source_id=models.OuterRef("shopimg_id"),
    )
    newest = of_image.order_by("-created_at")
    found: models.QuerySet[models.Model] = rows.alias(
        shopimg_id=key_as_text(rows),
        shopimg_state=models.Subquery(newest.values("state")[:1]),
        shopimg_created_at=models.Subquery(newest.values("created_at")[:1]),
    )
    return found


def _next_batch(
    run: BulkRun, source: sources.Source, selection: Selection, size: int
) -> list[models.Model]:
    if selection.limit is not None:
        size = min(size, selection.limit - run.examined)
    rows = images(source, selection)
    last = run.cursor.get(source.label)
    if last is not None:
        rows = rows.filter(pk__gt=last)
    return list(rows[: max(size, 0)])


def _queue(
    run: BulkRun,
    source: sources.Source,
    batch: Sequence[models.Model],
    wanted: Sequence[EnhancementJob],
) -> None:
    persist(lambda: _write(run, source, batch, wanted))
    sending.top_up_bulk()


def _write(
    run: BulkRun,
    source: sources.Source,
    batch: Sequence[models.Model],
    wanted: Sequence[EnhancementJob],
) -> None:
    # Together with the cursor, so that an interruption never counts or forces a job twice.
    with transaction.atomic():
        placed = batches.place(wanted, force=run.filters["force"])
        last = source.model._meta.pk.value_to_string(batch[-1])
        refused = placed.refused + len(batch) - len(wanted)
        changes = {
            "cursor": {**run.cursor, source.label: last},
            "examined": run.examined + len(batch),
            "queued": run.queued + placed.queued,
            "refused": run.refused + refused,
            "skipped": run.skipped + len(batch) - placed.queued - refused,
            "state": RunState.QUEUEING,
        }
        unchanged = BulkRun.objects.filter(pk=run.pk, examined=run.examined)
        unchanged = unchanged.exclude(state=RunState.CANCELLED)
        if not unchanged.update(**changes):
            raise RunTakenOverError
    for column, value in changes.items():
        setattr(run, column, value)
