"""The mask behind a variant: what was taken for the product, and how somebody corrects it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request
from rest_framework.response import Response

from shopimg import permissions, previews
from shopimg.api.parsers import PngParser, ShortMultiPartParser
from shopimg.api.permissions import Rule, as_in_admin, permitted
from shopimg.api.schema import PICTURE, operation, private_problems, write_problems
from shopimg.api.serializers.jobs import JobSerializer
from shopimg.api.serializers.variants import MaskSerializer
from shopimg.api.throttling import REVIEW
from shopimg.api.views.base import ShopimgViewSet
from shopimg.api.views.jobs import accepted
from shopimg.models import EnhancedVariant
from shopimg.previews import Side
from shopimg.scope import visible_to
from shopimg.services import masks, quotas


class MaskViewSet(ShopimgViewSet):
    """Masks of the variants that the user may see."""

    queryset = EnhancedVariant.objects.all()
    serializer_class = JobSerializer
    parser_classes = (PngParser, ShortMultiPartParser)
    throttle_scope = REVIEW
    rules: ClassVar[Mapping[str, Rule]] = {
        "mask": permitted(permissions.VIEW),
        **as_in_admin(permissions.VIEW, "correct"),
    }

    def get_queryset(self) -> QuerySet[EnhancedVariant]:
        """Return the variants that the user may see."""
        rows = EnhancedVariant.objects.select_related("job", "source_type")
        return visible_to(self.user, rows)

    @operation(tags=["variants"], responses={**PICTURE, **private_problems()})
    def mask(self, request: Request, pk: str) -> HttpResponse:
        """What was taken for the product, white on black, as large as the upload; 404 if nothing.

        Corrected by a POST to the same address.
        """
        return previews.picture_response(self.get_object(), Side.MASK)

    @operation(
        tags=["variants"],
        request={"image/png": OpenApiTypes.BINARY, "multipart/form-data": MaskSerializer},
        responses={202: JobSerializer, **write_problems(409, 422, 503)},
    )
    def correct(self, request: Request, pk: str) -> Response:
        """Have everything made again that was cut out of the photo, by a corrected mask.

        The body is a PNG, or a form with one as `mask`. Only what comes after the cut-out is
        computed anew; the drafts that there are give way once the new ones are ready. 429
        `quota_exceeded` while too many of the user's jobs are open.
        """
        variant = self.get_object()
        body = MaskSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        quotas.check_jobs(self.user)
        content = body.validated_data["mask"].read()
        job = masks.correct(variant, content, by=self.user).job
        return accepted(self.get_serializer(job).data, {})
