"""The OpenAPI document: valid, complete, without warnings, and readable offline."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
import yaml
from django.contrib.staticfiles import finders
from django.core.checks import run_checks
from django.core.management import call_command
from drf_spectacular import plumbing
from drf_spectacular.drainage import reset_generator_stats
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import spectacular_settings
from playwright.sync_api import Page, expect
from rest_framework.settings import api_settings

from shopimg.api import document as kept
from tests.shop.api_client import ROOT, assert_problem, client

SCHEMA = f"{ROOT}schema/"
AS_JSON = {"Accept": "application/json"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """Generate the document as a host's build would; any warning fails."""
    reset_generator_stats()  # else it fails by the warnings about other documents
    plumbing._load_enum_name_overrides.cache_clear()  # names of choices in a host's document
    output = StringIO()
    call_command(
        "spectacular",
        urlconf="shopimg.api.urls",
        custom_settings="shopimg.api.schema.SETTINGS",
        validate=True,
        fail_on_warn=True,
        stdout=output,
    )
    loaded: dict[str, Any] = yaml.safe_load(output.getvalue())
    return loaded


@pytest.fixture
def _fresh_process() -> None:
    """Forget all documents that were built before."""
    kept.rendered.cache_clear()
    kept.built.cache_clear()
    plumbing._load_enum_name_overrides.cache_clear()


def in_another_thread(ask: Callable[[], Any]) -> Any:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(ask()))
    thread.start()
    thread.join()
    return answers[0]


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_document__lists_every_operation(document: dict[str, Any]) -> None:
    assert {(method, path) for path, method, _ in operations(document)} == {
        ("get", "/images/{model}/"),
        ("get", "/images/{model}/{id}/"),
        ("get", "/jobs/"),
        ("post", "/jobs/"),
        ("get", "/jobs/{id}/"),
        ("post", "/jobs/{id}/retry/"),
        ("post", "/jobs/{id}/cancel/"),
        ("get", "/variants/"),
        ("get", "/variants/{id}/"),
        ("get", "/variants/{id}/before/"),
        ("get", "/variants/{id}/after/"),
        ("get", "/variants/{id}/mask/"),
        ("post", "/variants/{id}/mask/"),
        ("post", "/variants/{id}/approve/"),
        ("post", "/variants/{id}/reject/"),
        ("post", "/variants/{id}/publish/"),
        ("post", "/variants/{id}/withdraw/"),
        ("post", "/variants/{id}/rollback/"),
        ("post", "/variants/{id}/restore/"),
        ("get", "/bulk-runs/"),
        ("post", "/bulk-runs/"),
        ("get", "/bulk-runs/{id}/"),
        ("post", "/bulk-runs/{id}/cancel/"),
    }


