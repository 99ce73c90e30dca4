"""Chainable reads: the questions that services, admin and API ask of the tables."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn, Self

from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models import Model, Q
from django.utils import timezone

from shopimg.conf import settings
from shopimg.states import OPEN_JOBS, JobState, ReviewState

if TYPE_CHECKING:
    from shopimg.models import (  # noqa: F401  # names of the generic parameters below
        BulkRun,
        EnhancedVariant,
        EnhancementJob,
        ReviewDecision,
        WorkerHeartbeat,
    )


def source_key(instance: Model) -> dict[str, Any]:
    """Return the lookup by which rows refer to ``instance``."""
    source_type = ContentType.objects.get_for_model(instance, for_concrete_model=True)
    return {"source_type": source_type, "source_id": str(instance.pk)}


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

    def claimable(self, now: datetime | None = None) -> Self:
        """Jobs that a worker may start now."""
        return self.filter(state=JobState.QUEUED, run_after__lte=now or timezone.now())

    def unsent(self, now: datetime) -> Self:
        """Claimable jobs whose last wake-up message is missing or old."""
        before = now - timedelta(seconds=settings.RESEND_SECONDS)
        return self.claimable(now).filter(Q(sent_at=None) | Q(sent_at__lt=before))

    def expired(self, now: datetime) -> Self:
        """Running jobs whose worker has given no sign of life."""
        return self.filter(state=JobState.RUNNING, lease_until__lt=now)

    def held_by(self, owner: str) -> Self:
        """Running jobs whose lease belongs to ``owner``."""
        return self.filter(state=JobState.RUNNING, lease_owner=owner)


class EnhancedVariantQuerySet(models.QuerySet["EnhancedVariant"]):
    """Reads of variants."""

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

    def published_for(self, instance: Model, role: str | None = None) -> Self:
        """What shoppers see of one image."""
        published = self.for_source(instance).published()
        return published if role is None else published.filter(role=role)

    def same_slot(self, variant: EnhancedVariant) -> Self:
        """Variants that compete for the same place in the storefront."""
        return self.filter(
            source_type=variant.source_type_id, source_id=variant.source_id, role=variant.role
        )


class ReviewDecisionQuerySet(models.QuerySet["ReviewDecision"]):
    """Reads of decisions; refuses writes in bulk, as the rows are history."""

    def update(self, **kwargs: Any) -> NoReturn:
        """Refuse."""
        raise TypeError("ReviewDecision is append-only.")

    def delete(self) -> NoReturn:
        """Refuse."""
        raise TypeError("ReviewDecision is append-only.")


class BulkRunQuerySet(models.QuerySet["BulkRun"]):
    """Reads of bulk runs."""


class WorkerHeartbeatQuerySet(models.QuerySet["WorkerHeartbeat"]):
    """Reads of workers."""

    def alive(self, now: datetime | None = None) -> Self:
        """Workers seen within three heartbeats."""
        oldest = (now or timezone.now()) - timedelta(seconds=3 * settings.HEARTBEAT_SECONDS)
        return self.filter(seen_at__gte=oldest)
