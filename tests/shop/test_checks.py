"""Each system check fires on its bad setting, with its id, and is silent on the good one."""

from __future__ import annotations

import hashlib
import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import WARNING, run_checks
from django.db import connections
from django.template import TemplateDoesNotExist
from django.test import Client
from django.urls import reverse

from shopimg import checks, enhancers
from shopimg.contract import CLEAN
from tests.testapp import storages
from tests.testapp.brokers import using_broker
from tests.testapp.scope import own_photos

RESTORED = {"steps": [{"step": "restore"}]}
RECIPE = {"main": RESTORED}
NAMED = {"main": {"steps": [{"step": "restore", "network": "mine"}]}}
PINNED = {"file": "a.safetensors", "sha256": "0" * 64}


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
    assert _ids() == expected


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
    assert _ids() == expected


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
        assert _ids() == []
        app.conf.broker_transport_options = {"visibility_timeout": app.conf.task_time_limit}
        assert _ids() == ["shopimg.E010", "shopimg.W002"]
        longer = app.conf.task_time_limit + 1
        app.conf.broker_transport_options = {"visibility_timeout": longer, "socket_timeout": 1}
        assert _ids() == ["shopimg.W002"]


@pytest.mark.parametrize("url", [None, ""])
def test_check__no_broker(url: str | None) -> None:
    with using_broker(url) as app:
        (message,) = checks.run_all()
        assert (message.id, message.level) == ("shopimg.W003", WARNING)
        assert "CELERY_BROKER_URL" in str(message.hint)
        assert "shop/__init__.py" in str(message.hint)
        app.conf.broker_write_url = "amqp://queue.shop.example"
        assert _ids() == []


def test_check__broker_of_an_app_without_a_hard_limit() -> None:
    with using_broker("redis://127.0.0.1:1/0", task_time_limit=None) as app:
        assert app.conf.task_time_limit is None
        app.conf.broker_transport_options = {"visibility_timeout": 300}
        assert _ids() == ["shopimg.E010", "shopimg.W002"]
        app.conf.broker_transport_options = {"visibility_timeout": 301}
        assert _ids() == ["shopimg.W002"]


def _install_enhancer(folder: Path, module: str) -> Path:
    """Write a package whose manifest lists three files, and return the folder for them."""
    package = folder / "some_enhancer"
    weights = package / "weights"
    weights.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / module).touch()
    entry = {
        "sha256": hashlib.sha256(b"numbers").hexdigest(),
        "openvino_sha256": {
            "restore_s.xml": hashlib.sha256(b"graph").hexdigest(),
            "restore_s.bin": hashlib.sha256(b"constants").hexdigest(),
        },
    }
    (weights / "weights.json").write_text(json.dumps({"weights": {"restore_s": entry}}))
    return weights


def test_check__weights(shopimg, monkeypatch, tmp_path: Path) -> None:
    weights = _install_enhancer(tmp_path, "backend.py")
    monkeypatch.syspath_prepend(tmp_path)
    shopimg(ENHANCER="some_enhancer.backend.Enhancer")
    contents = {
        "restore_s.safetensors": b"numbers",
        "restore_s.xml": b"graph",
        "restore_s.bin": b"constants",
    }
    assert _ids() == ["shopimg.E011"] * 3
    for name, content in contents.items():
        (weights / name).write_bytes(content)
    assert _ids() == []
    for name, content in contents.items():
        (weights / name).write_bytes(b"damaged")
        (message,) = checks.run_all()
        assert (message.id, message.msg) == (
            "shopimg.E011",
            f"The weights file {name} is missing or damaged.",
        )
        (weights / name).write_bytes(content)


def test_check__weights_where_only_the_digests_are_installed(
    shopimg, monkeypatch, tmp_path: Path
) -> None:
    _install_enhancer(tmp_path, "other.py")
    monkeypatch.syspath_prepend(tmp_path)
    shopimg(ENHANCER="some_enhancer.backend.Enhancer")
    assert _ids() == []
    assert list(enhancers.weights_for(CLEAN)) == ["restore_s"]


def test_weights_for__every_file_of_a_network_counts(shopimg, tmp_path: Path) -> None:
    digests = set()
    for part in ("sha256", "openvino_sha256", "int8"):
        for change in ("a", "b"):
            entry: dict[str, Any] = {
                "sha256": "0",
                "openvino_sha256": {"restore_s.bin": "0"},
                "int8": {"sha256": {"restore_s.int8.bin": "0"}},
            }
            entry[part] = {
                "sha256": change,
                "openvino_sha256": {"restore_s.bin": change},
                "int8": {"sha256": {"restore_s.int8.bin": change}, "loss_db": 0.01},
            }[part]
            folder = tmp_path / part / change
            folder.mkdir(parents=True)
            (folder / "weights.json").write_text(json.dumps({"weights": {"restore_s": entry}}))
            shopimg(WEIGHTS_DIR=str(folder))
            digests |= set(enhancers.weights_for(CLEAN).values())
    assert len(digests) == 6


def test_check__weights_of_ones_own(shopimg, monkeypatch, tmp_path: Path) -> None:
    shipped = _install_enhancer(tmp_path, "backend.py")
    monkeypatch.syspath_prepend(tmp_path)
    own = tmp_path / "my-weights"
    shopimg(ENHANCER="some_enhancer.backend.Enhancer", WEIGHTS_DIR=str(own))
    (message,) = checks.run_all()
    assert (message.id, message.msg) == ("shopimg.E013", f"There is no {own}/weights.json.")
    own.mkdir()
    entry = {"sha256": hashlib.sha256(b"tuned").hexdigest()}
    (own / "weights.json").write_text(json.dumps({"weights": {"restore_s": entry}}))
    shopimg(WEIGHTS_DIR=str(own))  # read afresh
    assert _ids() == ["shopimg.E011"]
    (own / "restore_s.safetensors").write_bytes(b"tuned")
    assert _ids() == []
    tuned = enhancers.weights_for(CLEAN)
    shopimg(WEIGHTS_DIR="")
    assert enhancers.weights_path() == shipped
    assert enhancers.weights_for(CLEAN) != tuned


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
    assert _ids() == ["shopimg.E015"]


def test_check__templates(settings) -> None:
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": []}]  # as with an editable install
    assert _ids() == ["shopimg.E016"]


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
