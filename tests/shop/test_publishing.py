"""What shoppers see: publish, withdraw, roll back, the files behind it, and failing storages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from PIL import Image, ImageCms

from shopimg import renditions, storage
from shopimg.contract import CapacityError, InvalidTransitionError
from shopimg.contract.provenance import COMPOSITE_WITH_GENERATED, declared_source_type
from shopimg.models import EnhancedVariant
from shopimg.services import publishing, reviews
from shopimg.states import ReviewState
from tests import builders
from tests.shop.published import Publish, everything, states_of
from tests.shop.test_storage import files_below, use_storage

pytestmark = pytest.mark.django_db


def test_publish__shows_the_approved_bytes_under_their_digest(
    publish: Publish, rosa: User, storage_folders: dict[str, Path]
) -> None:
    photo = builders.photo()
    variant = publish(photo)
    name = f"published/{variant.digest[:2]}/{variant.digest}.jpg"
    assert (variant.published_name, variant.version) == (name, 3)
    assert variant.published_url == f"/published/{name}"
    assert files_below(storage_folders["shopimg_published"]) == [name]
    shown = publishing.images_to_show([photo])[0]
    assert (shown.variant, shown.alt) == (variant, "Mug, blue")
    decided = variant.decisions.values_list("decision", "by", "digest")
    assert list(decided) == [
        ("publish", rosa.pk, variant.digest),
        ("approve", rosa.pk, variant.digest),
    ]


def test_publish__supersedes_what_was_shown(publish: Publish) -> None:
    photo = builders.photo()
    first, second = publish(photo, 10), publish(photo, 20)
    assert states_of(first, second) == ["superseded", "published"]
    assert publishing.images_to_show([photo])[0].variant == second


@pytest.mark.parametrize("state", ["awaiting_review", "rejected", "superseded", "published"])
def test_publish__only_an_approved_variant(publish: Publish, rosa: User, state: str) -> None:
    photo = builders.photo()
    if state == "published":
        variant = publish(photo)
    else:
        variant = builders.draft(photo)
        EnhancedVariant.objects.update(state=state)
        variant.refresh_from_db()
    before = everything()
    with pytest.raises(InvalidTransitionError):
        publishing.publish(variant, by=rosa)
    assert everything() == before


def test_publish__seen_version_must_be_the_current_one(settings, rosa: User) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "PUBLISH_ON_APPROVAL": False}
    variant = reviews.approve(builders.draft(), by=rosa)
    with pytest.raises(InvalidTransitionError, match=r"^Approved by rosa on 20\d\d-\d\d-\d\d"):
        publishing.publish(variant, by=rosa, version=1)
    assert states_of(variant) == ["approved"]


@pytest.mark.parametrize("kind", ["BrokenStorage", "BrokenCloudStorage"])
def test_publish__storage_that_fails_leaves_everything_as_it_was(
    settings, rosa: User, tmp_path: Path, kind: str
) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "PUBLISH_ON_APPROVAL": False}
    variant = reviews.approve(builders.draft(), by=rosa)
    before = everything()
    use_storage(settings, "shopimg_published", kind, location=tmp_path / "broken")
    with pytest.raises(CapacityError, match="Nothing has changed; try again"):
        publishing.publish(variant, by=rosa)
    assert everything() == before


def test_publish__draft_that_was_exchanged_is_not_copied(
    settings, rosa: User, storage_folders: dict[str, Path]
) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "PUBLISH_ON_APPROVAL": False}
    variant = reviews.approve(builders.draft(), by=rosa)
    Path(storage.drafts().path(variant.draft_name)).write_bytes(b"something else")
    with pytest.raises(CapacityError):
        publishing.publish(variant, by=rosa)
    assert files_below(storage_folders["shopimg_published"]) == []
    assert states_of(variant) == ["approved"]


def test_withdraw__shows_the_original_and_deletes_the_files(
    publish: Publish,
    rosa: User,
    storage_folders: dict[str, Path],
) -> None:
    photo = builders.photo()
    variant = publish(photo)
    publishing.make_renditions(variant)
    publishing.withdraw(variant, by=rosa)
    assert publishing.images_to_show([photo])[0].variant is None
    assert publishing.withdrawn_with_files(variant.updated_at) == []
    publishing.delete_public_files(variant)
    assert files_below(storage_folders["shopimg_published"]) == []
    variant.refresh_from_db()
    assert (variant.published_name, variant.published_at, variant.renditions_at) == ("", None, None)


def test_withdraw__twice_is_refused(publish: Publish, rosa: User) -> None:
    variant = publish(builders.photo())
    publishing.withdraw(variant, by=rosa)
    with pytest.raises(InvalidTransitionError, match=r"^Withdrawn by rosa on"):
        publishing.withdraw(variant, by=rosa)


def test_withdraw__by_the_shop_itself_reads_well(publish: Publish, rosa: User) -> None:
    photo = builders.photo()
    variant = publish(photo)
    photo.delete()
    with pytest.raises(InvalidTransitionError, match=r"^Withdrawn by the shop on"):
        publishing.withdraw(variant, by=rosa)


def test_equal_bytes__share_a_file_that_stays_until_the_last_one_goes(
    publish: Publish, rosa: User, storage_folders: dict[str, Path]
) -> None:
    one, two = builders.photo(), builders.photo()
    first, second = publish(one), publish(two)
    assert first.published_name == second.published_name
    for variant in (first, second):
        publishing.make_renditions(variant)
    before = files_below(storage_folders["shopimg_published"])
    publishing.withdraw(first, by=rosa)
    publishing.delete_public_files(first)
    assert files_below(storage_folders["shopimg_published"]) == before
    publishing.withdraw(second, by=rosa)
    publishing.delete_public_files(second)
    assert files_below(storage_folders["shopimg_published"]) == []


def test_delete_public_files__storage_that_fails_is_asked_again(
    settings, publish: Publish, rosa: User
) -> None:
    variant = publish(builders.photo())
    publishing.withdraw(variant, by=rosa)
    working = settings.STORAGES
    use_storage(settings, "shopimg_published", "BrokenCloudStorage")
    publishing.delete_public_files(variant)
    assert publishing.withdrawn_with_files(timezone.now()) == [variant.pk]
    settings.STORAGES = working
    publishing.delete_public_files(variant)
    assert publishing.withdrawn_with_files(timezone.now()) == []


def test_delete_public_files__of_what_is_published_does_nothing(
    publish: Publish, storage_folders: dict[str, Path]
) -> None:
    variant = publish(builders.photo())
    publishing.delete_public_files(variant)
    assert files_below(storage_folders["shopimg_published"]) == [variant.published_name]
    variant.refresh_from_db()
    assert variant.state == ReviewState.PUBLISHED


def test_renditions__every_format_and_size_can_be_read(publish: Publish) -> None:
    photo = builders.photo(builders.picture((500, 400)))
    (draft,) = builders.finished(photo, [builders.enhanced((1000, 800))])
    variant = reviews.approve(draft, by=User.objects.get())
    publishing.make_renditions(variant)
    variant.refresh_from_db()
    assert variant.renditions_at is not None
    found = renditions.sources(variant)
    assert list(found) == ["image/avif", "image/webp", "image/jpeg"]
    for mime_type, files in found.items():
        assert [file.width for file in files] == sorted({file.width for file in files})
        for file in files:
            with storage.published().open(file.name) as content, Image.open(content) as image:
                image.load()
                assert Image.MIME[image.format or ""] == mime_type
                assert (image.width, image.height) == (file.width, round(file.width * 0.8))


def test_renditions__do_not_depend_on_the_host_s_own_use_of_the_library(
    settings, rosa: User
) -> None:
    (draft,) = builders.finished(builders.photo(), [builders.enhanced((1000, 800))])
    variant = reviews.approve(draft, by=rosa)
    usual = renditions.sources(variant)
    assert [file.width for file in usual["image/webp"]] == [320, 640, 1000]
    settings.PICTURES = {
        "PIXEL_DENSITIES": [1, 1.5, 2],
        "PICTURE_CLASS": "tests.testapp.storages.FarPicture",
    }
    assert renditions.sources(variant) == usual


def test_renditions__state_the_origin_that_the_original_states(publish: Publish) -> None:
    result = builders.enhanced((900, 600))
    made = replace(result, digital_source_type=COMPOSITE_WITH_GENERATED)
    (draft,) = builders.finished(builders.photo(), [made])
    variant = reviews.approve(draft, by=builders.reviewer("ada"))
    publishing.make_renditions(variant)
    for name in renditions.names(variant):
        with storage.published().open(name) as content, Image.open(content) as image:
            assert declared_source_type(image.info["xmp"]) == COMPOSITE_WITH_GENERATED


@pytest.mark.parametrize(("width", "itself"), [(900, True), (3600, False)])
def test_renditions__largest_of_the_own_format_is_what_was_approved(
    rosa: User, storage_folders: dict[str, Path], width: int, *, itself: bool
) -> None:
    (draft,) = builders.finished(builders.photo(), [builders.enhanced((width, 60))])
    variant = reviews.approve(draft, by=rosa)
    publishing.make_renditions(variant)
    found = renditions.sources(variant)
    assert {files[-1].width for files in found.values()} == {min(width, 3200)}
    named = [mime for mime, files in found.items() if files[-1].name == variant.published_name]
    assert named == (["image/jpeg"] if itself else [])
    written = files_below(storage_folders["shopimg_published"])
    assert sorted(written) == sorted([variant.published_name, *renditions.names(variant)])
    publishing.withdraw(variant, by=rosa)
    publishing.delete_public_files(variant)
    assert files_below(storage_folders["shopimg_published"]) == []


def test_renditions__of_a_picture_with_a_colour_profile(publish: Publish) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = builders.photo()
    tagged = builders.picture((900, 600), (200, 30, 30), icc_profile=profile)
    result = builders.enhanced((900, 600))
    (draft,) = builders.finished(photo, [replace(result, content=tagged)])
    variant = reviews.approve(draft, by=builders.reviewer("ada"))
    publishing.make_renditions(variant)
    smallest = renditions.sources(variant)["image/jpeg"][0]
    with storage.published().open(smallest.name) as content, Image.open(content) as image:
        red, green, blue = image.convert("RGB").getpixel((5, 5))
    assert abs(red - 200) + abs(green - 30) + abs(blue - 30) < 20


def test_renditions__write_the_public_file_again_where_it_is_gone(
    publish: Publish, storage_folders: dict[str, Path]
) -> None:
    variant = publish(builders.photo())
    storage.delete(storage.published(), [variant.published_name])
    publishing.make_renditions(variant)
    assert variant.published_name in files_below(storage_folders["shopimg_published"])


def test_renditions__of_what_was_withdrawn_meanwhile_do_not_stay(
    publish: Publish, rosa: User, storage_folders: dict[str, Path]
) -> None:
    variant = publish(builders.photo())
    stale = EnhancedVariant.objects.get(pk=variant.pk)
    publishing.withdraw(variant, by=rosa)
    publishing.delete_public_files(variant)
    publishing.make_renditions(stale)
    assert files_below(storage_folders["shopimg_published"]) == []


@pytest.mark.parametrize("number", [1, 12])
def test_images_to_show__one_query_for_any_number(publish: Publish, number: int) -> None:
    photos = [builders.photo(builders.picture(colour=(i, 0, 0))) for i in range(number)]
    for photo in photos:
        publish(photo)
    publishing.images_to_show([photos[0]])[0]  # content types are cached from here on
    with CaptureQueriesContext(connection) as queries:
        shown = publishing.images_to_show(photos)
    assert len(queries) == 1
    assert [what.variant.source for what in shown if what.variant] == photos


def test_images_to_show__role_chooses(rosa: User) -> None:
    photo = builders.photo()
    results = [builders.enhanced(role=role, colour=(i, 9, 9)) for i, role in enumerate("ab")]
    for variant in builders.finished(photo, results):
        reviews.approve(variant, by=rosa)
    roles = [publishing.images_to_show([photo], role)[0].variant for role in ("a", "b", "c", None)]
    assert [variant and variant.role for variant in roles] == ["a", "b", None, "b"]


def test_images_to_show__first_role_of_the_recipe_wins(rosa: User) -> None:
    photo = builders.photo()
    roles = ("main", "a", "b")
    builders.finished(
        photo, [builders.enhanced(role=role, colour=(9, i, 9)) for i, role in enumerate(roles)]
    )
    for role in roles:
        reviews.approve(EnhancedVariant.objects.get(role=role), by=rosa)
    shown = publishing.images_to_show([photo])[0].variant
    assert shown
    assert shown.role == "main"


def test_renditions__of_what_was_replaced_meanwhile_delete_nothing(
    publish: Publish, storage_folders: dict[str, Path]
) -> None:
    photo = builders.photo()
    first = publish(photo)
    publish(photo, shade=30)
    publishing.make_renditions(first)
    assert first.published_name in files_below(storage_folders["shopimg_published"])


def test_delete_public_files__brings_back_what_was_published_meanwhile(
    publish: Publish,
    rosa: User,
    storage_folders: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, two = publish(builders.photo()), builders.photo()
    publishing.withdraw(first, by=rosa)
    delete = storage.delete

    def publish_before(*args: Any) -> int:
        publish(two)
        return delete(*args)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "delete", publish_before)
        publishing.delete_public_files(first)
    assert first.published_name in files_below(storage_folders["shopimg_published"])


def transparent(kind: str, colour: tuple[int, ...], by: User) -> EnhancedVariant:
    """Publish a picture of which nothing can be seen, with its sizes."""
    content = builders.picture((900, 600), (*colour, 0), kind=kind, mode="RGBA")
    mime_type = f"image/{kind.lower()}"
    made = replace(builders.enhanced((900, 600)), content=content, mime_type=mime_type)
    (draft,) = builders.finished(builders.photo(), [made])
    variant = reviews.approve(draft, by=by)
    publishing.make_renditions(variant)
    return variant


def test_renditions__of_a_picture_with_transparency_are_no_jpeg(rosa: User) -> None:
    variant = transparent("WEBP", (9, 9, 9), by=rosa)
    assert list(renditions.sources(variant)) == ["image/avif", "image/webp"]


def test_renditions__jpeg_of_a_transparent_png_is_white_where_nothing_is(rosa: User) -> None:
    variant = transparent("PNG", (200, 10, 12), by=rosa)
    smallest = renditions.sources(variant)["image/jpeg"][0]
    with storage.published().open(smallest.name) as file, Image.open(file) as image:
        assert image.getextrema() == ((255, 255), (255, 255), (255, 255))
