"""Links from the host's admin: what they lead to, for whom, with any way of naming fields."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest
from django.test import RequestFactory
from django.urls import reverse
from pytest_django import Settings

from shopimg.admin.line import review_url
from shopimg.admin.links import Enhancement, EnhancementLinks
from shopimg.models import EnhancementJob
from shopimg.services import reviews
from shopimg.states import JobState
from tests import builders
from tests.testapp.models import OwnedPhoto, Photo

pytestmark = pytest.mark.django_db


def as_user(user: User) -> HttpRequest:
    request = RequestFactory().get("/")
    request.user = user
    return request


def links_of(image: Any, user: User) -> list[str]:
    html = Enhancement(as_user(user), admin.site)(image)
    return re.findall(r'href="([^"]+)"', str(html).replace("&amp;", "&"))


def history(image: Any) -> str:
    type_id = ContentType.objects.get_for_model(type(image)).pk
    address = reverse("admin:shopimg_enhancementjob_changelist")
    return f"{address}?source_type={type_id}&source_id={image.pk}"


def test_field__leads_to_reviews_and_to_all_jobs_of_the_photo_alone() -> None:
    rosa, photo = builders.reviewer(), builders.photo()
    published = reviews.approve(builders.draft(photo), by=rosa)
    EnhancementJob.objects.update(state=JobState.QUEUED)
    waiting = builders.draft(photo, colour=(9, 9, 9))
    builders.draft()
    assert links_of(photo, rosa) == [history(photo), review_url(waiting), review_url(published)]
    client = builders.client_of(rosa)
    page = client.get(history(photo))
    assert page.status_code == 200
    assert [job.source for job in page.context["cl"].queryset] == [photo]


def test_field__says_where_the_newest_job_is() -> None:
    photo = builders.photo()
    html = Enhancement(as_user(builders.reviewer()), admin.site)(photo)
    assert 'data-state="queued">Queued</span>' in html
    EnhancementJob.objects.all().delete()
    html = Enhancement(as_user(builders.reviewer("karl")), admin.site)(photo)
    assert html == "<div>No job yet.</div>"


def test_field__says_why_the_newest_job_has_failed() -> None:
    html = Enhancement(as_user(builders.reviewer()), admin.site)(builders.photo(b"nothing"))
    assert 'data-state="failed">Failed</span>' in html
    assert "<div>The uploaded file is damaged or is not a picture.</div>" in html


@pytest.mark.parametrize(
    ("permissions", "count"),
    [
        (["view_enhancementjob"], 1),
        (["change_enhancementjob"], 1),
        (["view_enhancedvariant"], 1),
        (["view_bulkrun"], 0),
    ],
)
def test_field__shows_what_the_user_may_see(permissions: list[str], count: int) -> None:
    variant = builders.draft()
    user = builders.reviewer("jo", *permissions)
    assert len(links_of(variant.source, user)) == count


def test_field__of_somebody_elses_photo_says_nothing(settings: Settings) -> None:
    settings.SHOPIMG = settings.SHOPIMG | {"SCOPE": "tests.testapp.scope.own_photos"}
    karl = builders.reviewer("karl")
    photo = OwnedPhoto.objects.create(owner=karl, file=builders.upload())
    builders.draft(photo)
    assert links_of(photo, builders.reviewer("rosa")) == []
    assert len(links_of(photo, karl)) == 2


def test_field__of_a_photo_that_is_not_saved_yet_is_empty() -> None:
    assert Enhancement(as_user(builders.reviewer()), admin.site)(Photo()) == "-"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fields": ("file",)},
        {"fieldsets": [(None, {"fields": ("file",)})]},
        {"readonly_fields": ("file",)},
    ],
)
@pytest.mark.parametrize("saved", [False, True])
def test_mixin__page_shows_the_field_and_its_styles(
    options: dict[str, Any], *, saved: bool
) -> None:
    page = type("PhotoAdmin", (EnhancementLinks, admin.ModelAdmin), options)(Photo, AdminSite())
    assert page.check() == []
    photo = builders.photo() if saved else None
    response = page.changeform_view(
        as_user(User.objects.create_superuser("boss")), photo and str(photo.pk)
    )
    shown = [
        field.contents()
        for fieldset in response.context_data["adminform"]
        for line in fieldset
        for field in line
        if field.is_readonly and field.field["name"] == "enhancement"
    ]
    assert [("Job history" in html) for html in shown] == [saved]
    assert str(response.context_data["media"]).count("shopimg/admin.css") == 1
