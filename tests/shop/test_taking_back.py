"""Rollback and restore: what shoppers see again, and what they never see again."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from shopimg import storage
from shopimg.contract import InvalidTransitionError
from shopimg.models import EnhancedVariant
from shopimg.services import publishing, reviews
from tests import builders
from tests.shop.published import Publish, everything, states_of
from tests.shop.test_storage import files_below
from tests.testapp.models import Photo

pytestmark = pytest.mark.django_db


def assert_not_restorable(variant: EnhancedVariant, by: User, reason: str) -> None:
    """Hold that a picture is neither offered nor shown again, and that asking changes nothing."""
    before = everything()
    assert not publishing.is_restorable(variant)
    with pytest.raises(InvalidTransitionError, match=reason):
        publishing.restore(variant, by=by)
    assert everything() == before


def test_rollback__goes_back_one_at_a_time_and_ends_with_the_original(
    publish: Publish, rosa: User
) -> None:
    photo = builders.photo()
    first, second, third = (publish(photo, shade) for shade in (10, 20, 30))
    for shown, expected in ((third, second), (second, first), (first, None)):
        shown.refresh_from_db()
        assert publishing.rollback(shown, by=rosa) == expected
        assert publishing.images_to_show([photo])[0].variant == expected
    assert states_of(first, second, third) == ["superseded"] * 3


def test_rollback__never_shows_what_was_rolled_back_before(publish: Publish, rosa: User) -> None:
    photo = builders.photo()
    first, bad = publish(photo, 10), publish(photo, 20)
    publishing.rollback(bad, by=rosa)
    later = publish(photo, 30)
    assert publishing.rollback(later, by=rosa) == first


def test_rollback__never_shows_what_was_withdrawn(publish: Publish, rosa: User) -> None:
    photo = builders.photo()
    publishing.withdraw(publish(photo, 10), by=rosa)
    assert publishing.rollback(publish(photo, 20), by=rosa) is None


def test_rollback__does_not_touch_what_somebody_has_published_meanwhile(
    publish: Publish, rosa: User
) -> None:
    photo = builders.photo()
    publish(photo, 10)
    second = publish(photo, 20)
    seen = second.version
    third = publish(photo, 30)
    with pytest.raises(InvalidTransitionError, match=r"The state of this draft since 20\d\d-"):
        publishing.rollback(second, by=rosa, version=seen)
    assert publishing.images_to_show([photo])[0].variant == third


def test_rollback__brings_the_deleted_file_back(
    publish: Publish, rosa: User, storage_folders: dict[str, Path]
) -> None:
    photo = builders.photo()
    first, second = publish(photo, 10), publish(photo, 20)
    storage.delete(storage.published(), [first.published_name])
    EnhancedVariant.objects.filter(pk=first.pk).update(renditions_at=first.created_at)
    publishing.rollback(second, by=rosa)
    first.refresh_from_db()
    assert first.published_name in files_below(storage_folders["shopimg_published"])
    assert first.renditions_at is None


def test_rollback__history_says_who(publish: Publish, rosa: User) -> None:
    photo = builders.photo()
    first, second = publish(photo, 10), publish(photo, 20)
    publishing.rollback(second, by=rosa)
    newest = [v.decisions.values_list("decision", "by").first() for v in (first, second)]
    assert newest == [("rollback", rosa.pk), ("withdraw", rosa.pk)]


@pytest.mark.parametrize("action", ["rollback", "withdraw"])
@pytest.mark.parametrize("predecessor", [True, False])
def test_restore__undoes_it_and_can_be_undone_again(
    publish: Publish, rosa: User, action: str, *, predecessor: bool
) -> None:
    photo = builders.photo()
    first = publish(photo, 10) if predecessor else None
    variant = publish(photo, 20)
    for _ in range(2):
        getattr(publishing, action)(variant, by=rosa)
        back = first if action == "rollback" else None
        assert publishing.images_to_show([photo])[0].variant == back
        variant.refresh_from_db()
        assert publishing.is_restorable(variant)
        publishing.restore(variant, by=rosa)
        assert publishing.images_to_show([photo])[0].variant == variant
        assert not publishing.is_restorable(variant)
    made = variant.decisions.values_list("decision", flat=True)
    assert list(made) == ["publish", "withdraw"] * 2 + ["publish", "approve"]
    assert publishing.previous_of(variant) == first


def test_restore__brings_the_deleted_file_back(
    publish: Publish, rosa: User, storage_folders: dict[str, Path]
) -> None:
    variant = publish(builders.photo(), 10)
    publishing.withdraw(variant, by=rosa)
    publishing.delete_public_files(variant)
    assert files_below(storage_folders["shopimg_published"]) == []
    variant.refresh_from_db()
    publishing.restore(variant, by=rosa)
    assert variant.published_name in files_below(storage_folders["shopimg_published"])
    assert variant.renditions_at is None


def test_restore__gives_way_to_what_was_published_since(publish: Publish, rosa: User) -> None:
    photo = builders.photo()
    first = publish(photo, 10)
    publishing.rollback(first, by=rosa)
    second = publish(photo, 20)
    before = everything()
    assert not publishing.is_restorable(first)
    with pytest.raises(InvalidTransitionError, match="published since then"):
        publishing.restore(first, by=rosa)
    assert everything() == before
    assert publishing.images_to_show([photo])[0].variant == second


def test_restore__never_shows_what_was_only_replaced(publish: Publish, rosa: User) -> None:
    photo = builders.photo()
    first = publish(photo, 10)
    publish(photo, 20)
    first.refresh_from_db()
    before = everything()
    assert not publishing.is_restorable(first)
    with pytest.raises(InvalidTransitionError):
        publishing.restore(first, by=rosa)
    assert everything() == before


def test_restore__never_shows_what_was_approved_but_never_published(
    rosa: User, settings: Settings
) -> None:
    settings.SHOPIMG = settings.SHOPIMG | {"PUBLISH_ON_APPROVAL": False}
    variant = reviews.approve(builders.draft(), by=rosa)
    EnhancedVariant.objects.filter(pk=variant.pk).supersede()
    variant.refresh_from_db()
    assert not publishing.is_restorable(variant)
    with pytest.raises(InvalidTransitionError):
        publishing.restore(variant, by=rosa)


def test_restore__never_shows_the_picture_of_a_deleted_photo(publish: Publish, rosa: User) -> None:
    photo = builders.photo()
    variant = publish(photo, 10)
    photo.delete()
    variant = EnhancedVariant.objects.get(pk=variant.pk)
    assert_not_restorable(variant, rosa, "has been deleted")


def test_restore__never_shows_the_picture_of_a_file_that_was_taken_away(
    publish: Publish, rosa: User
) -> None:
    photo = builders.photo()
    variant = publish(photo, 10)
    photo.file = ""
    photo.save()
    variant = EnhancedVariant.objects.get(pk=variant.pk)
    assert_not_restorable(variant, rosa, "has been deleted")


def test_restore__never_shows_the_picture_of_an_older_upload(publish: Publish, rosa: User) -> None:
    photo = builders.photo()
    variant = publish(photo, 10)
    publishing.withdraw(variant, by=rosa)
    photo.file = builders.upload(builders.picture(colour=(1, 2, 3)), name="cup.jpg")
    photo.save()
    assert_not_restorable(variant, rosa, "replaced since then")


def test_rollback__to_the_picture_of_an_older_upload(publish: Publish, rosa: User) -> None:
    photo = builders.photo()
    first = publish(photo, 10)
    photo.file = builders.upload(builders.picture(colour=(1, 2, 3)), name="cup.jpg")
    photo.save()
    second = reviews.approve(builders.draft(photo, colour=(20, 20, 20)), by=rosa)
    assert publishing.rollback(second, by=rosa) == first
    assert publishing.images_to_show([photo])[0].variant == first


def test_rollback__never_shows_a_photo_that_was_taken_away(
    publish: Publish, rosa: User, storage_folders: dict[str, Path]
) -> None:
    photo = builders.photo()
    first, second = publish(photo, 10), publish(photo, 20)
    photo.file = ""
    photo.save()
    photo.file = builders.upload(builders.picture(colour=(1, 2, 3)), name="cup.jpg")
    photo.save()
    third = reviews.approve(builders.draft(photo, colour=(30, 30, 30)), by=rosa)
    assert publishing.previous_of(third) is None
    assert publishing.rollback(third, by=rosa) is None
    assert states_of(first, second) == ["superseded"] * 2
    for pk in publishing.withdrawn_with_files(timezone.now()):
        publishing.delete_public_files(EnhancedVariant.objects.get(pk=pk))
    assert files_below(storage_folders["shopimg_published"]) == []


def test_restore__version_that_was_not_looked_at_is_refused(publish: Publish, rosa: User) -> None:
    variant = publish(builders.photo(), 10)
    seen = variant.version
    publishing.rollback(variant, by=rosa)
    with pytest.raises(InvalidTransitionError, match="Withdrawn by rosa"):
        publishing.restore(variant, by=rosa, version=seen)


def test_restore__shows_the_picture_of_a_photo_that_the_host_hides(
    publish: Publish, rosa: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    variant = publishing.withdraw(publish(builders.photo()), by=rosa)
    hiding = Photo._default_manager.none()
    monkeypatch.setitem(Photo._meta.__dict__, "default_manager", hiding)
    assert publishing.is_restorable(variant)
