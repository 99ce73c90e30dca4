"""The storefront's read: public, published only, cacheable."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from shopimg.models import EnhancedVariant
from shopimg.services import publishing, reviews
from tests import builders
from tests.shop.api_client import ROOT, assert_problem, client
from tests.testapp.models import Photo, UnwatchedPhoto

pytestmark = pytest.mark.django_db

PHOTOS = f"{ROOT}images/testapp.photo/"


@pytest.fixture
def shopper() -> APIClient:
    return client()


@pytest.fixture
def published() -> EnhancedVariant:
    return reviews.approve(builders.draft(), by=builders.reviewer())


def test_image__published_one_is_described_whole(
    shopper: APIClient, published: EnhancedVariant
) -> None:
    photo = Photo.objects.get()
    response = shopper.get(f"{PHOTOS}{photo.pk}/")
    assert response.status_code == 200
    body = response.json()
    (role,) = body.pop("roles")
    assert role == {**body["published"], "provenance": body["provenance"]}
    assert body == {
        "model": "testapp.photo",
        "id": str(photo.pk),
        "alt": "Mug, blue",
        "original": {
            "url": f"http://testserver{photo.file.url}",
            "width": 64,
            "height": 48,
        },
        "published": {
            "role": "main",
            "url": f"http://testserver/published/{published.published_name}",
            "width": 128,
            "height": 96,
            "mime_type": "image/jpeg",
            "sources": [],
            "shows_current_upload": True,
        },
        "provenance": {
            "digital_source_type": (
                "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"
            ),
            "operations": ["restore", "upscale"],
            "weights": {"upscale_x2_s": "ab" * 32},
        },
    }


def test_image__tells_that_the_photo_was_replaced_until_the_new_one_is_approved(
    shopper: APIClient, published: EnhancedVariant
) -> None:
    photo = Photo.objects.get()

    def shown() -> tuple[str, bool, bool]:
        body = shopper.get(f"{PHOTOS}{photo.pk}/").json()
        current = body["published"]["shows_current_upload"]
        return body["published"]["url"], current, body["roles"][0]["shows_current_upload"]

    before, *current = shown()
    assert current == [True, True]
    photo.file = builders.upload(builders.picture(colour=(9, 9, 200)), "other.jpg")
    photo.save()
    assert shown() == (before, False, False)
    reviews.approve(builders.draft(photo, colour=(9, 9, 200)), by=builders.reviewer("max"))
    after, *current = shown()
    assert after != before
    assert current == [True, True]


def test_image__responsive_sizes_appear_once_they_are_written(shopper: APIClient) -> None:
    photo = builders.photo()
    (variant,) = builders.finished(photo, [builders.enhanced((1000, 750))])
    publishing.make_renditions(reviews.approve(variant, by=builders.reviewer()))
    sources = shopper.get(f"{PHOTOS}{photo.pk}/").json()["published"]["sources"]
    assert [source["type"] for source in sources] == ["image/avif", "image/webp", "image/jpeg"]
    for source in sources:
        assert [file["width"] for file in source["files"]] == [320, 640, 1000]
        for file in source["files"]:
            assert file["url"].startswith("http://testserver/published/")
        expected = ", ".join(f"{file['url']} {file['width']}w" for file in source["files"])
        assert source["srcset"] == expected


@pytest.mark.parametrize("state", ["draft", "rejected", "approved", "withdrawn"])
def test_image__only_the_original_while_nothing_is_published(
    shopper: APIClient, settings: Any, state: str
) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "PUBLISH_ON_APPROVAL": state == "withdrawn"}
    variant, editor = builders.draft(), builders.reviewer()
    if state == "rejected":
        reviews.reject(variant, by=editor, reason="colour")
    elif state != "draft":
        reviews.approve(variant, by=editor)
    if state == "withdrawn":
        publishing.withdraw(variant, by=editor)
    (photo,) = Photo.objects.all()
    response = shopper.get(f"{PHOTOS}{photo.pk}/")
    body = response.json()
    assert body["published"] is None
    assert body["provenance"] is None
    assert body["original"] == {
        "url": f"http://testserver{photo.file.url}",
        "width": 64,
        "height": 48,
    }
    for secret in (variant.draft_name, variant.digest, str(variant.pk), str(variant.job_id)):
        assert secret not in response.content.decode()


def test_image__role_that_nobody_published_shows_the_original(
    shopper: APIClient, published: EnhancedVariant
) -> None:
    response = shopper.get(f"{PHOTOS}{published.source_id}/", {"role": "scene"})
    assert response.json()["published"] is None


@pytest.mark.parametrize("role", ["\0", "wite"])
def test_image__role_that_nothing_makes_is_refused(shopper: APIClient, role: str) -> None:
    key = builders.photo().pk
    for address, asked in ((f"{PHOTOS}{key}/", {}), (PHOTOS, {"id": key})):
        problem = assert_problem(shopper.get(address, {**asked, "role": role}), 400, "invalid")
        (error,) = problem["errors"]
        assert error["field"] == "role"
        assert "main, scene" in error["detail"]


def test_image__role_that_a_recipe_made_once_is_shown(
    shopper: APIClient, published: EnhancedVariant
) -> None:
    EnhancedVariant.objects.update(role="front")
    response = shopper.get(f"{PHOTOS}{published.source_id}/", {"role": "front"})
    assert response.json()["published"]["role"] == "front"


def test_image__precondition_that_fails_is_a_problem(shopper: APIClient) -> None:
    address = f"{PHOTOS}{builders.photo().pk}/"
    response = shopper.get(address, headers={"If-Match": '"another"'})
    assert_problem(response, 412, "precondition_failed")


def test_image__without_a_file_has_no_original(shopper: APIClient) -> None:
    photo = Photo.objects.create()
    body = shopper.get(f"{PHOTOS}{photo.pk}/").json()
    assert body["original"] is None
    assert body["published"] is None


def test_image__label_in_any_case(shopper: APIClient) -> None:
    photo = builders.photo()
    response = shopper.get(f"{ROOT}images/TestApp.Photo/{photo.pk}/")
    assert response.json()["model"] == "testapp.photo"


@pytest.mark.parametrize(
    "key", ["999999", "0", "-1", "abc", "99999999999999999999999", "1.5", "%00"]
)
def test_image__unknown_key_is_404(shopper: APIClient, key: str) -> None:
    assert_problem(shopper.get(f"{PHOTOS}{key}/"), 404, "not_found")


@pytest.mark.parametrize("label", ["testapp.unwatchedphoto", "auth.user", "nonsense", "a.b.c"])
def test_image__models_that_are_not_watched_do_not_exist(shopper: APIClient, label: str) -> None:
    hidden = UnwatchedPhoto.objects.create(file=builders.upload())
    assert_problem(shopper.get(f"{ROOT}images/{label}/{hidden.pk}/"), 404, "not_found")
    assert_problem(shopper.get(f"{ROOT}images/{label}/?id={hidden.pk}"), 404, "not_found")


def test_image__what_the_hosts_manager_hides_is_hidden_here(
    shopper: APIClient, published: EnhancedVariant, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = Photo.objects.none()
    monkeypatch.setattr(Photo._default_manager, "get_queryset", lambda: nothing)
    assert_problem(shopper.get(f"{PHOTOS}{published.source_id}/"), 404, "not_found")
    assert shopper.get(f"{PHOTOS}?id={published.source_id}").json()["results"] == []


def test_image__scope_does_not_apply_to_what_is_public(
    shopper: APIClient, published: EnhancedVariant, settings: Any
) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "SCOPE": "tests.testapp.scope.own_photos"}
    assert shopper.get(f"{PHOTOS}{published.source_id}/").status_code == 200


def test_image__unchanged_one_is_not_sent_twice(
    shopper: APIClient, published: EnhancedVariant
) -> None:
    address = f"{PHOTOS}{published.source_id}/"
    assert shopper.get(address)["Cache-Control"] == "public, max-age=5"  # its sizes are to come
    publishing.make_renditions(published)
    first = shopper.get(address)
    assert first["Cache-Control"] == "public, max-age=60"
    assert "Cookie" not in first.get("Vary", "")
    assert first["Last-Modified"]
    again = shopper.get(address, headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304
    assert again.content == b""
    assert again["ETag"] == first["ETag"]
    assert again["Cache-Control"] == "public, max-age=60"
    assert again["X-Request-ID"]


@pytest.mark.parametrize("change", ["text", "withdrawal"])
def test_image__changed_one_is_sent_again(
    shopper: APIClient, published: EnhancedVariant, change: str
) -> None:
    address = f"{PHOTOS}{published.source_id}/"
    first = shopper.get(address)
    if change == "text":
        Photo.objects.update(name="Mug, green")
    else:
        publishing.withdraw(published, by=builders.reviewer("max"))
    validators = {
        "If-None-Match": first["ETag"],
        "If-Modified-Since": first["Last-Modified"],
    }
    assert shopper.get(address, headers=validators).status_code == 200
    only_date = {"If-Modified-Since": first["Last-Modified"]}
    assert shopper.get(address, headers=only_date).status_code == 200


def test_image__reading_a_published_one_costs_three_queries(
    shopper: APIClient, published: EnhancedVariant, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(3):  # the host's row, the variant, the size of the upload
        shopper.get(f"{PHOTOS}{published.source_id}/")


def test_images__only_what_is_asked_for(shopper: APIClient, published: EnhancedVariant) -> None:
    other = builders.photo()
    builders.photo()
    response = shopper.get(f"{PHOTOS}?id={other.pk}&id={published.source_id}&id=999999")
    assert response.status_code == 200
    body = response.json()
    assert body["next"] is None
    assert body["previous"] is None
    assert [image["id"] for image in body["results"]] == [published.source_id, str(other.pk)]
    assert [bool(image["published"]) for image in body["results"]] == [True, False]


def test_images__pages_follow_each_other(shopper: APIClient) -> None:
    keys = [builders.photo().pk for _ in range(5)]
    page = shopper.get(f"{PHOTOS}?limit=2&" + "&".join(f"id={key}" for key in keys)).json()
    seen = [image["id"] for image in page["results"]]
    while page["next"]:
        page = shopper.get(page["next"]).json()
        seen += [image["id"] for image in page["results"]]
    assert seen == [str(key) for key in keys]


@pytest.mark.parametrize("query", ["", "?id=", "?id=abc", "?id=1&id=1.5", "?id=" + "9" * 30])
def test_images__keys_that_cannot_be_are_refused(shopper: APIClient, query: str) -> None:
    problem = assert_problem(shopper.get(PHOTOS + query), 400, "invalid")
    assert [error["field"] for error in problem["errors"]] == ["id"]


def test_images__a_hundred_at_most(shopper: APIClient) -> None:
    within = "&".join(f"id={key}" for key in range(1, 101))
    assert shopper.get(f"{PHOTOS}?{within}").status_code == 200
    assert_problem(shopper.get(f"{PHOTOS}?{within}&id=101"), 400, "invalid")


@pytest.mark.parametrize("state", ["published", "original"])
def test_images__number_of_queries_does_not_grow(
    shopper: APIClient, django_assert_num_queries: Any, state: str
) -> None:
    editor = builders.reviewer()

    def add() -> str:
        photo = builders.photo()
        if state == "published":
            reviews.approve(builders.draft(photo), by=editor)
        return f"id={photo.pk}"

    asked: list[str] = []
    for more in (1, 3, 6):
        asked += [add() for _ in range(more)]
        with django_assert_num_queries(3):  # rows, variants, and sizes of the originals
            body = shopper.get(f"{PHOTOS}?limit=100&" + "&".join(asked)).json()
        assert len(body["results"]) == len(asked)
