"""Every address of the demo shop."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.files.storage import FileSystemStorage, storages
from django.urls import URLPattern, URLResolver, include, path
from django.views.static import serve

from demoshop import views

PUBLIC_STORAGES = ("default", "shopimg_published")
"""Aliases whose files everybody may see; drafts are not among them."""


def _file_routes() -> list[URLPattern]:
    """Serve public files from local folders, as a front-end server or S3 would in production."""
    local: list[Any] = [
        storage
        for alias in PUBLIC_STORAGES
        if isinstance(storage := storages[alias], FileSystemStorage)
    ]
    return [
        path(
            f"{storage.base_url.strip('/')}/<path:path>",
            serve,
            {"document_root": storage.location},
        )
        for storage in local
    ]


urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.ProductList.as_view(), name="product_list"),
    path("category/<slug:category>/", views.ProductList.as_view(), name="category"),
    path("products/<slug:slug>/", views.ProductPage.as_view(), name="product"),
    path("cart/", views.cart_page, name="cart"),
    path("cart/<slug:slug>/add/", views.cart_add, name="cart_add"),
    path("cart/<slug:slug>/change/", views.cart_change, name="cart_change"),
    path("admin/", admin.site.urls),
    path("api/shopimg/v1/", include("shopimg.api.urls")),
    *_file_routes(),
]