def test_document__every_operation_has_words_a_tag_and_problems(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        where = f"{method} {path}"
        assert operation["description"], where
        assert len(operation["tags"]) == 1, where
        problems = {
            status: answer
            for status, answer in operation["responses"].items()
            if int(status) >= 400
        }
        assert {"406", "429", "500"} <= set(problems), where
        for answer in problems.values():
            assert list(answer["content"]) == ["application/problem+json"], where


def test_document__writes_describe_conflicts(document: dict[str, Any]) -> None:
    for action in ("approve", "reject", "publish", "withdraw", "rollback", "restore"):
        operation = document["paths"][f"/variants/{{id}}/{action}/"]["post"]
        assert {"200", "400", "401", "403", "404", "409", "412", "413", "415", "503"} <= set(
            operation["responses"]
        )
        assert "If-Match" in [parameter["name"] for parameter in operation["parameters"]]


def test_document__storefront_needs_no_login(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        needs_login = {} not in operation.get("security", [{}])
        assert needs_login == (not path.startswith("/images/")), path


def test_schema_view__names_the_address_where_the_host_has_put_the_api() -> None:
    response = client().get(SCHEMA, headers=AS_JSON)
    assert response.status_code == 200
    assert response.json()["info"]["title"] == "shopimg"
    assert response.json()["servers"] == [{"url": ROOT}]


@pytest.mark.parametrize(
    ("accept", "kind", "name"),
    [
        ("*/*", "application/vnd.oai.openapi; charset=utf-8", "shopimg.yaml"),
        ("application/yaml", "application/yaml; charset=utf-8", "shopimg.yaml"),
        ("application/vnd.oai.openapi+json", "application/vnd.oai.openapi+json", "shopimg.json"),
        ("application/json", "application/json", "shopimg.json"),
    ],
)
def test_schema_view__is_one_document_in_every_format(accept: str, kind: str, name: str) -> None:
    response = client().get(SCHEMA, headers={"Accept": accept})
    assert response["Content-Type"] == kind
    assert response["Content-Disposition"] == f'inline; filename="{name}"'
    assert yaml.safe_load(response.content) == client().get(SCHEMA, headers=AS_JSON).json()


@pytest.mark.usefixtures("_fresh_process")
def test_schema_view__builds_the_document_once(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Any] = []
    parse = SchemaGenerator.parse
    monkeypatch.setattr(SchemaGenerator, "parse", lambda *args: built.append(args) or parse(*args))
    for accept in ("application/json", "application/yaml", "application/json"):
        assert client().get(SCHEMA, headers={"Accept": accept}).status_code == 200
    assert len(built) == 1


@pytest.mark.usefixtures("_fresh_process")
def test_schema_view__is_in_english_whoever_asks_first(settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    asked_in_german = client().get(SCHEMA, {"lang": "de"}, headers={"Accept-Language": "de"})
    kept.rendered.cache_clear()
    kept.built.cache_clear()
    assert asked_in_german.content == client().get(SCHEMA).content


@pytest.mark.parametrize("accept", ["application/json", "application/yaml"])
def test_schema_view__is_not_sent_twice(accept: str) -> None:
    first = client().get(SCHEMA, headers={"Accept": accept})
    again = client().get(SCHEMA, headers={"Accept": accept, "If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again["Cache-Control"] == first["Cache-Control"] == "public, max-age=60"
    assert again["X-Request-ID"]


@pytest.mark.parametrize("accept", ["application/json", "application/yaml"])
def test_schema_view__is_limited(monkeypatch: pytest.MonkeyPatch, accept: str) -> None:
    monkeypatch.setattr(
        api_settings, "DEFAULT_THROTTLE_RATES", {"shopimg-storefront": "1/min"}, raising=False
    )
    assert client().get(SCHEMA).status_code == 200
    refused = client().get(SCHEMA, headers={"Accept": accept})
    assert_problem(refused, 429, "throttled")


def test_schema_view__refuses_other_formats_with_a_problem() -> None:
    refused = client().get(SCHEMA, headers={"Accept": "text/html"})
    assert_problem(refused, 406, "not_acceptable")


@pytest.mark.usefixtures("_fresh_process")
def test_schema_view__leaves_a_document_alone_that_the_host_builds_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    titles: list[str] = []
    parse = SchemaGenerator.parse

    def title_of_host() -> str:
        title: str = plumbing.build_root_object({}, {}, {}, None)["info"]["title"]
        return title

    def look_aside(*args: Any) -> Any:
        titles.append(in_another_thread(title_of_host))
        return parse(*args)

    monkeypatch.setattr(spectacular_settings, "TITLE", "The host's own API")
    monkeypatch.setattr(SchemaGenerator, "parse", look_aside)
    assert client().get(SCHEMA, headers=AS_JSON).json()["info"]["title"] == "shopimg"
    assert titles == ["The host's own API"]


@pytest.mark.usefixtures("_fresh_process")
def test_schema_view__names_its_choices_whichever_document_comes_first() -> None:
    hosts = SchemaGenerator(urlconf="shopimg.api.urls")
    assert "RejectReason" not in hosts.get_schema(public=True)["components"]["schemas"]
    ours = client().get(SCHEMA, headers=AS_JSON).json()
    assert "RejectReason" in ours["components"]["schemas"]


@pytest.mark.usefixtures("_fresh_process")
def test_schema_view__leaves_the_host_its_own_names_of_choices() -> None:
    client().get(SCHEMA)
    hosts = SchemaGenerator(urlconf="shopimg.api.urls")
    assert "RejectReason" not in hosts.get_schema(public=True)["components"]["schemas"]


def test_check__warns_of_no_choices_in_the_document_of_a_host() -> None:
    found = run_checks(include_deployment_checks=True)
    assert [str(message) for message in found if "spectacular" in str(message.id)] == []


def test_own_settings__are_seen_by_those_inside_alone() -> None:
    def title() -> Any:
        return spectacular_settings.TITLE

    with kept.own_settings({"TITLE": "ours"}):
        assert (title(), in_another_thread(title)) == ("ours", "")
    assert title() == ""


HOST_WITHOUT_API_SETTINGS = f"""
from django.conf import settings
settings.REST_FRAMEWORK = {{}}
settings.SPECTACULAR_SETTINGS = {{}}
settings.ALLOWED_HOSTS = ["testserver"]
import django
django.setup()
from django.test import Client
response = Client().get("{ROOT}schema/", headers={{"Accept": "application/json"}})
assert response.status_code == 200
print(len(response.json()["paths"]))
"""


def test_schema_view__needs_no_settings_of_the_host() -> None:
    # A process of its own: Django REST framework reads its settings when it is imported.
    command = [sys.executable, "-W", "error", "-c", HOST_WITHOUT_API_SETTINGS]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stdout.strip(), ran.stderr) == (0, "20", "")


def test_documentation__is_served_from_this_host_alone() -> None:
    page = client().get(f"{ROOT}docs/")
    assert page.status_code == 200
    html = page.content.decode()
    addresses = re.findall(r"""(?:src|href)=["']([^"']+)["']""", html)
    assert addresses
    assert [address for address in addresses if address.startswith(("http", "//"))] == []
    for address in addresses:
        if address.startswith("/static/"):
            assert finders.find(address.removeprefix("/static/")), address
    assert re.search(r"<script>\s*\S", html) is None
    script = client().get(f"{ROOT}docs/", {"script": ""})
    assert f"{ROOT}schema/" in script.content.decode()


@pytest.mark.django_db(transaction=True)
def test_documentation__shows_every_operation_in_a_browser_without_the_internet(
    live_server: Any, browser_page: Page
) -> None:
    foreign: list[str] = []
    errors: list[str] = []
    browser_page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((live_server.url, "data:", "blob:"))
            else foreign.append(request.url)
        ),
    )
    browser_page.on("pageerror", lambda error: errors.append(str(error)))
    browser_page.goto(f"{live_server.url}{ROOT}docs/")
    expect(browser_page.locator(".opblock")).to_have_count(23, timeout=20_000)
    assert (foreign, errors) == ([], [])
