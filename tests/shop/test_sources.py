"""Watched models, new uploads, bytes of a file; recipes by name; the setting; the signals."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile

from shopimg import receivers, recipes, signals, sources
from shopimg.conf import Settings
from shopimg.conf import settings as shopimg_settings
from shopimg.contract import (
    BUILT_IN,
    CLEAN,
    CapacityError,
    Recipe,
    RecipeError,
    SourceMissingError,
    SourceTooLargeError,
    Upscale,
    limits,
)
from shopimg.models import EnhancedVariant
from shopimg.services import publishing, reviews
from shopimg.states import JobState, ReviewState
from tests import builders
from tests.testapp.models import OwnedPhoto, Panorama, Photo, PhotoProxy, UnwatchedPhoto

ROOT = Path(__file__).resolve().parents[2]
BIG = {"main": {"steps": [{"step": "upscale", "scale": 4}]}}


def test_conf__defaults_and_overrides(settings) -> None:
    assert shopimg_settings.MAX_ATTEMPTS == Settings().MAX_ATTEMPTS == 3
    settings.SHOPIMG = {**settings.SHOPIMG, "MAX_ATTEMPTS": 5}
    assert shopimg_settings.MAX_ATTEMPTS == 5


def test_conf__unknown_key_is_named(settings) -> None:
    settings.SHOPIMG = {"RETRIES": 5}
    with pytest.raises(ImproperlyConfigured, match=r"unknown keys \['RETRIES'\]"):
        _ = shopimg_settings.QUEUE


@pytest.mark.parametrize(
    ("shopimg", "reason"),
    [
        ({"RETRIES": 5}, "SHOPIMG has unknown keys ['RETRIES']"),
        ({"QUEUE": 3}, "SHOPIMG['QUEUE'] must be str, not 3."),
        ({"SOURCES": {"testapp.Photo": {"field": "nope"}}}, "Photo has no field named 'nope'"),
        ({"RECIPES": {"own": {"main": {"steps": [{"step": "melt"}]}}}}, "(shopimg.E003)"),
        ({"SOURCES": {"testapp.Photo": {"field": "file", "recipe": "x"}}}, "(shopimg.E004)"),
    ],
)
@pytest.mark.parametrize("start", ["wsgi", "check"])
def test_start__stops_at_a_setting_that_is_not_valid(
    tmp_path: Path, shopimg: dict[str, object], reason: str, start: str
) -> None:
    lines = f"from tests.settings import *\nSHOPIMG = {shopimg!r}\n"
    (tmp_path / "broken_settings.py").write_text(lines)
    code = {
        "wsgi": "from django.core.wsgi import get_wsgi_application as start; start()",
        "check": "from django.core.management import execute_from_command_line as run;"
        "run(['manage.py', 'check'])",
    }[start]
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "broken_settings",
            "PYTHONPATH": f"{tmp_path}:{ROOT}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1, result.stderr
    assert "ImproperlyConfigured" in result.stderr.splitlines()[-1]
    assert reason in result.stderr.splitlines()[-1]


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
    assert list(recipes.all_recipes()) == [*BUILT_IN, "big"]
    assert recipes.get_recipe("clean") == CLEAN
    assert recipes.get_recipe("big").to_table()["main"]["steps"][0]["scale"] == 4
    with pytest.raises(RecipeError, match=r"There is no recipe 'x'\. Known: big, catal.+, white\."):
        recipes.get_recipe("x")


def test_recipes__keep_to_the_file_of_a_registered_network(settings) -> None:
    table = {"main": {"steps": [{"step": "upscale", "scale": 4, "network": "sharp"}]}}

    def registered(digest: str) -> Recipe:
        networks = {"sharp": {"file": "x4.safetensors", "sha256": digest}}
        keys = {"NETWORKS": networks, "RECIPES": {"big": table}}
        settings.SHOPIMG = {**settings.SHOPIMG, **keys}
        return recipes.get_recipe("big")

    first, second = registered("0" * 64), registered("1" * 64)
    assert first.roles[0].steps == (Upscale(scale=4, network="x4.safetensors", sha256="0" * 64),)
    assert Recipe.parse("big", first.to_table()) == first
    assert recipes.fingerprint(first) != recipes.fingerprint(second)


def test_recipes__built_in_one_may_be_replaced(settings) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "RECIPES": {"clean": BIG}}
    assert recipes.get_recipe("clean") != CLEAN
    assert recipes.fingerprint(recipes.get_recipe("clean")) != recipes.fingerprint(CLEAN)


@pytest.mark.django_db
@pytest.mark.parametrize("model", [PhotoProxy, Panorama])
def test_hook__upload_through_a_proxy_or_child_becomes_a_job_of_the_watched_model(
    model: type[Photo],
) -> None:
    image = model.objects.create(file=builders.upload())
    job = builders.job_of(Photo.objects.get(pk=image.pk))
    assert job == builders.job_of(image)
    assert (job.source_type.model, job.state) == ("photo", JobState.QUEUED)
    image.file = builders.upload(builders.picture((80, 60)))
    image.save()
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert builders.job_of(image).source_width == 80


@pytest.mark.django_db
@pytest.mark.parametrize("model", [PhotoProxy, Panorama])
@pytest.mark.parametrize("deleted_as", ["itself", "the watched model"])
def test_hook__image_deleted_through_a_proxy_or_child_is_withdrawn(
    model: type[Photo], deleted_as: str
) -> None:
    image = model.objects.create(file=builders.upload())
    variant = reviews.approve(builders.draft(image), by=builders.reviewer())
    assert publishing.images_to_show([image])[0].variant == variant
    assert publishing.images_to_show([Photo.objects.get(pk=image.pk)])[0].variant == variant
    (image if deleted_as == "itself" else Photo.objects.get(pk=image.pk)).delete()
    variant.refresh_from_db()
    assert variant.state == ReviewState.SUPERSEDED


@pytest.mark.django_db
def test_hook__child_row_alone_may_go() -> None:
    panorama = Panorama.objects.create(file=builders.upload())
    variant = reviews.approve(builders.draft(panorama), by=builders.reviewer())
    panorama.delete(keep_parents=True)
    variant.refresh_from_db()
    assert variant.state == ReviewState.PUBLISHED


@pytest.mark.django_db
def test_hook__base_of_a_watched_proxy_is_watched_too(settings) -> None:
    watched = {"testapp.PhotoProxy": {"field": "file", "recipe": "clean"}}
    settings.SHOPIMG = {**settings.SHOPIMG, "SOURCES": watched}
    receivers.connect()
    assert builders.job_of(builders.photo()).state == JobState.QUEUED


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

    names = ("variant_ready", "variant_published", "renditions_ready", "variant_withdrawn")
    listeners = {name: listener(name) for name in names}
    for name, listen in listeners.items():
        getattr(signals, name).connect(listen)
    try:
        rosa = builders.reviewer()
        variant = reviews.approve(builders.draft(), by=rosa)
        publishing.make_renditions(variant)
        publishing.withdraw(variant, by=rosa)
        publishing.make_renditions(variant)  # too late: nobody is told
    finally:
        for name, listen in listeners.items():
            getattr(signals, name).disconnect(listen)
    assert said == [
        ("variant_ready", "awaiting_review"),
        ("variant_published", "published"),
        ("renditions_ready", "published"),
        ("variant_withdrawn", "superseded"),
    ]
