"""What a storefront shows: public, published only, cacheable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Model, QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.http import http_date
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from shopimg import keys, sources
from shopimg.api.pagination import ByKey
from shopimg.api.schema import operation, problems
from shopimg.api.serializers.images import ImageSerializer, represent
from shopimg.api.throttling import STOREFRONT
from shopimg.api.views.base import ShopimgViewSet
from shopimg.services import pictures
from shopimg.services.pictures import Picture

MAX_IDS = 100
"""Most images of one request."""

_MODEL = OpenApiParameter(
    "model", str, OpenApiParameter.PATH, description="`app_label.model`, in any case."
)
_ROLE = OpenApiParameter(
    "role",
    str,
    description="Role of the recipe; by default its first, else the one that was published last. "
    "The answer describes no other role then.",
)


class ImageViewSet(ShopimgViewSet):
    """Images of the shop as shoppers may see them: rows of the model's default manager."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_scope = STOREFRONT
    pagination_class = ByKey
    serializer_class = ImageSerializer
    list_parameters = ("id", "role")
    repeatable_parameters = frozenset({"id"})
    queryset = None
    # Long enough to spare the shop, short enough that a withdrawn picture is gone within a minute.
    cache_control = "public, max-age=60"

    @operation(
        tags=["images"],
        parameters=[
            _MODEL,
            _ROLE,
            OpenApiParameter(
                "id", OpenApiTypes.STR, many=True, required=True, description="1 to 100 keys."
            ),
        ],
        responses={200: ImageSerializer(many=True), **problems(400)},
    )
    def list(self, request: Request, model: str) -> Response:
        """Several images of one model; unknown keys are left out."""
        source = _source(model)
        wanted = _keys(source, request.query_params.getlist("id"))
        page: Sequence[Model] = self.paginate_queryset(_rows(source).filter(pk__in=wanted)) or []
        found = zip(page, self._pictures_of(page), strict=True)
        return self.get_paginated_response([self._represent(source, *pair) for pair in found])

    @operation(
        tags=["images"],
        parameters=[_MODEL, _ROLE, OpenApiParameter("id", str, OpenApiParameter.PATH)],
        responses={200: ImageSerializer, **problems(400)},
    )
    def retrieve(self, request: Request, model: str, id: str) -> Response:  # noqa: A002
        """One image."""
        source = _source(model)
        try:
            key = keys.parse(source.model, id)
        except ValueError as err:
            raise Http404 from err
        instance = get_object_or_404(_rows(source), pk=key)
        (picture,) = self._pictures_of([instance])
        response = Response(self._represent(source, instance, picture))
        if picture.variant is not None:
            # For information: whether an answer still fits is decided by its ETag alone, as
            # nobody knows when the host's own text has changed.
            moments = (picture.variant.updated_at, picture.variant.renditions_at)
            changed = max(moment for moment in moments if moment is not None)
            response["Last-Modified"] = http_date(changed.timestamp())
        return response

    def _pictures_of(self, instances: Sequence[Model]) -> Sequence[Picture]:
        role = self.request.query_params.get("role")
        try:
            pictures.check_role(role)
        except LookupError as err:
            raise ValidationError({"role": str(err)}) from err
        found = pictures.pictures_of(instances, role, measured=True)
        if any(one.variant and not one.sources for one in found):
            self.cache_control = "public, max-age=5"  # the worker writes the sizes right now
        return found

    def _represent(
        self, source: sources.Source, instance: Model, picture: Picture
    ) -> dict[str, Any]:
        key = {"model": source.label.lower(), "id": str(instance.pk)}
        every_role = "role" not in self.request.query_params
        return key | represent(picture, self.request, roles=every_role)


def _source(label: str) -> sources.Source:
    try:
        return sources.find(label)
    except LookupError as err:
        raise Http404 from err


def _rows(source: sources.Source) -> QuerySet[Model]:
    """Return what the host shows: a manager that hides images hides them here as well."""
    return source.model._default_manager.all()


def _keys(source: sources.Source, texts: Sequence[str]) -> list[Any]:
    """Return the primary keys that the request names.

    Raises:
        ValidationError: none, too many, or one that cannot be a key of the model.
    """
    if not 0 < len(texts) <= MAX_IDS:
        raise ValidationError({"id": f"Give 1 to {MAX_IDS} keys, each as id=..."})
    try:
        return [keys.parse(source.model, text) for text in texts]
    except ValueError as err:
        raise ValidationError({"id": str(err)}) from err
