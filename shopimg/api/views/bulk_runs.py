"""Bulk runs: ask for one, and see how far it has come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from django.db.models import Count, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from shopimg.api import replay
from shopimg.api.pagination import NewestFirst, Ordering
from shopimg.api.permissions import Rule, as_in_admin, permitted
from shopimg.api.schema import IDEMPOTENCY_KEY, operation, private_problems, write_problems
from shopimg.api.selections import scoped
from shopimg.api.serializers.bulk_runs import (
    BulkRunSerializer,
    EstimateSerializer,
    NewBulkRunSerializer,
)
from shopimg.api.throttling import JOBS
from shopimg.api.views.base import ShopimgViewSet
from shopimg.models import BulkRun, EnhancementJob
from shopimg.scope import runs_of, runs_visible_to, visible_to
from shopimg.services import bulk, cancellation, queueing, quotas
from shopimg.states import JobState

_VIEW = permitted("shopimg.view_bulkrun")


@extend_schema(tags=["bulk-runs"])
class BulkRunViewSet(ShopimgViewSet):
    """Runs over the catalogue; under a scope, one's own and those with a job one may see."""

    queryset = BulkRun.objects.all()
    serializer_class = BulkRunSerializer
    pagination_class = NewestFirst
    filter_backends = (Ordering,)
    ordering_fields = ("created_at",)
    throttle_scope = JOBS
    rules: ClassVar[Mapping[str, Rule]] = {
        "list": _VIEW,
        "retrieve": _VIEW,
        "create": permitted("shopimg.add_bulkrun"),
        **as_in_admin("shopimg.view_bulkrun", "cancel"),
    }

    def get_queryset(self) -> QuerySet[BulkRun]:
        """Return the runs that the user may see."""
        return runs_visible_to(self.user, BulkRun.objects.all())

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

    @operation(
        request=NewBulkRunSerializer,
        parameters=[IDEMPOTENCY_KEY],
        responses={200: EstimateSerializer, 202: BulkRunSerializer, **write_problems(422)},
    )
    def create(self, request: Request) -> Response:
        """Ask for a part of the catalogue to be run again; a worker queues the jobs.

        With `dry_run` nothing happens, and the answer says how many images it would be about.
        429 `quota_exceeded` while earlier runs of the user are being queued or hold too many jobs.
        """
        wanted = NewBulkRunSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        selection = wanted.selection()
        if wanted.validated_data["dry_run"]:
            return Response(EstimateSerializer(bulk.estimate(self._narrowed(selection))).data)
        make = partial(self._request, selection)
        run, headers = replay.once(request, BulkRun, selection.to_json(), make)
        self._count([run])
        data = self.get_serializer(run).data
        return Response(data, 202, headers={"Location": str(data["url"]), **headers})

    @operation(request=None, responses={200: BulkRunSerializer, **private_problems(409)})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Queue nothing more, and end the run's jobs within a minute.

        Under a scope one's own runs only: others hold images that are somebody else's.
        """
        run = self.get_object()
        if not runs_of(self.user, BulkRun.objects.filter(pk=run.pk)).exists():
            raise PermissionDenied
        cancellation.cancel(run)
        self._count([run])
        return Response(self.get_serializer(run).data)

    def _narrowed(self, selection: bulk.Selection) -> bulk.Selection:
        """Check what was asked for, and leave only images that the user may see.

        Raises:
            ValidationError: there is no such model, status or key.
            RecipeError: there is no such recipe.
            NotFound: an image that was named does not exist, or is none of the user's business.
        """
        try:
            bulk.check(selection)
        except LookupError as err:
            raise ValidationError({"model": str(err)}) from err
        except ValueError as err:
            raise ValidationError({"ids": str(err)}) from err
        return scoped(self.user, selection)

    def _request(self, selection: bulk.Selection) -> BulkRun:
        narrowed = self._narrowed(selection)
        quotas.check_runs(self.user)
        return queueing.request(narrowed, by=self.user)

    def _count(self, runs: Sequence[Any]) -> None:
        """Attach the progress of each run: one query for all of them."""
        by_run = {run.pk: dict.fromkeys(JobState.values, 0) for run in runs}
        rows = visible_to(self.user, EnhancementJob.objects.filter(bulk_run__in=by_run)).order_by()
        for run, state, jobs in rows.values_list("bulk_run", "state").annotate(Count("pk")):
            by_run[run][state] = jobs
        for run in runs:
            run.progress = by_run[run.pk]
