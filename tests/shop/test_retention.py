"""How long private drafts and masks are kept, and that nothing goes that may be shown again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone

from shopimg import storage
from shopimg.models import EnhancedVariant, ReviewDecision
from shopimg.services import cleaning, masks, publishing, review_export, reviews
from shopimg.services.requests import Order, request_enhancement
from tests import builders
from tests.shop.aging import make_old
from tests.shop.published import Publish
from tests.shop.test_storage import files_below
from tests.testapp.models import Photo

pytestmark = pytest.mark.django_db

Pass = Callable[[float], None]


@pytest.fixture
def days_pass(storage_folders: dict[str, Path]) -> Pass:
    """Date back what there is."""

    def _days_pass(days: float) -> None:
        EnhancedVariant.objects.update(updated_at=timezone.now() - timedelta(days=days))
        make_old(storage_folders["shopimg_drafts"], hours=24 * days)

    return _days_pass


def _has_draft(variant: EnhancedVariant) -> bool:
    return storage.drafts().exists(variant.draft_name)


def _rejected(by: User) -> EnhancedVariant:
    return reviews.reject(builders.draft(), by=by, reason="colour")


def _made_again(by: User) -> EnhancedVariant:
    photo = builders.photo()
    first = builders.draft(photo)
    request_enhancement(photo, Order(force=True))
    builders.draft(photo, colour=(1, 2, 3))
    return first


def _not_chosen(by: User) -> EnhancedVariant:
    chosen, other, _ = builders.scenes()
    reviews.approve(chosen, by=by)
    return other


def _waiting(by: User) -> EnhancedVariant:
    return builders.draft()


def _published(by: User) -> EnhancedVariant:
    return reviews.approve(builders.draft(), by=by)


@pytest.mark.parametrize("make", [_rejected, _made_again, _not_chosen])
def test_draft__nobody_wants_is_kept_for_draft_days(
    make: Callable[[User], EnhancedVariant], rosa: User, days_pass: Pass
) -> None:
    variant = make(rosa)
    days_pass(89)
    assert cleaning.clean_up().files == 0
    days_pass(91)
    cleaning.clean_up()
    kept = EnhancedVariant.objects.exclude(state__in=["rejected", "superseded"])
    assert not _has_draft(variant)
    assert all(map(_has_draft, kept))
    assert EnhancedVariant.objects.filter(pk=variant.pk).exists()  # as history


def test_draft__nobody_wants_is_kept_for_ever_where_the_shop_says_so(
    rosa: User, days_pass: Pass, shopimg
) -> None:
    shopimg(DRAFT_DAYS=0)
    _rejected(rosa)
    days_pass(10_000)
    assert cleaning.clean_up().files == 0


@pytest.mark.parametrize("make", [_waiting, _published])
@pytest.mark.parametrize("publishes", [True, False])
def test_draft__that_waits_or_is_approved_is_kept(
    make: Callable[[User], EnhancedVariant],
    publishes: bool,
    rosa: User,
    days_pass: Pass,
    shopimg,
) -> None:
    shopimg(PUBLISH_ON_APPROVAL=publishes)
    variant = make(rosa)
    days_pass(1000)
    assert cleaning.clean_up().drafts == 0
    assert _has_draft(variant)


def test_draft__of_what_was_replaced_or_taken_out_is_kept_for_another_time(
    publish: Publish, rosa: User, days_pass: Pass, storage_folders: dict[str, Path]
) -> None:
    photo = builders.photo()
    first, second, third = (publish(photo, shade) for shade in (10, 20, 30))
    assert publishing.rollback(third, by=rosa) == second
    days_pass(1000)
    make_old(storage_folders["shopimg_published"], hours=24_000)
    assert cleaning.clean_up().drafts == 0
    second.refresh_from_db()
    assert publishing.rollback(second, by=rosa) == first
    assert publishing.restore(second, by=rosa).state == "published"


def test_draft__of_an_image_that_is_gone_goes_a_day_later(
    publish: Publish, rosa: User, days_pass: Pass, storage_folders: dict[str, Path]
) -> None:
    photo, other = builders.photo(), builders.draft()
    shown = [publish(photo, shade) for shade in (10, 20)]
    publishing.rollback(shown[1], by=rosa)
    builders.scenes(photo)
    Photo.objects.filter(pk=photo.pk)._raw_delete("default")
    days_pass(2)
    for dry_run in (True, False):  # of what had been rolled back long ago
        assert cleaning.clean_up(dry_run=dry_run).drafts == 1
    days_pass(2)
    cleaned = cleaning.clean_up()
    assert (cleaned.drafts, cleaned.files) == (4, 5)  # and the mask of the scenes
    assert files_below(storage_folders["shopimg_drafts"]) == [other.draft_name]
    assert EnhancedVariant.objects.for_source(photo).count() == 5  # as history


def test_draft__of_a_photo_that_was_deleted_goes_a_day_later(
    publish: Publish, days_pass: Pass, storage_folders: dict[str, Path]
) -> None:
    photo = builders.photo()
    publish(photo)
    photo.delete()
    make_old(storage_folders["shopimg_drafts"])
    assert cleaning.clean_up().drafts == 0
    days_pass(2)
    assert cleaning.clean_up().drafts == 1
    assert files_below(storage_folders["shopimg_drafts"]) == []


def test_cleanup__says_how_many_results_are_out_of_use(
    rosa: User, days_pass: Pass, storage_folders: dict[str, Path], capsys
) -> None:
    names = [_rejected(rosa).draft_name, storage.save_draft(b"no row", "image/jpeg")]
    days_pass(91)
    call_command("shopimg_cleanup", "--dry-run")
    assert set(capsys.readouterr().out.splitlines()) == {
        *names,
        "1 results are out of use: their files would be deleted.",
        "2 files would be deleted, 0.0 MB.",
    }
    assert files_below(storage_folders["shopimg_drafts"]) == sorted(names)
    call_command("shopimg_cleanup")
    assert capsys.readouterr().out.splitlines() == [
        "1 results are out of use: their files were deleted.",
        "2 files deleted, 0.0 MB.",
    ]
    assert files_below(storage_folders["shopimg_drafts"]) == []


def test_mask__goes_with_the_last_draft_that_was_cut_out_by_it(
    rosa: User, days_pass: Pass, storage_folders: dict[str, Path]
) -> None:
    first, second, third = builders.scenes()
    for variant in (first, second):
        reviews.reject(variant, by=rosa, reason="cutout")
    days_pass(91)
    assert cleaning.clean_up().drafts == 2
    assert storage.read_mask(third.mask_name) == builders.mask()
    reviews.reject(third, by=rosa, reason="cutout")
    days_pass(91)
    cleaned = cleaning.clean_up()
    assert (cleaned.drafts, cleaned.files) == (1, 2)
    assert files_below(storage_folders["shopimg_drafts"]) == []


def test_mask__that_a_job_may_run_with_again_is_kept_while_its_photo_is_there(
    rosa: User, days_pass: Pass, storage_folders: dict[str, Path]
) -> None:
    first, *_others = builders.scenes()
    corrected = builders.mask(box=(8, 8, 40, 40))
    masks.correct(first, corrected, by=rosa)
    for variant in EnhancedVariant.objects.all():
        reviews.reject(variant, by=rosa, reason="cutout")
    days_pass(91)
    cleaning.clean_up()
    folder = storage_folders["shopimg_drafts"] / "masks"
    assert [file.read_bytes() for file in folder.iterdir()] == [corrected]
    Photo.objects.all().delete()
    days_pass(91)
    cleaning.clean_up()
    assert list(folder.iterdir()) == []


def test_export__has_the_rejected_drafts_of_draft_days(
    rosa: User, days_pass: Pass, tmp_path: Path
) -> None:
    _rejected(rosa)
    rows = review_export.decided("rejected")
    for days, missing in ((89, ""), (91, "variant")):
        days_pass(days)
        cleaning.clean_up()
        (record,) = review_export.export(rows.all(), tmp_path / "out")
        assert record["missing"] == missing
    assert ReviewDecision.objects.count() == 1
