"""The OpenAPI document, and Swagger UI that works offline."""

from __future__ import annotations

import hashlib
from typing import Any, cast

from django.http import HttpResponse
from django.utils.cache import get_conditional_response
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from shopimg.api import document
from shopimg.api.exceptions import PROBLEM_TYPE
from shopimg.api.schema import SETTINGS
from shopimg.api.throttling import STOREFRONT
from shopimg.api.views.base import ShopimgView


class SchemaView(ShopimgView):
    """OpenAPI 3; JSON or YAML by content negotiation."""

    renderer_classes = SpectacularAPIView.renderer_classes
    authentication_classes = ()
    permission_classes = ()
    throttle_scope = STOREFRONT
    schema = None
    cache_control = "public, max-age=60"

    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        """Return the document, with the address at which the host has put the API."""
        renderer = request.accepted_renderer
        content = document.rendered(request.path.removesuffix("schema/"), renderer.format)
        charset = f"; charset={renderer.charset}" if renderer.charset else ""
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        response = HttpResponse(
            content,
            content_type=renderer.media_type + charset,
            headers={
                "Content-Disposition": f'inline; filename="shopimg.{renderer.format}"',
                "Cache-Control": self.cache_control,
                "ETag": etag,
            },
        )
        return cast("HttpResponse", get_conditional_response(request, etag, None, response))

    def handle_exception(self, exc: Exception) -> Response:
        """Answer errors with JSON, also where the document would have been YAML."""
        self.request.accepted_renderer = JSONRenderer()
        self.request.accepted_media_type = PROBLEM_TYPE
        return super().handle_exception(exc)


class DocumentationView(SpectacularSwaggerSplitView):
    """Swagger UI from static files: no CDN, no inline script."""

    url_name = "shopimg_api:schema"
    title = str(SETTINGS["TITLE"])
    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    schema = None

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return the page, or its script."""
        with document.own_settings():
            response: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
        return response
