"""Each system check fires on its bad setting, with its id, and is silent on the good one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

from shopimg import checks, enhancers
from tests.testapp.brokers import using_broker
from tests.testapp.scope import own_photos

RECIPE = {"main": {"steps": [{"step": "restore"}]}}


def _ids() -> list[str | None]:
    return [message.id for message in checks.run_all()]


@pytest.fixture
def shopimg(settings):
    """Change keys of the SHOPIMG setting."""

    def change(**keys: Any) -> None:
        settings.SHOPIMG = {**settings.SHOPIMG, **keys}

    return change


def test_checks__good_settings_are_silent() -> None:
    assert _ids() == []
    assert list(run_checks(tags=["shopimg"])) == []


def test_checks__are_registered_and_have_hints(shopimg) -> None:
    shopimg(SOURCES={}, SCOPE="no.such", LEASE_SECONDS=1, DRAFT_STORAGE="nowhere")
    messages = run_checks(tags=["shopimg"])
    assert {m.id for m in messages} == {f"shopimg.{n}" for n in ("W001", "E005", "E008", "E009")}
    assert all(message.hint for message in messages)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"SOURCE": {}}, ["shopimg.E001"]),
        ({"QUEUE": 3}, ["shopimg.E001"]),
        ({"MAX_ATTEMPTS": True}, ["shopimg.E001"]),
        ({"MAX_ATTEMPTS": 0}, ["shopimg.E001"]),
        ({"BULK_DEPTH": 0}, ["shopimg.E001"]),
        ({"RETRY_SECONDS": -1}, ["shopimg.E001"]),
        ({"SCOPE": own_photos}, ["shopimg.E001"]),
        ({"SOURCES": []}, ["shopimg.E001"]),
        ({"SOURCES": {}}, ["shopimg.W001"]),
        ({"SOURCES": {"no.Model": {"field": "file"}}}, ["shopimg.E002"]),
        ({"SOURCES": {"nonsense": {"field": "file"}}}, ["shopimg.E002"]),
        ({"SOURCES": {"testapp.Photo": "file"}}, ["shopimg.E002"]),
        ({"SOURCES": {"testapp.Photo": {}}}, ["shopimg.E002"]),
        ({"SOURCES": {"testapp.Photo": {"field": "nope"}}}, ["shopimg.E002"]),
        ({"SOURCES": {"testapp.Photo": {"field": "name"}}}, ["shopimg.E002"]),
        ({"SOURCES": {"testapp.Photo": {"field": "file", "x": 1}}}, ["shopimg.E002"]),
        ({"RECIPES": {"clean": {}}}, ["shopimg.E003"]),
        ({"RECIPES": {"clean": {"main": {"steps": [{"step": "melt"}]}}}}, ["shopimg.E003"]),
        ({"RECIPES": {"clean": RECIPE}}, []),
        ({"SOURCES": {"testapp.Photo": {"field": "file", "recipe": "x"}}}, ["shopimg.E004"]),
        ({"DRAFT_STORAGE": "nowhere"}, ["shopimg.E005"]),
        ({"PUBLISHED_STORAGE": "nowhere"}, ["shopimg.E005"]),
        ({"PUBLISHED_STORAGE": "shopimg_drafts"}, ["shopimg.E006", "shopimg.E007"][:1]),
        ({"DRAFT_STORAGE": "default"}, ["shopimg.E007"]),
        ({"SCOPE": "tests.testapp.scope.own_photos"}, []),
        ({"SCOPE": "tests.testapp.scope.missing"}, ["shopimg.E008"]),
        ({"SCOPE": "tests.testapp.scope.__name__"}, ["shopimg.E008"]),
        ({"LEASE_SECONDS": 30, "HEARTBEAT_SECONDS": 10}, []),
        ({"LEASE_SECONDS": 29, "HEARTBEAT_SECONDS": 10}, ["shopimg.E009"]),
    ],
)
def test_check__fires_exactly_on(shopimg, keys: dict[str, Any], expected: list[str]) -> None:
    shopimg(**keys)
    assert _ids() == expected


def test_check__drafts_below_the_media_folder(settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    }
    assert _ids() == ["shopimg.E007"]
    settings.MEDIA_ROOT = tmp_path / "media"
    assert _ids() == []


def test_check__drafts_behind_a_link_into_a_public_folder(
    settings, tmp_path: Path, storage_folders: dict[str, Path]
) -> None:
    storage_folders["default"].mkdir()
    link = tmp_path / "link"
    link.symlink_to(storage_folders["default"])
    options = {"location": link / "drafts", "base_url": None}
    settings.STORAGES = settings.STORAGES | {
        "shopimg_drafts": {**settings.STORAGES["shopimg_drafts"], "OPTIONS": options}
    }
    assert _ids() == ["shopimg.E007"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"default_acl": "private"}, []),
        ({"default_acl": "public-read"}, ["shopimg.E007"]),
        ({"querystring_auth": False}, ["shopimg.E007"]),
    ],
)
def test_check__public_bucket(settings, options: dict[str, Any], expected: list[str]) -> None:
    bucket = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": {"bucket_name": "b"}}
    bucket["OPTIONS"] |= options
    settings.STORAGES = settings.STORAGES | {"shopimg_drafts": bucket}
    assert _ids() == expected


def test_check__broker() -> None:
    with using_broker("redis://127.0.0.1:1/0") as app:
        assert _ids() == []
        app.conf.broker_transport_options = {"visibility_timeout": 300}
        assert _ids() == ["shopimg.E010", "shopimg.W002"]
        app.conf.broker_transport_options = {"visibility_timeout": 301, "socket_timeout": 1}
        assert _ids() == ["shopimg.W002"]


def test_check__weights(shopimg, monkeypatch, tmp_path: Path) -> None:
    folder = tmp_path / "some_enhancer" / "weights"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    digest = hashlib.sha256(b"numbers").hexdigest()
    (folder / "weights.json").write_text(json.dumps({"weights": {"restore_s": {"sha256": digest}}}))
    monkeypatch.syspath_prepend(tmp_path)
    shopimg(ENHANCER="some_enhancer.Enhancer")
    assert _ids() == ["shopimg.E011"]
    (folder / "restore_s.safetensors").write_bytes(b"damaged")
    assert _ids() == ["shopimg.E011"]
    (folder / "restore_s.safetensors").write_bytes(b"numbers")
    assert _ids() == []
    assert enhancers.weights_for(frozenset({"restore"})) == {"restore_s": digest}
    assert enhancers.weights_for(frozenset({"upscale"})) == {}


def test_check__apps(settings) -> None:
    settings.INSTALLED_APPS = [
        app for app in settings.INSTALLED_APPS if app != "django.contrib.auth"
    ]
    assert [m.id for m in checks.check_dependencies()] == ["shopimg.E012"]
