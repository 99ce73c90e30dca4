"""Each system check fires on its bad setting, with its id, and is silent on the good one."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import WARNING, run_checks
from django.db import connections
from django.db.models import Model
from django.template import TemplateDoesNotExist
from django.test import Client
from django.urls import reverse

from shopimg import checks
from tests.shop.complaining import complaints
from tests.testapp import storages
from tests.testapp.brokers import using_broker
from tests.testapp.scope import own_photos

RESTORED = {"steps": [{"step": "restore"}]}
RECIPE = {"main": RESTORED}
NAMED = {"main": {"steps": [{"step": "restore", "network": "mine"}]}}
PINNED = {"file": "a.safetensors", "sha256": "0" * 64}


def test_checks__good_settings_are_silent() -> None:
    assert complaints() == []
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
        ({"ORPHAN_HOURS": 0}, ["shopimg.E001"]),
        ({"DRAFT_DAYS": -1}, ["shopimg.E001"]),
        ({"DRAFT_DAYS": 0}, []),
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
        ({"SOURCES": {"testapp.Photo": {"field": "file", "alt": "caption"}}}, ["shopimg.E002"]),
        ({"SOURCES": {"testapp.Photo": {"field": "file", "alt": "name"}}}, []),
        ({"RECIPES": {"clean": {}}}, ["shopimg.E003"]),
        ({"RECIPES": {"clean": {"main": {"steps": [{"step": "melt"}]}}}}, ["shopimg.E003"]),
        ({"RECIPES": {"clean": RECIPE}}, []),
        ({"RECIPES": {"feed": {"main": {"preset": "bol", **RESTORED}}}}, ["shopimg.E003"]),
        ({"RECIPES": {"feed": {"main": {"preset": "amazon", **RESTORED}}}}, ["shopimg.E003"]),
        ({"RECIPES": {"feed": {"main": {"preset": "google", **RESTORED}}}}, []),
        ({"RECIPES": {"clean": NAMED}}, ["shopimg.E003"]),
        ({"RECIPES": {"clean": NAMED}, "NETWORKS": {"mine": PINNED}}, []),
        ({"RECIPES": {"clean": NAMED}, "NETWORKS": {"mine": {"file": "a"}}}, ["shopimg.E014"]),
        ({"NETWORKS": ["mine"]}, ["shopimg.E001"]),
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
    assert complaints() == expected


def test_check__drafts_below_the_media_folder(settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    }
    assert complaints() == ["shopimg.E007"]
    settings.MEDIA_ROOT = tmp_path / "media"
    assert complaints() == []


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
    assert complaints() == ["shopimg.E007"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"default_acl": "private"}, []),
        ({"default_acl": "public-read"}, ["shopimg.E007"]),
        ({"querystring_auth": False}, ["shopimg.E007"]),
        ({"default_acl": "authenticated-read"}, ["shopimg.E007"]),
        ({"object_parameters": {"ACL": "public-read"}}, ["shopimg.E007"]),
        ({"object_parameters": {"CacheControl": "private"}}, []),
        ({"custom_domain": "cdn.example"}, ["shopimg.E007"]),
    ],
)
def test_check__public_bucket(settings, options: dict[str, Any], expected: list[str]) -> None:
    bucket = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": {"bucket_name": "b"}}
    bucket["OPTIONS"] |= options
    settings.STORAGES = settings.STORAGES | {"shopimg_drafts": bucket}
    assert complaints() == expected


@pytest.mark.parametrize(
    ("backend", "options", "expected"),
    [
        ("Azure", {}, ["shopimg.E007"]),
        ("Azure", {"sas_token": "long-lived"}, ["shopimg.E007"]),
        ("Azure", {"expiration_secs": 60}, []),
        ("Azure", {"expiration_secs": 60, "custom_domain": "cdn.example"}, []),
        ("Google", {}, []),
        ("Google", {"default_acl": "publicRead"}, ["shopimg.E007"]),
        ("Google", {"object_parameters": {"acl": "publicRead"}}, ["shopimg.E007"]),
        ("Google", {"querystring_auth": False}, ["shopimg.E007"]),
    ],
)
def test_check__public_bucket_of_another_provider(
    settings, backend: str, options: dict[str, Any], expected: list[str]
) -> None:
    bucket = {"BACKEND": f"tests.testapp.storages.{backend}Options", "OPTIONS": options}
    settings.STORAGES = settings.STORAGES | {"shopimg_drafts": bucket}
    assert complaints() == expected


@pytest.mark.parametrize(
    ("options", "module"),
    [(storages.AzureOptions, "azure_storage"), (storages.GoogleOptions, "gcloud")],
)
def test_options__are_those_of_the_real_backend(options: type, module: str) -> None:
    """The packages of these providers are not installed; the backends that need them are."""
    source = Path(str(find_spec("storages").origin)).parent / "backends" / f"{module}.py"
    names = re.findall(r'^            "(\w+)": ', source.read_text(), re.MULTILINE)
    assert set(options().get_default_settings()) <= set(names)


def test_check__broker() -> None:
    with using_broker("redis://127.0.0.1:1/0") as app:
        assert complaints() == []
        app.conf.broker_transport_options = {"visibility_timeout": app.conf.task_time_limit}
        assert complaints() == ["shopimg.E010", "shopimg.W002"]
        longer = app.conf.task_time_limit + 1
        app.conf.broker_transport_options = {"visibility_timeout": longer, "socket_timeout": 1}
        assert complaints() == ["shopimg.W002"]


@pytest.mark.parametrize("url", [None, ""])
def test_check__no_broker(url: str | None) -> None:
    with using_broker(url) as app:
        (message,) = checks.run_all()
        assert (message.id, message.level) == ("shopimg.W003", WARNING)
        assert "CELERY_BROKER_URL" in str(message.hint)
        assert "shop/__init__.py" in str(message.hint)
        app.conf.broker_write_url = "amqp://queue.shop.example"
        assert complaints() == []


def test_check__broker_of_an_app_without_a_hard_limit() -> None:
    with using_broker("redis://127.0.0.1:1/0", task_time_limit=None) as app:
        assert app.conf.task_time_limit is None
        app.conf.broker_transport_options = {"visibility_timeout": 300}
        assert complaints() == ["shopimg.E010", "shopimg.W002"]
        app.conf.broker_transport_options = {"visibility_timeout": 301}
        assert complaints() == ["shopimg.W002"]


def _complaints_without(settings, *names: str) -> list[str]:
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app not in names]
    messages = checks.check_dependencies()
    assert {(message.id, message.hint) for message in messages} <= {
        ("shopimg.E012", "Add it to INSTALLED_APPS.")
    }
    return [str(message.msg) for message in messages]


def test_check__apps(settings) -> None:
    assert _complaints_without(settings, "django.contrib.auth") == [
        "shopimg needs django.contrib.auth."
    ]


@pytest.mark.parametrize("name", ["drf_spectacular", "drf_spectacular_sidecar"])
def test_check__apps_of_the_api_where_it_is_served(settings, name: str) -> None:
    assert _complaints_without(settings, name) == [
        f"The documentation page of shopimg's API needs {name}."
    ]
    settings.ROOT_URLCONF = "tests.testapp.no_urls"
    assert checks.check_dependencies() == []


def test_check__time_zones(settings) -> None:
    settings.USE_TZ = False
    assert complaints() == ["shopimg.E015"]


def test_check__templates(settings) -> None:
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": []}]  # as with an editable install
    assert complaints() == ["shopimg.E016"]


@pytest.mark.parametrize(
    ("engine", "options", "debug", "found"),
    [
        ("sqlite3", {}, False, ["shopimg.W004"]),
        ("sqlite3", {}, True, []),
        ("sqlite3", {"transaction_mode": "IMMEDIATE", "timeout": 20}, False, []),
        ("postgresql", {}, False, []),
    ],
)
def test_check__database(
    settings, monkeypatch, engine: str, options: dict[str, Any], debug: bool, found: list[str]
) -> None:
    database = {"ENGINE": f"django.db.backends.{engine}", "OPTIONS": options}
    monkeypatch.setitem(connections.settings, "default", database)
    settings.DEBUG = debug
    assert [message.id for message in checks.check_database()] == found


def test_check__queues_are_three(settings) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "BULK_QUEUE": "shopimg"}
    assert complaints() == ["shopimg.E018"]


class _Router:
    """Reads from a replica, as Django's documentation shows."""

    def db_for_read(self, model: type[Model], **_: Any) -> str:
        return "replica"

    def db_for_write(self, model: type[Model], **_: Any) -> str:
        return "default"


