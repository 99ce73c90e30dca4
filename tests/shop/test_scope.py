"""Narrowing of jobs and variants to the images that a user may see."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db.models import F, QuerySet
from pytest_django import DjangoAssertNumQueries, Settings

from shopimg.models import BulkRun, EnhancedVariant, EnhancementJob
from shopimg.querysets import hyphenated
from shopimg.scope import runs_visible_to, visible_to
from tests import builders
from tests.testapp.models import OwnedPhoto

pytestmark = pytest.mark.django_db


@pytest.fixture
def own_photos_only(settings: Settings) -> None:
    """Let everybody see their own photographs, and all photographs without an owner."""
    settings.SHOPIMG = settings.SHOPIMG | {"SCOPE": "tests.testapp.scope.own_photos"}


def owned_draft(owner: User) -> EnhancedVariant:
    return builders.draft(OwnedPhoto.objects.create(owner=owner, file=builders.upload()))


def nothing(user: User, images: QuerySet[Any]) -> QuerySet[Any]:
    """A scope that hides everything from everybody."""
    return images.none()


def test_visible_to__no_scope_returns_the_very_rows() -> None:
    rows = EnhancedVariant.objects.all()
    assert visible_to(builders.reviewer(), rows) is rows


@pytest.mark.usefixtures("own_photos_only")
def test_visible_to__scope_keeps_own_and_unowned_rows() -> None:
    rosa, karl = builders.reviewer("rosa"), builders.reviewer("karl")
    of_rosa, of_karl, of_nobody = owned_draft(rosa), owned_draft(karl), builders.draft()
    assert set(visible_to(rosa, EnhancedVariant.objects.all())) == {of_rosa, of_nobody}
    assert set(visible_to(karl, EnhancedVariant.objects.all())) == {of_karl, of_nobody}
    assert set(visible_to(rosa, EnhancementJob.objects.all())) == {of_rosa.job, of_nobody.job}


@pytest.mark.usefixtures("own_photos_only")
def test_visible_to__scope_decides_about_superusers_too() -> None:
    draft = owned_draft(builders.reviewer("karl"))
    boss = User.objects.create_superuser("boss")
    assert list(visible_to(boss, EnhancedVariant.objects.all())) == [draft]


def test_visible_to__superusers_are_not_exempt(settings: Settings) -> None:
    settings.SHOPIMG = settings.SHOPIMG | {"SCOPE": f"{__name__}.nothing"}
    builders.draft()
    boss = User.objects.create_superuser("boss")
    assert list(visible_to(boss, EnhancedVariant.objects.all())) == []


@pytest.mark.usefixtures("own_photos_only")
def test_visible_to__same_key_in_another_model_is_no_way_in() -> None:
    rosa, karl = builders.reviewer("rosa"), builders.reviewer("karl")
    hidden = owned_draft(karl)
    OwnedPhoto.objects.create(pk=int(hidden.source_id) + 1, owner=rosa, file=builders.upload())
    assert hidden not in visible_to(rosa, EnhancedVariant.objects.all())


@pytest.mark.usefixtures("own_photos_only")
def test_visible_to__rows_of_models_that_are_not_watched_any_more_are_hidden(
    settings: Settings,
) -> None:
    builders.draft()
    settings.SHOPIMG = settings.SHOPIMG | {
        "SOURCES": {"testapp.OwnedPhoto": {"field": "file", "recipe": "clean"}}
    }
    assert list(visible_to(builders.reviewer(), EnhancedVariant.objects.all())) == []


@pytest.mark.usefixtures("own_photos_only")
def test_visible_to__is_one_query_however_many_rows(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    rosa = builders.reviewer()
    for _ in range(3):
        owned_draft(rosa)
    list(visible_to(rosa, EnhancedVariant.objects.all()))  # content types are looked up once
    with django_assert_num_queries(1):
        assert len(visible_to(rosa, EnhancedVariant.objects.all())) == 3


@pytest.mark.usefixtures("own_photos_only")
def test_runs_visible_to__ones_own_and_those_with_a_job_one_may_see() -> None:
    rosa, karl = builders.reviewer("rosa"), builders.reviewer("karl")
    asked, touched, foreign = (BulkRun.objects.create(recipe=name) for name in "abc")
    BulkRun.objects.filter(pk=asked.pk).update(requested_by=rosa)
    for owner, run in ((rosa, touched), (karl, touched), (karl, foreign)):
        EnhancementJob.objects.filter(pk=owned_draft(owner).job.pk).update(bulk_run=run)
    assert set(runs_visible_to(rosa, BulkRun.objects.all())) == {asked, touched}
    assert set(runs_visible_to(karl, BulkRun.objects.all())) == {touched, foreign}


def test_runs_visible_to__no_scope_returns_the_very_rows() -> None:
    rows = BulkRun.objects.all()
    assert runs_visible_to(builders.reviewer(), rows) is rows


def test_hyphenated__writes_hexadecimal_digits_as_python_writes_a_uuid() -> None:
    key = UUID("12345678-9abc-def0-1234-56789abcdef0")
    BulkRun.objects.create(recipe=key.hex)
    written = BulkRun.objects.values_list(hyphenated(F("recipe")), flat=True).get()
    assert written == str(key)
