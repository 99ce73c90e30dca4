"""Addresses of the API: ``path("api/shopimg/v1/", include("shopimg.api.urls"))``."""

from __future__ import annotations

from django.urls import path, re_path
from rest_framework.routers import SimpleRouter

from shopimg.api.views.base import NotFoundView, add_slash
from shopimg.api.views.bulk_runs import BulkRunViewSet
from shopimg.api.views.documents import DocumentationView, SchemaView
from shopimg.api.views.health import HealthView
from shopimg.api.views.images import ImageViewSet
from shopimg.api.views.jobs import JobViewSet
from shopimg.api.views.masks import MaskViewSet
from shopimg.api.views.variants import VariantViewSet

app_name = "shopimg_api"

_router = SimpleRouter()
_router.register("jobs", JobViewSet, basename="job")
_router.register("variants", VariantViewSet, basename="variant")
_router.register("bulk-runs", BulkRunViewSet, basename="bulk-run")

urlpatterns = [
    path("images/<str:model>/", ImageViewSet.as_view({"get": "list"}), name="image-list"),
    path(
        "images/<str:model>/<str:id>/",
        ImageViewSet.as_view({"get": "retrieve"}),
        name="image-detail",
    ),
    path(
        "variants/<str:pk>/mask/",
        MaskViewSet.as_view({"get": "mask", "post": "correct"}),
        name="variant-mask",
    ),
    *_router.urls,
    path("schema/", SchemaView.as_view(), name="schema"),
    path("health/", HealthView.as_view(), name="health"),
    path("docs/", DocumentationView.as_view(), name="docs"),
    re_path(r"^(?:.+/)?$", NotFoundView.as_view()),
    re_path(r"^.*[^/]$", add_slash),
]
