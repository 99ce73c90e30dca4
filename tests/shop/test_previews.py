"""Pictures for reviewers: who gets them, which bytes, and what browsers may do with them."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from PIL import Image
from pytest_django import Settings

from shopimg import large_pictures, previews, storage
from shopimg.models import EnhancedVariant
from shopimg.services import masks
from tests import builders
from tests.metadata import linear_rgb_profile, unwritable_exif
from tests.shop.test_storage import use_storage
from tests.testapp.models import OwnedPhoto, Photo

pytestmark = pytest.mark.django_db

PICTURE_NAMES = ("before", "after", "mask", "before-thumbnail", "after-thumbnail")


def get(user: User | None, variant: EnhancedVariant, name: str = "after") -> Any:
    client = builders.client_of(user) if user else Client()
    return client.get(reverse("admin:shopimg_enhancedvariant_picture", args=[variant.pk, name]))


def before_thumbnail(variant: EnhancedVariant) -> Image.Image:
    return Image.open(io.BytesIO(get(builders.reviewer(), variant, "before-thumbnail").content))


def assert_close(found: Any, wanted: Sequence[int]) -> None:
    # JPEG and WebP move flat colours by a level or two.
    assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) <= 3, found


def scene(image: Any = None) -> EnhancedVariant:
    """Return a variant that has all kinds of pictures."""
    return builders.scenes(image)[0]


def test_picture__after_is_the_draft_and_before_is_the_upload() -> None:
    upload = builders.picture((40, 30), kind="PNG")
    draft = builders.draft(builders.photo(upload, "mug.png"))
    user = builders.reviewer()
    after, before = get(user, draft, "after"), get(user, draft, "before")
    with storage.drafts().open(draft.draft_name) as file:
        assert after.content == file.read()
    assert before.content == upload
    assert (after["Content-Type"], before["Content-Type"]) == ("image/jpeg", "image/png")


@pytest.mark.parametrize("name", PICTURE_NAMES)
def test_picture__is_kept_by_nobody_and_runs_nothing(name: str) -> None:
    response = get(builders.reviewer(), scene(), name)
    assert response.status_code == 200
    assert response["Cache-Control"] == "private, no-store"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Cookie" in response["Vary"]


@pytest.mark.parametrize("name", PICTURE_NAMES)
def test_picture__without_view_permission_is_not_found(name: str) -> None:
    only_jobs = builders.reviewer("jo", "view_enhancementjob", "review_enhancedvariant")
    assert get(only_jobs, scene(), name).status_code == 404


@pytest.mark.parametrize("name", PICTURE_NAMES)
def test_picture__of_somebody_else_is_not_found(name: str, settings: Settings) -> None:
    settings.SHOPIMG = settings.SHOPIMG | {"SCOPE": "tests.testapp.scope.own_photos"}
    rosa, karl = builders.reviewer("rosa"), builders.reviewer("karl")
    draft = scene(OwnedPhoto.objects.create(owner=karl, file=builders.upload()))
    assert get(karl, draft, name).status_code == 200
    assert get(rosa, draft, name).status_code == 404


@pytest.mark.parametrize("name", PICTURE_NAMES)
def test_picture__visitors_are_sent_to_the_login(name: str) -> None:
    response = get(None, scene(), name)
    assert response.status_code == 302
    assert "/login/" in response["Location"]


def test_picture__mask_is_what_was_taken_for_the_product(storage_folders: dict[str, Path]) -> None:
    draft, user = scene(), builders.reviewer()
    response = get(user, draft, "mask")
    assert (response["Content-Type"], response.content) == ("image/png", builders.mask())
    assert get(user, builders.draft(), "mask").status_code == 404
    other = builders.mask(box=(0, 0, 9, 9))
    (storage_folders["shopimg_drafts"] / draft.mask_name).write_bytes(other)
    assert get(user, draft, "mask").status_code == 404


def test_picture__customers_are_sent_to_the_login() -> None:
    customer = User.objects.create_user("customer")
    assert get(customer, builders.draft()).status_code == 302


def test_picture__unknown_name_is_not_found() -> None:
    assert get(builders.reviewer(), builders.draft(), "masks").status_code == 404


def test_picture__is_for_reading_only() -> None:
    client = Client()
    client.force_login(builders.reviewer())
    draft = builders.draft()
    url = reverse("admin:shopimg_enhancedvariant_picture", args=[draft.pk, "after"])
    assert client.post(url).status_code == 405


def test_picture__before_stays_the_file_that_was_enhanced() -> None:
    first = builders.picture((40, 30), (10, 20, 30))
    photo = builders.photo(first)
    draft = builders.draft(photo)
    photo.file = builders.upload(builders.picture((50, 30), (90, 20, 30)), "other.jpg")
    photo.save()
    assert get(builders.reviewer(), draft, "before").content == first


def test_picture__other_bytes_under_the_same_name_are_not_shown(
    storage_folders: dict[str, Path],
) -> None:
    draft = builders.draft()
    (storage_folders["shopimg_drafts"] / draft.draft_name).write_bytes(builders.picture((9, 9)))
    user = builders.reviewer()
    assert get(user, draft, "after").status_code == 404
    assert get(user, draft, "after-thumbnail").status_code == 404


@pytest.mark.parametrize("name", PICTURE_NAMES)
def test_picture__gone_file_is_not_found(name: str, storage_folders: dict[str, Path]) -> None:
    draft = scene()
    (storage_folders["shopimg_drafts"] / draft.draft_name).unlink()
    (storage_folders["shopimg_drafts"] / draft.mask_name).unlink()
    (storage_folders["default"] / draft.job.source_name).unlink()
    assert get(builders.reviewer(), draft, name).status_code == 404


@pytest.mark.parametrize("name", PICTURE_NAMES)
def test_picture__of_a_storage_that_fails_is_not_found(name: str, settings: Settings) -> None:
    draft = scene()
    for alias in ("shopimg_drafts", "default"):
        use_storage(settings, alias, "BrokenCloudStorage")
    assert get(builders.reviewer(), draft, name).status_code == 404


def test_picture__before_of_a_model_that_is_not_watched_any_more_is_not_found(
    settings: Settings,
) -> None:
    draft = builders.draft()
    settings.SHOPIMG = settings.SHOPIMG | {"SOURCES": {}}
    user = builders.reviewer()
    assert get(user, draft, "before").status_code == 404
    assert get(user, draft, "after").status_code == 200


def test_thumbnail__is_small_upright_webp() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    upload = builders.picture((900, 300), exif=exif)
    draft = builders.draft(builders.photo(upload))
    response = get(builders.reviewer(), draft, "before-thumbnail")
    assert response["Content-Type"] == "image/webp"
    with Image.open(io.BytesIO(response.content)) as small:
        width, height = small.size
    assert height == previews.THUMBNAIL_PIXELS
    assert abs(width - previews.THUMBNAIL_PIXELS / 3) <= 1


@pytest.mark.parametrize(
    ("mode", "colour", "kind", "name", "shown"),
    [
        ("CMYK", (10, 20, 30, 40), "JPEG", "mug.jpg", (206, 198, 189)),
        ("L", 120, "JPEG", "mug.jpg", (120, 120, 120)),
        ("P", 3, "PNG", "mug.png", (3, 3, 3)),
        ("I;16", 40_000, "PNG", "mug.png", (156, 156, 156)),
        ("RGBA", (10, 20, 30, 128), "WEBP", "mug.webp", (10, 20, 30, 128)),
    ],
)
def test_thumbnail__of_every_kind_of_upload(
    mode: str, colour: Any, kind: str, name: str, shown: tuple[int, ...]
) -> None:
    upload = builders.picture((64, 48), colour, kind=kind, mode=mode)
    draft = builders.draft(builders.photo(upload, name))
    small = before_thumbnail(draft)
    assert (small.size, small.mode) == ((64, 48), "RGBA" if mode == "RGBA" else "RGB")
    assert_close(small.getpixel((30, 20)), shown)


def test_thumbnail__shows_the_colours_of_the_profile() -> None:
    upload = builders.picture((64, 48), (64, 128, 192), icc_profile=linear_rgb_profile())
    small = before_thumbnail(builders.draft(builders.photo(upload)))
    # Linear 64, 128 and 192 of 255 in sRGB.
    assert_close(small.getpixel((30, 20)), (137, 188, 225))


def test_thumbnail__of_an_upload_with_damaged_exif() -> None:
    upload = builders.picture((300, 400), exif=unwritable_exif(orientation=6))
    assert before_thumbnail(builders.draft(builders.photo(upload))).size == (224, 168)


def test_thumbnail__of_large_grey_of_16_bits() -> None:
    upload = builders.picture((900, 600), 40_000, kind="PNG", mode="I;16")
    small = before_thumbnail(builders.draft(builders.photo(upload, "mug.png")))
    assert small.size == (224, 149)
    assert_close(small.getpixel((30, 20)), (156, 156, 156))


@pytest.mark.parametrize("decode", [previews._shrink, lambda png: masks.normalised(png, (63, 47))])
def test_large_pictures__are_decoded_one_at_a_time(
    decode: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large_pictures, "LARGE_PIXELS", 64 * 48)
    large, small = builders.mask((64, 48)), builders.mask((63, 48))
    with ThreadPoolExecutor() as pool:
        with large_pictures.one_at_a_time((64, 48)):
            waiting = pool.submit(decode, large)
            pool.submit(decode, small).result(timeout=10)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
        waiting.result(timeout=10)


def test_thumbnail__is_made_once(storage_folders: dict[str, Path]) -> None:
    draft = builders.draft()
    user = builders.reviewer()
    first = get(user, draft, "after-thumbnail")
    (storage_folders["shopimg_drafts"] / draft.draft_name).unlink()
    assert get(user, draft, "after-thumbnail").content == first.content


def test_picture__of_deleted_photo_is_still_there_for_the_history() -> None:
    photo = builders.photo()
    draft = builders.draft(photo)
    Photo.objects.filter(pk=photo.pk).delete()
    assert get(builders.reviewer(), draft, "after").status_code == 200
