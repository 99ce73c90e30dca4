"""The OpenAPI document, and Swagger UI that works offline."""

from __future__ import annotations

from typing import Any

from drf_spectacular.settings import patched_settings
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response

from shopimg.api.schema import SETTINGS


class SchemaView(SpectacularAPIView):
    """OpenAPI 3; JSON or YAML by content negotiation."""

    urlconf = "shopimg.api.urls"
    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    schema = None
    serve_public = True

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return the document, with the address at which the host has put the API."""
        here = request.path.removesuffix("schema/")
        self.custom_settings = {**SETTINGS, "SERVERS": [{"url": here}]}
        response: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
        return response


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
        with patched_settings(SETTINGS):
            response: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
        return response
