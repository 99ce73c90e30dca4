"""Watched models, new uploads, bytes of a file; recipes by name; the setting; the signals."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile

from shopimg import recipes, signals, sources
from shopimg.conf import Settings
from shopimg.conf import settings as shopimg_settings
from shopimg.contract import (
    CLEAN,
    CapacityError,
    RecipeError,
    SourceMissingError,
    SourceTooLargeError,
    limits,
)
from shopimg.models import EnhancedVariant
from shopimg.services import publishing, reviews
from tests import builders
from tests.testapp.models import OwnedPhoto, Photo, UnwatchedPhoto

BIG = {"main": {"steps": [{"step": "upscale", "scale": 4}]}}


def test_conf__defaults_and_overrides(settings) -> None:
    assert shopimg_settings.MAX_ATTEMPTS == Settings().MAX_ATTEMPTS == 3
    settings.SHOPIMG = {**settings.SHOPIMG, "MAX_ATTEMPTS": 5}
    assert shopimg_settings.MAX_ATTEMPTS == 5


def test_conf__unknown_key_is_named(settings) -> None:
    settings.SHOPIMG = {"RETRIES": 5}
    with pytest.raises(ImproperlyConfigured, match=r"unknown keys \['RETRIES'\]"):
        _ = shopimg_settings.QUEUE


def test_source__of_a_model_and_by_label() -> None:
    source = sources.source_for(Photo)
    assert (source.label, source.field, source.recipe) == ("testapp.Photo", "file", "clean")
    assert sources.find("TESTAPP.photo") == source
    assert sources.find("testapp.OwnedPhoto").model is OwnedPhoto
    with pytest.raises(LookupError, match=r"^testapp\.UnwatchedPhoto is not in"):
        sources.source_for(UnwatchedPhoto)
    with pytest.raises(LookupError, match=r"Known: testapp\.Photo, testapp\.OwnedPhoto"):
        sources.find("testapp.UnwatchedPhoto")


def test_has_new_upload__only_while_a_file_waits_to_be_stored() -> None:
    source = sources.source_for(Photo)
    assert sources.has_new_upload(source, Photo(file=builders.upload())) is True
    assert sources.has_new_upload(source, Photo(file="photos/stored.jpg")) is False
    assert sources.has_new_upload(source, Photo()) is False


def test_read_bytes__stored_file() -> None:
    stored = Photo._meta.get_field("file").storage.save("a.jpg", ContentFile(b"pixels"))
    assert sources.read_bytes(sources.source_for(Photo), Photo(file=stored)) == b"pixels"


@pytest.mark.parametrize("name", ["", "photos/gone.jpg", "photos", "../../secret.jpg"])
def test_read_bytes__what_the_storage_does_not_have(name: str, storage_folders) -> None:
    (storage_folders["default"] / "photos").mkdir(parents=True)
    with pytest.raises(SourceMissingError):
        sources.read_bytes(sources.source_for(Photo), Photo(file=name))


@pytest.mark.parametrize("kind", ["BrokenStorage", "BrokenCloudStorage"])
def test_read_bytes__storage_that_is_down_is_not_a_missing_file(settings, kind: str) -> None:
    backend = {"BACKEND": f"tests.testapp.storages.{kind}"}
    settings.STORAGES = settings.STORAGES | {"default": backend}
    with pytest.raises(CapacityError, match="storage does not answer"):
        sources.read_bytes(sources.source_for(Photo), Photo(file="a.jpg"))


def test_read_bytes__stops_at_the_limit() -> None:
    content = ContentFile(b"x" * (limits.MAX_SOURCE_BYTES + 1))
    stored = Photo._meta.get_field("file").storage.save("a.jpg", content)
    with pytest.raises(SourceTooLargeError, match="larger than 20 MB"):
        sources.read_bytes(sources.source_for(Photo), Photo(file=stored))


def test_recipes__own_ones_stand_beside_the_built_in_one(settings) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "RECIPES": {"big": BIG}}
    assert list(recipes.all_recipes()) == ["clean", "big"]
    assert recipes.get_recipe("clean") == CLEAN
    assert recipes.get_recipe("big").to_table()["main"]["steps"][0]["scale"] == 4
    with pytest.raises(RecipeError, match=r"There is no recipe 'x'\. Known: big, clean\."):
        recipes.get_recipe("x")


def test_recipes__built_in_one_may_be_replaced(settings) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "RECIPES": {"clean": BIG}}
    assert recipes.get_recipe("clean") != CLEAN
    assert recipes.fingerprint(recipes.get_recipe("clean")) != recipes.fingerprint(CLEAN)


@pytest.mark.django_db
def test_hook__save_survives_a_recipe_that_is_not_there(settings, caplog) -> None:
    watched = {"testapp.Photo": {"field": "file", "recipe": "gone"}}
    settings.SHOPIMG = {**settings.SHOPIMG, "SOURCES": watched}
    builders.photo()
    assert Photo.objects.count() == 1
    assert "no job for testapp.Photo" in caplog.text


@pytest.mark.django_db
def test_hook__save_survives_a_storage_that_cannot_be_read(settings) -> None:
    stored = builders.photo().file.name
    backend = {"BACKEND": "tests.testapp.storages.BrokenCloudStorage"}
    settings.STORAGES = settings.STORAGES | {"default": backend}
    Photo.objects.create(file=stored)
    assert Photo.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_signals__say_what_happened_after_the_commit() -> None:
    said: list[tuple[str, object]] = []

    def listener(name: str):
        def listen(variant: EnhancedVariant, **_: object) -> None:
            said.append((name, EnhancedVariant.objects.get(pk=variant.pk).state))
            raise RuntimeError("a host's listener may fail")

        return listen

    names = ("variant_ready", "variant_published", "variant_withdrawn")
    listeners = {name: listener(name) for name in names}
    for name, listen in listeners.items():
        getattr(signals, name).connect(listen)
    try:
        rosa = builders.reviewer()
        variant = reviews.approve(builders.draft(), by=rosa)
        publishing.withdraw(variant, by=rosa)
    finally:
        for name, listen in listeners.items():
            getattr(signals, name).disconnect(listen)
    assert said == [
        ("variant_ready", "awaiting_review"),
        ("variant_published", "published"),
        ("variant_withdrawn", "superseded"),
    ]
