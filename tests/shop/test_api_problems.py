"""What holds for every address: problems, request ids, limits, authentication, hostile input."""

from __future__ import annotations

import base64
import json
import logging
import urllib.error
import urllib.request
import uuid
from typing import Any

import pytest
from django.core.signals import got_request_exception
from django.db import OperationalError, connection
from rest_framework.settings import api_settings
from rest_framework.test import APIClient

from shopimg.contract import ProductNotFoundError, SourceMissingError, WorkerError
from shopimg.models import EnhancementJob
from tests import builders
from tests.shop.api_client import JOBS, ROOT, assert_problem, client, user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nothing/",
        "jobs/1/explode/",
        "images/",
        "images/a/b/c/",
        "variants/x/approve/y/",
        "schema/x/",
    ],
)
@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_unknown_address__is_a_problem(address: str, method: str) -> None:
    assert_problem(getattr(client(), method)(ROOT + address), 404, "not_found")


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("address", [JOBS, f"{ROOT}images/testapp.photo/1/", f"{JOBS}1/retry/"])
def test_missing_slash__is_appended_without_a_change_of_the_method(
    address: str, method: str
) -> None:
    response = getattr(client(), method)(f"{address.rstrip('/')}?a=%20b")
    assert (response.status_code, response["Location"]) == (308, f"{address}?a=%20b")


@pytest.mark.parametrize("address", ["nothing", "jobs/1/explode", "schema/x"])
def test_missing_slash__of_an_unknown_address_is_a_problem(address: str) -> None:
    assert_problem(client().post(ROOT + address), 404, "not_found")


def test_health__asks_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    response = client().get(f"{ROOT}health/")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert response["Cache-Control"] == "no-store"

    def away() -> None:
        raise OperationalError("no route to host db-7")

    monkeypatch.setattr(connection, "cursor", away)
    response = client().get(f"{ROOT}health/")
    assert_problem(response, 503, "unavailable")
    assert "db-7" not in response.content.decode()


@pytest.mark.parametrize("address", ["jobs/", "variants/", "bulk-runs/", "images/testapp.photo/"])
@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_wrong_method__405_with_allow(api: APIClient, address: str, method: str) -> None:
    response = getattr(api, method)(ROOT + address)
    assert_problem(response, 405, "method_not_allowed")
    assert response["Allow"] in {"GET, HEAD", "GET, HEAD, POST"}


@pytest.mark.parametrize("action", ["approve", "reject", "publish", "withdraw", "rollback"])
def test_transitions__are_post_only(action: str) -> None:
    variant = builders.draft()
    response = client("editor").get(f"{ROOT}variants/{variant.pk}/{action}/")
    assert_problem(response, 405, "method_not_allowed")
    variant.refresh_from_db()
    assert variant.version == 1


@pytest.mark.parametrize("kind", ["text/html", "application/xml", "image/png"])
def test_accept__anything_but_json_is_406(api: APIClient, kind: str) -> None:
    assert_problem(api.get(JOBS, headers={"Accept": kind}), 406, "not_acceptable")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded"]
)
def test_body__anything_but_json_is_415(api: APIClient, kind: str) -> None:
    response = api.generic("POST", JOBS, "source=testapp.Photo&id=1", content_type=kind)
    assert_problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"id": NaN}',
        b'{"a":' * 30_000,
        b"[" * 60_000,
        b'{"source": ' + b"9" * 5000 + b"}",
        b'{"\\ud800": 1}',
        b'{"options": {"background.style": "\\ud800"}}',
    ],
    ids=["cut", "encoding", "nan", "objects", "arrays", "number", "name", "value"],
)
def test_body__broken_json_is_400(api: APIClient, body: bytes) -> None:
    response = api.generic("POST", JOBS, body[:65_000], content_type="application/json")
    assert_problem(response, 400, "parse_error")


@pytest.mark.parametrize("body", [b"[]", b"7", b"null", b'"text"', b"true"])
def test_body__json_that_is_no_object_is_400(api: APIClient, body: bytes) -> None:
    response = api.generic("POST", JOBS, body, content_type="application/json")
    assert_problem(response, 400, "invalid")


def test_body__too_long_is_413(api: APIClient) -> None:
    response = api.generic("POST", JOBS, b" " * 65_537, content_type="application/json")
    assert_problem(response, 413, "body_too_large")


