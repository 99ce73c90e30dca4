"""Chainable reads: the questions that services, admin and API ask of the tables."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn, Self

from django.contrib.contenttypes.models import ContentType
from django.db import connections, models
from django.db.models import Exists, F, Model, OuterRef, Q, Value
from django.db.models.functions import Cast, Concat, Now, Substr
from django.utils import timezone

from shopimg import keys, sources
from shopimg.conf import settings
from shopimg.states import DECIDED, OPEN_JOBS, JobState, ReviewState

if TYPE_CHECKING:
    from shopimg.models import (  # noqa: F401  # names of the generic parameters below
        EnhancedVariant,
        EnhancementJob,
        ReviewDecision,
        WorkerHeartbeat,
    )

# First character (from 1) and length of the groups of a UUID in hexadecimal.
_UUID_GROUPS = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))


def source_key(instance: Model) -> dict[str, Any]:
    """Return the lookup by which rows refer to ``instance``."""
    source_type = ContentType.objects.get_for_model(sources.table_of(type(instance)))
    return {"source_type": source_type, "source_id": str(instance.pk)}


def key_as_text(rows: models.QuerySet[Any]) -> Any:
    """Write the primary keys of a queryset in SQL as ``str(instance.pk)`` does in Python."""
    text = Cast("pk", models.CharField())
    native = connections[rows.db].features.has_native_uuid_field
    if native or not isinstance(keys.field_of(rows.model), models.UUIDField):
        return text
    return hyphenated(text)


def hyphenated(digits: Any) -> Concat:
    """Write 32 hexadecimal digits in SQL as ``str(uuid)`` does in Python.

    Args:
        digits: a text expression.
    """
    first, *others = (Substr(digits, start, length) for start, length in _UUID_GROUPS)
    return Concat(first, *(part for group in others for part in (Value("-"), group)))


def _of_sources(instances: Iterable[Model]) -> Q:
    """Match the rows of several images, also of several models, in one query."""
    by_type: dict[int, list[str]] = {}
    for instance in instances:
        key = source_key(instance)
        by_type.setdefault(key["source_type"].pk, []).append(key["source_id"])
    match = Q(pk__in=[])
    for type_id, ids in by_type.items():
        match |= Q(source_type_id=type_id, source_id__in=ids)
    return match


class EnhancementJobQuerySet(models.QuerySet["EnhancementJob"]):
    """Reads of jobs."""

    def for_source(self, instance: Model) -> Self:
        """Jobs of one image."""
        return self.filter(**source_key(instance))

    def for_sources(self, instances: Iterable[Model]) -> Self:
        """Jobs of several images."""
        return self.filter(_of_sources(instances))

    def unfinished(self) -> Self:
        """Jobs that still have something to do."""
        return self.filter(state__in=OPEN_JOBS)

    def claimable(self, tolerance: timedelta = timedelta(0)) -> Self:
        """Jobs that a worker may start now, by the clock of the database."""
        return self.filter(state=JobState.QUEUED, run_after__lte=Now() + tolerance)

    def never_sent(self) -> Self:
        """Jobs without a message, those that have been due longest first."""
        return self.filter(sent_at=None).order_by("run_after")

    def sent_long_ago(self) -> Self:
        """Jobs whose message should have been consumed by now, the oldest message first."""
        before = timezone.now() - timedelta(seconds=settings.RESEND_SECONDS)
        return self.filter(sent_at__lt=before).order_by("sent_at")

    def expired(self) -> Self:
        """Running jobs whose worker has given no sign of life, by the clock of the database."""
        return self.filter(state=JobState.RUNNING, lease_until__lt=Now())

    def held_by(self, owner: str) -> Self:
        """Running jobs whose lease belongs to ``owner``."""
        return self.filter(state=JobState.RUNNING, lease_owner=owner)


class EnhancedVariantQuerySet(models.QuerySet["EnhancedVariant"]):
    """Reads of variants."""

    # Not copied with the queryset: whatever narrows it further has to be counted row by row.
    chosen_from: Self | None = None

    def for_source(self, instance: Model) -> Self:
        """Variants of one image."""
        return self.filter(**source_key(instance))

    def for_sources(self, instances: Iterable[Model]) -> Self:
        """Variants of several images."""
        return self.filter(_of_sources(instances))

    def awaiting_review(self) -> Self:
        """Drafts that nobody has decided on."""
        return self.filter(state=ReviewState.AWAITING_REVIEW)

    def published(self) -> Self:
        """What shoppers see."""
        return self.filter(state=ReviewState.PUBLISHED)

    def same_slot(self, variant: EnhancedVariant) -> Self:
        """Variants that compete for the same place in the storefront."""
        return self.filter(
            source_type=variant.source_type_id, source_id=variant.source_id, role=variant.role
        )

    def beside(self, variant: EnhancedVariant) -> Self:
        """Other candidates of the same job and role."""
        same_choice = self.filter(job=variant.job_id, role=variant.role)
        return same_choice.exclude(candidate=variant.candidate)

    def first_of_each_choice(self) -> Self:
        """Of candidates among these that wait for one decision, only the first; all else stays."""
        decided = ~Q(state=ReviewState.AWAITING_REVIEW)
        firsts = self.filter(decided | Q(candidate=0) | ~Exists(self._candidates_before()))
        firsts.chosen_from = self
        return firsts

    def count(self) -> int:
        """Count the rows; those of ``first_of_each_choice`` by the index, not one by one."""
        if self.chosen_from is None or self._result_cache is not None:
            return super().count()
        decided = self.chosen_from.filter(state__in=DECIDED)
        waiting = self.chosen_from.awaiting_review().order_by().values("job", "role").distinct()
        return decided.count() + waiting.count()

    def _candidates_before(self) -> Self:
        return self.awaiting_review().filter(
            job=OuterRef("job"), role=OuterRef("role"), candidate__lt=OuterRef("candidate")
        )

    def lock(self) -> list[Any]:
        """Keep these variants from being changed until the transaction ends, and return their keys.

        They are locked in one order everywhere, so that no two writers wait for each other in a
        circle.
        """
        return list(self.select_for_update().order_by("pk").values_list("pk", flat=True))

    def supersede(self) -> int:
        """Let these variants give way; what was published before keeps its date for a rollback."""
        return self.filter(pk__in=self.lock()).update(
            state=ReviewState.SUPERSEDED, version=F("version") + 1, updated_at=timezone.now()
        )


class ReviewDecisionQuerySet(models.QuerySet["ReviewDecision"]):
    """Reads of decisions; refuses writes in bulk, as the rows are history."""

    def update(self, **kwargs: Any) -> NoReturn:
        """Refuse."""
        raise TypeError("ReviewDecision is append-only.")

    def delete(self) -> NoReturn:
        """Refuse."""
        raise TypeError("ReviewDecision is append-only.")


class WorkerHeartbeatQuerySet(models.QuerySet["WorkerHeartbeat"]):
    """Reads of workers."""

    def alive(self, now: datetime | None = None) -> Self:
        """Workers seen within three heartbeats."""
        oldest = (now or timezone.now()) - timedelta(seconds=3 * settings.HEARTBEAT_SECONDS)
        return self.filter(seen_at__gte=oldest)
