"""Every address of the demo shop."""

from __future__ import annotations

from django.contrib import admin
from django.core.files.storage import FileSystemStorage, storages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver, include, path
from django.views.static import serve

from demoshop import views

PUBLIC_STORAGES = ("default", "shopimg_published")
"""Aliases whose files everybody may see; drafts are not among them."""


def _public_file(request: HttpRequest, path: str, alias: str) -> HttpResponseBase:
    """Answer with a file from a local folder, as a front-end server would in production."""
    return serve(request, path, document_root=storages[alias].path(""))


def _file_routes() -> list[URLPattern]:
    """Return a route for each public storage that is a folder; buckets have their own server."""
    return [
        path(f"{str(storage.base_url).strip('/')}/<path:path>", _public_file, {"alias": alias})
        for alias in PUBLIC_STORAGES
        if isinstance(storage := storages[alias], FileSystemStorage)
    ]


handler403, handler404 = "demoshop.views.forbidden", "demoshop.views.missing"

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