def test_check__routers(settings) -> None:
    settings.DATABASE_ROUTERS = [_Router()]
    assert complaints() == ["shopimg.E017"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"location": "elsewhere"}, ["shopimg.W005"]),
        ({"location": "elsewhere", "base_url": "/public/"}, []),
        ({}, []),
    ],
)
def test_check__published_files_have_an_address(
    settings, tmp_path: Path, options: dict[str, str], expected: list[str]
) -> None:
    settings.MEDIA_URL, settings.MEDIA_ROOT = "/media/", str(tmp_path / "media")
    backend = "django.core.files.storage.FileSystemStorage"
    published = {"BACKEND": backend, "OPTIONS": options}
    settings.STORAGES = settings.STORAGES | {"shopimg_published": published}
    assert complaints() == expected


def test_check__nothing_else_has_to_be_installed(settings, client: Client) -> None:
    others = ("rest_framework", "rest_framework.authtoken", "django_filters", "pictures")
    assert _complaints_without(settings, *others) == []
    page, schema = (client.get(reverse(f"shopimg_api:{name}")) for name in ("docs", "schema"))
    assert (page.status_code, schema.status_code) == (200, 200)
    assert b"drf_spectacular_sidecar/swagger-ui-dist/swagger-ui.css" in page.content
    assert b"/variants/" in schema.content
    _complaints_without(settings, "drf_spectacular")
    with pytest.raises(TemplateDoesNotExist):
        client.get(reverse("shopimg_api:docs"))