def test_anonymous__problem_without_a_login_page() -> None:
    assert_problem(client().get(JOBS), 403, "not_authenticated")


def basic(name: str, password: str) -> dict[str, str]:
    token = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {token}"}


def test_basic_authentication__works_with_the_hosts_defaults() -> None:
    user("integration")
    assert client().get(JOBS, headers=basic("integration", "secret")).status_code == 200
    response = client().get(JOBS, headers=basic("integration", "wrong"))
    assert_problem(response, 403, "authentication_failed")


def test_session__needs_a_csrf_token_to_write() -> None:
    variant = builders.draft()
    strict = APIClient(enforce_csrf_checks=True)
    strict.force_login(user("editor"))
    response = strict.post(f"{ROOT}variants/{variant.pk}/approve/")
    assert_problem(response, 403, "permission_denied")
    variant.refresh_from_db()
    assert variant.version == 1


def test_request_id__of_the_client_is_echoed(api: APIClient) -> None:
    response = api.get(f"{JOBS}{uuid.uuid4()}/", headers={"X-Request-ID": "checkout-7.a"})
    assert response["X-Request-ID"] == "checkout-7.a"
    assert response.json()["request_id"] == "checkout-7.a"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>", "ü"])
def test_request_id__one_of_ours_where_the_given_one_is_unfit(api: APIClient, given: str) -> None:
    response = api.get(JOBS, headers={"X-Request-ID": given})
    assert uuid.UUID(response["X-Request-ID"])


def test_unexpected_error__500_problem_that_the_host_hears_of(
    api: APIClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Any] = []

    def listen(sender: Any, **_: Any) -> None:
        heard.append(sender)

    def explode(*_: Any) -> None:
        raise RuntimeError("secret of the database")

    monkeypatch.setattr("shopimg.api.views.jobs.visible_to", explode)
    got_request_exception.connect(listen)
    try:
        with caplog.at_level(logging.ERROR, logger="shopimg"):
            response = api.get(JOBS)
    finally:
        got_request_exception.disconnect(listen)
    assert_problem(response, 500, "internal_error")
    assert "secret" not in response.content.decode()
    assert len(heard) == 1
    assert "secret of the database" in caplog.text


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (SourceMissingError(), 422, "source_missing"),
        (ProductNotFoundError(), 422, "product_not_found"),
        (WorkerError(), 500, "worker_error"),
    ],
)
def test_contract_error__has_its_own_code(
    api: APIClient, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr("shopimg.api.views.jobs.visible_to", fail)
    assert_problem(api.get(JOBS), status, code)


def test_limits__headers_count_down_and_429_says_when_to_return(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        api_settings, "DEFAULT_THROTTLE_RATES", {"shopimg-jobs": "2/min"}, raising=False
    )
    first, second = api.get(JOBS), api.get(JOBS)
    assert (first["RateLimit-Limit"], first["RateLimit-Remaining"]) == ("2", "1")
    assert second["RateLimit-Remaining"] == "0"
    refused = api.get(JOBS)
    assert_problem(refused, 429, "throttled")
    assert 0 < int(refused["Retry-After"]) <= 60
    assert 0 < int(refused["RateLimit-Reset"]) <= 60
    assert refused["RateLimit-Remaining"] == "0"


def test_limits__scopes_and_users_are_counted_apart(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        api_settings, "DEFAULT_THROTTLE_RATES", {"shopimg-jobs": "1/min"}, raising=False
    )
    assert [api.get(JOBS).status_code for _ in range(2)] == [200, 429]
    assert client("operator").get(JOBS).status_code == 200
    photo = builders.photo()
    assert api.get(f"{ROOT}images/testapp.photo/{photo.pk}/").status_code == 200


@pytest.mark.parametrize("method", ["get", "post"])
def test_limits__count_what_is_refused(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    rates = {"shopimg-jobs": "2/min", "shopimg-review": None}
    monkeypatch.setattr(api_settings, "DEFAULT_THROTTLE_RATES", rates, raising=False)
    stranger, plain = client(), client("plain")
    for api in (stranger, plain):
        statuses = [getattr(api, method)(JOBS).status_code for _ in range(3)]
        assert statuses == [403, 403, 429]
    assert client("viewer").get(JOBS).status_code == 200


def test_limits__host_may_lift_them(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        api_settings, "DEFAULT_THROTTLE_RATES", {"shopimg-jobs": None}, raising=False
    )
    assert "RateLimit-Limit" not in api.get(JOBS)


def statuses_through(*forwarded: str) -> list[int]:
    """Return what shoppers are answered, each with this ``X-Forwarded-For``."""
    address = f"{ROOT}images/testapp.photo/{builders.photo().pk}/"
    shopper = client()
    return [
        shopper.get(address, headers={"X-Forwarded-For": addresses}).status_code
        for addresses in forwarded
    ]


def test_limits__made_up_forwarding_addresses_are_one_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        api_settings, "DEFAULT_THROTTLE_RATES", {"shopimg-storefront": "1/min"}, raising=False
    )
    assert statuses_through("203.0.113.1", "203.0.113.2") == [200, 429]


def test_limits__behind_counted_proxies_the_address_that_they_saw_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        api_settings, "DEFAULT_THROTTLE_RATES", {"shopimg-storefront": "1/min"}, raising=False
    )
    monkeypatch.setattr(api_settings, "NUM_PROXIES", 1, raising=False)
    forwarded = ["1.1.1.1, 203.0.113.1", "2.2.2.2, 203.0.113.1", "203.0.113.2"]
    assert statuses_through(*forwarded) == [200, 429, 200]


