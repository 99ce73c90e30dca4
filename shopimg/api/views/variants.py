"""Variants: the review queue, the pictures, and every decision about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from django.db.models import QuerySet
from django.http import HttpResponse
from django_filters.rest_framework import DjangoFilterBackend  # type: ignore[import-untyped]
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from shopimg import permissions, previews
from shopimg.api import conditional
from shopimg.api.exceptions import EnhancementProblem, PreconditionFailed
from shopimg.api.filters import VariantFilter
from shopimg.api.pagination import NewestFirst, Ordering
from shopimg.api.permissions import Rule, as_in_admin, permitted
from shopimg.api.schema import IF_MATCH, PICTURE, operation, private_problems, write_problems
from shopimg.api.serializers.problems import VariantProblemSerializer
from shopimg.api.serializers.variants import (
    ApprovalSerializer,
    RejectionSerializer,
    RollbackSerializer,
    VariantDetailSerializer,
    VariantSerializer,
    VersionSerializer,
    current_state,
)
from shopimg.api.throttling import REVIEW
from shopimg.api.views.base import ShopimgViewSet
from shopimg.contract import CapacityError, InvalidTransitionError
from shopimg.models import EnhancedVariant
from shopimg.previews import Side
from shopimg.scope import visible_to
from shopimg.services import publishing, reviews

_Method = TypeVar("_Method", bound=Callable[..., Any])

_SPECIAL = dict.fromkeys((409, 412, 503), VariantProblemSerializer)


def _transition(
    serializer: type[Serializer[Any]], result: type[Serializer[Any]]
) -> Callable[[_Method], _Method]:
    """Describe an action that changes a variant's state."""
    return operation(
        request=serializer,
        parameters=[IF_MATCH],
        responses={200: result, **write_problems(special=_SPECIAL)},
    )


@extend_schema(tags=["variants"])
@extend_schema_view(
    list=operation(responses={200: VariantSerializer(many=True), **private_problems(400)}),
    retrieve=operation(responses={200: VariantDetailSerializer, **private_problems()}),
)
class VariantViewSet(ListModelMixin, RetrieveModelMixin, ShopimgViewSet):
    """Variants of the images that the user may see."""

    queryset = EnhancedVariant.objects.all()
    pagination_class = NewestFirst
    filter_backends = (DjangoFilterBackend, Ordering)
    filterset_class = VariantFilter
    ordering_fields = ("created_at", "updated_at", "size_bytes")
    throttle_scope = REVIEW
    rules: ClassVar[Mapping[str, Rule]] = {
        **dict.fromkeys(("list", "retrieve", "before", "after"), permitted(permissions.VIEW)),
        **as_in_admin(
            permissions.VIEW, "approve", "reject", "publish", "withdraw", "rollback", "restore"
        ),
    }

    def get_serializer_class(self) -> type[Serializer[Any]]:
        """Return the short form for lists, the one with the history for everything else."""
        return VariantSerializer if self.action == "list" else VariantDetailSerializer

    def get_queryset(self) -> QuerySet[EnhancedVariant]:
        """Return the variants that the user may see, with what their representation needs."""
        rows = EnhancedVariant.objects.select_related("job", "source_type", "approved_by")
        if self.action != "list":
            rows = rows.prefetch_related("decisions__by", "job__variants")
        return visible_to(self.user, rows)

    def get_object(self) -> EnhancedVariant:
        """Return one variant, and note its version and when it changed."""
        variant: EnhancedVariant = super().get_object()
        self.version = variant.version
        beside = variant.candidates()
        self.changed_at = max(max(one.updated_at, one.created_at) for one in beside)
        return variant

    @operation(responses={**PICTURE, **private_problems()})
    @action(detail=True)
    def before(self, request: Request, pk: str) -> HttpResponse:
        """The upload that the variant was made from, as a file."""
        return previews.picture_response(self.get_object(), Side.BEFORE)

    @operation(responses={**PICTURE, **private_problems()})
    @action(detail=True)
    def after(self, request: Request, pk: str) -> HttpResponse:
        """The produced picture, as a file; never public, whatever its state."""
        return previews.picture_response(self.get_object(), Side.AFTER)

    @_transition(ApprovalSerializer, VariantDetailSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        """Approve a draft, and publish it where the shop does so on approval.

        Other candidates that were made beside it are superseded.
        """
        return self._change(reviews.approve, ApprovalSerializer)

    @_transition(RejectionSerializer, VariantDetailSerializer)
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, pk: str) -> Response:
        """Reject a draft; what is published stays."""
        return self._change(reviews.reject, RejectionSerializer)

    @_transition(VersionSerializer, VariantDetailSerializer)
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, pk: str) -> Response:
        """Show an approved variant to shoppers."""
        return self._change(publishing.publish, VersionSerializer)

    @_transition(VersionSerializer, VariantDetailSerializer)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: str) -> Response:
        """Take a variant out of the storefront, which shows the original again."""
        return self._change(publishing.withdraw, VersionSerializer)

    @_transition(VersionSerializer, RollbackSerializer)
    @action(detail=True, methods=["post"])
    def rollback(self, request: Request, pk: str) -> Response:
        """Show what was shown before a published variant: its predecessor, else the original."""
        variant = self.get_object()
        shown = self._call(publishing.rollback, variant, VersionSerializer)
        return Response(
            {
                "rolled_back": self._represent(variant),
                "shown": None if shown is None else self._represent(shown),
            }
        )

    @_transition(VersionSerializer, VariantDetailSerializer)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str) -> Response:
        """Undo a rollback or a withdrawal: show again what was taken out of the storefront."""
        return self._change(publishing.restore, VersionSerializer)

    def _change(
        self, service: Callable[..., Any], serializer_class: type[Serializer[Any]]
    ) -> Response:
        variant = self.get_object()
        self._call(service, variant, serializer_class)
        return Response(self._represent(variant))

    def _call(
        self,
        service: Callable[..., EnhancedVariant | None],
        variant: EnhancedVariant,
        serializer_class: type[Serializer[Any]],
    ) -> EnhancedVariant | None:
        """Let a service decide, about the version that the client has looked at."""
        body = serializer_class(data=self.request.data)
        body.is_valid(raise_exception=True)
        matches = conditional.matches(self.request, variant.version)
        if matches is False:
            raise PreconditionFailed(current=current_state(variant))
        if matches:
            body.validated_data.setdefault("version", variant.version)
        try:
            return service(variant, by=self.user, **body.validated_data)
        except (InvalidTransitionError, CapacityError) as err:
            variant.refresh_from_db()
            raise EnhancementProblem(err, current=current_state(variant)) from err

    def _represent(self, variant: EnhancedVariant) -> dict[str, Any]:
        """Read a variant again, as others see it now."""
        fresh = self.get_queryset().get(pk=variant.pk)
        represented: dict[str, Any] = self.get_serializer(fresh).data
        return represented
