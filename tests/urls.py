"""Addresses of the host shop of the tests."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/shopimg/v1/", include("shopimg.api.urls")),
]