@pytest.mark.parametrize(
    ("address", "limit"),
    [
        ("jobs/", "300"),
        ("bulk-runs/", "300"),
        ("variants/", "600"),
        ("images/testapp.photo/?id=1", "1200"),
    ],
)
def test_limits__defaults_without_host_settings(address: str, limit: str) -> None:
    response = client("viewer").get(ROOT + address)
    assert (response.status_code, response["RateLimit-Limit"]) == (200, limit)


def test_private_answers__are_not_for_shared_caches(api: APIClient) -> None:
    response = api.get(JOBS)
    assert response["Cache-Control"] == "private, no-cache"
    assert {"Authorization", "Cookie"} <= set(response["Vary"].split(", "))


def test_errors__are_not_cached(api: APIClient) -> None:
    assert api.get(f"{JOBS}{uuid.uuid4()}/")["Cache-Control"] == "no-store"
    assert client().get(f"{ROOT}images/testapp.photo/1/")["Cache-Control"] == "no-store"


def test_dates__are_iso_8601_whatever_the_host_prefers(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_settings, "DATETIME_FORMAT", "%d.%m.%Y", raising=False)
    job = builders.job_of(builders.photo())
    created_at = api.get(f"{JOBS}{job.pk}/").json()["created_at"]
    assert created_at == job.created_at.isoformat().replace("+00:00", "Z")


def test_options__tell_nothing() -> None:
    job = builders.job_of(builders.photo())
    response = client().options(f"{JOBS}{job.pk}/")
    assert_problem(response, 405, "method_not_allowed")
    assert EnhancementJob.objects.count() == 1


def test_live_server__answers_real_clients(live_server: Any) -> None:
    photo = builders.photo()
    address = f"{live_server.url}{ROOT}images/testapp.photo/{photo.pk}/"
    with urllib.request.urlopen(address, timeout=10) as answer:
        body, etag = json.load(answer), answer.headers["ETag"]
    assert body["original"]["url"] == f"{live_server.url}{photo.file.url}"
    again = urllib.request.Request(address, headers={"If-None-Match": etag})
    with pytest.raises(urllib.error.HTTPError) as unchanged:
        urllib.request.urlopen(again, timeout=10)
    unchanged.value.close()
    assert unchanged.value.code == 304


def test_live_server__takes_a_job(live_server: Any) -> None:
    photo = builders.photo()
    user("integration")
    request = urllib.request.Request(
        live_server.url + JOBS,
        data=json.dumps({"source": "testapp.Photo", "id": photo.pk}).encode(),
        headers={"Content-Type": "application/json", **basic("integration", "secret")},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        body = json.load(answer)
        assert (answer.status, answer.headers["Location"]) == (202, body["result_url"])
    assert body["id"] == str(builders.job_of(photo).pk)


def test_live_server__unread_body_is_refused_whole(live_server: Any) -> None:
    request = urllib.request.Request(
        live_server.url + JOBS, data=b" " * 200_000, headers={"Content-Type": "application/json"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    problem = json.load(refused.value)
    refused.value.close()
    assert (refused.value.code, problem["code"]) == (403, "not_authenticated")
