"""Bulk runs: what they are about and how far they have come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.db.models import Count, Exists, OuterRef, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from shopimg.api.pagination import NewestFirst, Ordering
from shopimg.api.permissions import Rule, permitted
from shopimg.api.schema import operation, private_problems
from shopimg.api.serializers.bulk_runs import BulkRunSerializer
from shopimg.api.throttling import JOBS
from shopimg.api.views.base import ShopimgViewSet
from shopimg.conf import settings
from shopimg.models import BulkRun, EnhancementJob
from shopimg.scope import visible_to
from shopimg.states import JobState

_VIEW = permitted("shopimg.view_bulkrun")


@extend_schema(tags=["bulk-runs"])
class BulkRunViewSet(ShopimgViewSet):
    """Runs of ``shopimg_reprocess``; under a scope, those with a job that the user may see."""

    queryset = BulkRun.objects.all()
    serializer_class = BulkRunSerializer
    pagination_class = NewestFirst
    filter_backends = (Ordering,)
    ordering_fields = ("created_at",)
    throttle_scope = JOBS
    rules: ClassVar[Mapping[str, Rule]] = {"list": _VIEW, "retrieve": _VIEW}

    def get_queryset(self) -> QuerySet[BulkRun]:
        """Return the runs that the user may see."""
        if settings.SCOPE is None:
            return BulkRun.objects.all()
        return BulkRun.objects.filter(Exists(self._jobs().filter(bulk_run=OuterRef("pk"))))

    @operation(responses={200: BulkRunSerializer(many=True), **private_problems(400)})
    def list(self, request: Request) -> Response:
        """All runs."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        self._count(page)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @operation(responses={200: BulkRunSerializer, **private_problems()})
    def retrieve(self, request: Request, pk: str) -> Response:
        """One run."""
        run = self.get_object()
        self._count([run])
        return Response(self.get_serializer(run).data)

    def _jobs(self) -> QuerySet[EnhancementJob]:
        return visible_to(self.user, EnhancementJob.objects.all())

    def _count(self, runs: Sequence[Any]) -> None:
        """Attach the progress of each run: one query for all of them."""
        by_run = {run.pk: dict.fromkeys(JobState.values, 0) for run in runs}
        rows = self._jobs().filter(bulk_run__in=by_run).order_by()
        for run, state, jobs in rows.values_list("bulk_run", "state").annotate(Count("pk")):
            by_run[run][state] = jobs
        for run in runs:
            run.progress = by_run[run.pk]
