"""Jobs: ask for an image to be enhanced, follow the work, retry, cancel."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from django.db.models import Model, QuerySet
from django.utils import timezone
from django_filters.rest_framework import DjangoFilterBackend  # type: ignore[import-untyped]
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from shopimg import keys, sources
from shopimg.api import replay
from shopimg.api.exceptions import RefusedUpload
from shopimg.api.filters import JobFilter
from shopimg.api.pagination import NewestFirst, Ordering
from shopimg.api.permissions import Rule, as_in_admin, permitted
from shopimg.api.schema import IDEMPOTENCY_KEY, operation, private_problems, write_problems
from shopimg.api.serializers import options
from shopimg.api.serializers.jobs import JobSerializer, NewJobSerializer
from shopimg.api.serializers.problems import RefusedUploadSerializer
from shopimg.api.throttling import JOBS
from shopimg.api.views.base import ShopimgViewSet
from shopimg.models import EnhancementJob
from shopimg.permissions import VIEW_JOBS
from shopimg.recipes import get_recipe
from shopimg.scope import images_visible_to, visible_to
from shopimg.services import jobs, quotas, requests
from shopimg.states import JobState


@extend_schema(tags=["jobs"])
@extend_schema_view(
    list=operation(responses={200: JobSerializer(many=True), **private_problems(400)}),
    retrieve=operation(responses={200: JobSerializer, **private_problems()}),
)
class JobViewSet(ListModelMixin, RetrieveModelMixin, ShopimgViewSet):
    """Jobs of the images that the user may see."""

    queryset = EnhancementJob.objects.all()
    serializer_class = JobSerializer
    pagination_class = NewestFirst
    filter_backends = (DjangoFilterBackend, Ordering)
    filterset_class = JobFilter
    ordering_fields = ("created_at",)
    throttle_scope = JOBS
    rules: ClassVar[Mapping[str, Rule]] = {
        "list": permitted(VIEW_JOBS),
        "retrieve": permitted(VIEW_JOBS),
        "create": permitted("shopimg.add_enhancementjob"),
        **as_in_admin(VIEW_JOBS, "retry", "cancel"),
    }

    def get_queryset(self) -> QuerySet[EnhancementJob]:
        """Return the jobs that the user may see, with what their representation needs."""
        rows = EnhancementJob.objects.select_related("source_type").prefetch_related("variants")
        return visible_to(self.user, rows)

    def get_object(self) -> EnhancementJob:
        """Return one job, and note when it changed."""
        job: EnhancementJob = super().get_object()
        self.changed_at = _changed_at(job)
        return job

    @operation(
        request=NewJobSerializer,
        parameters=[IDEMPOTENCY_KEY],
        responses={
            202: JobSerializer,
            **write_problems(special={422: RefusedUploadSerializer}),
        },
    )
    def create(self, request: Request) -> Response:
        """Ask for an image to be enhanced.

        The same upload, recipe, options and weights give the same job, however often they are
        asked for.
        429 `quota_exceeded` while too many of the user's jobs are open.
        """
        wanted = NewJobSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        body: dict[str, Any] = wanted.validated_data
        make = partial(self._request, body)
        job, headers = replay.once(request, EnhancementJob, _normal(body), make)
        if headers and not self.get_queryset().filter(pk=job.pk).exists():
            raise NotFound  # since the first answer the user has lost sight of the image
        _refuse_if_refused(job, headers)
        return self._accepted(job, headers)

    @operation(request=None, responses={202: JobSerializer, **private_problems(409)})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Run a job that is over once more, with all its attempts.

        It is the user's from now on: 429 `quota_exceeded` while too many of those are open, except
        for jobs of bulk runs.
        """
        job = self.get_object()
        if job.bulk_run_id is None:
            quotas.check_jobs(self.user)
        requests.run_again(job, by=self.user)
        return self._accepted(job, {})

    @operation(request=None, responses={200: JobSerializer, **private_problems(409)})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop a job that is not over."""
        job = self.get_object()
        jobs.cancel(job)
        return Response(self.get_serializer(job).data)

    def _image(self, body: Mapping[str, str]) -> Model:
        """Return the image that a body names, if the user may see it."""
        try:
            model = sources.find(body["source"]).model
        except LookupError as err:
            raise ValidationError({"source": str(err)}) from err
        try:
            key = keys.parse(model, body["id"])
        except ValueError as err:
            raise ValidationError({"id": str(err)}) from err
        images = images_visible_to(self.user, model._default_manager.all())
        image: Model | None = images.filter(pk=key).first()
        if image is None:
            raise NotFound("There is no such image.")
        return image

    def _request(self, body: Mapping[str, Any]) -> EnhancementJob:
        image = self._image(body)
        quotas.check_jobs(self.user)
        recipe = body.get("recipe") or sources.source_for(type(image)).recipe
        chosen = body.get("options", {})
        options.check(get_recipe(recipe), chosen)
        order = requests.Order(recipe=recipe, options=chosen, requested_by=self.user)
        return requests.request_enhancement(image, order).job

    def _accepted(self, job: EnhancementJob, headers: Mapping[str, str]) -> Response:
        return accepted(self.get_serializer(job).data, headers)


def accepted(job: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
    """Answer 202 with a job, as ``JobSerializer`` represents it, and where to ask for it."""
    # A plain str: some servers refuse the subclass that Django REST framework uses for links.
    return Response(job, 202, headers={"Location": str(job["result_url"]), **headers})


def _changed_at(job: EnhancementJob) -> datetime:
    """Return when anything that is shown of a job has changed last."""
    moments = [job.created_at, job.sent_at, job.started_at, job.finished_at]
    moments += [variant.updated_at for variant in job.variants.all()]
    if job.run_after <= timezone.now():
        moments.append(job.run_after)
    return max(moment for moment in moments if moment is not None)


def _normal(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a body asks for, written in one way: the same under one `Idempotency-Key`."""
    given = {name: value for name, value in body.items() if value}
    return {**given, "source": str(body["source"]).lower()}


def _refuse_if_refused(job: EnhancementJob, headers: Mapping[str, str]) -> None:
    """Say so at once where the upload was refused before any worker saw it."""
    if job.state == JobState.FAILED and not job.attempts:
        raise RefusedUpload(job, headers)
