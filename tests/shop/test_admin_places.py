"""Links from a photo to the page of the host's own admin where it is edited."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.test import RequestFactory
from django.urls import path
from pytest_django import Settings

from shopimg.admin.places import admin_url_of
from tests import builders
from tests.testapp.models import OwnedPhoto, Photo

pytestmark = pytest.mark.django_db

site = admin.AdminSite("host")


class OwnedPhotoInline(admin.TabularInline):
    model = OwnedPhoto


class OwnerAdmin(admin.ModelAdmin):
    inlines = (OwnedPhotoInline,)


site.register(Photo)
site.register(User, OwnerAdmin)
urlpatterns = [path("host-admin/", site.urls)]


@pytest.fixture(autouse=True)
def host_addresses(settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__


def request_of(user: User) -> HttpRequest:
    request = RequestFactory().get("/")
    request.user = user
    return request


def test_admin_url_of__page_of_the_photo() -> None:
    photo = builders.photo()
    request = request_of(User.objects.create_superuser("boss"))
    assert admin_url_of(photo, request, site) == f"/host-admin/testapp/photo/{photo.pk}/change/"


def test_admin_url_of__page_of_the_row_that_lists_the_photo() -> None:
    boss = User.objects.create_superuser("boss")
    photo = OwnedPhoto.objects.create(owner=boss, file=builders.upload())
    url = admin_url_of(photo, request_of(boss), site)
    assert url == f"/host-admin/auth/user/{boss.pk}/change/"


def test_admin_url_of__none_without_permission_to_view() -> None:
    request = request_of(builders.reviewer())
    assert admin_url_of(builders.photo(), request, site) is None


def test_admin_url_of__none_where_the_host_has_no_such_page() -> None:
    request = request_of(User.objects.create_superuser("boss"))
    assert admin_url_of(builders.photo(), request, admin.site) is None
