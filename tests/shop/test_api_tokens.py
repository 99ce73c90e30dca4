"""Programs with a token: no session, no CSRF token, and exact words where something is missing."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.authentication import TokenAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from shopimg.api.views.base import ShopimgView
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.states import ReviewState
from tests import builders
from tests.shop.api_client import JOBS, VARIANTS, assert_problem, at, user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _tokens_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Authenticate as a host with ``DEFAULT_AUTHENTICATION_CLASSES`` of tokens does."""
    monkeypatch.setattr(ShopimgView, "authentication_classes", (TokenAuthentication,))


def program(group: str) -> APIClient:
    """Return a client that has a token and nothing else, and whose CSRF checks are on."""
    api = APIClient(enforce_csrf_checks=True, raise_request_exception=False)
    token = Token.objects.create(user=user(group))
    api.credentials(HTTP_AUTHORIZATION=f"Token {token.key}")
    return api


def body_of(code: str, status: int, title: str, detail: str, response: Any) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        "instance": response.wsgi_request.path,
        "request_id": response["X-Request-ID"],
    }


def test_token__asks_for_a_job_and_reads_it() -> None:
    photo = builders.photo()
    EnhancementJob.objects.all().delete()
    api = program("integration")
    body = {"source": "testapp.Photo", "id": str(photo.pk)}
    made = api.post(JOBS, body, format="json")
    assert made.status_code == 202
    assert api.get(made["Location"]).json()["id"] == made.json()["id"]
    assert EnhancementJob.objects.get().requested_by.username == "integration"
    assert made.cookies == {}


def test_token__approves_a_draft() -> None:
    draft = builders.draft()
    api = program("editor")
    assert [variant["id"] for variant in api.get(VARIANTS).json()["results"]] == [str(draft.pk)]
    assert api.post(at(draft, "approve")).status_code == 200
    shown = EnhancedVariant.objects.get()
    assert (shown.state, shown.approved_by.username) == (ReviewState.PUBLISHED, "editor")


@pytest.mark.parametrize(
    ("header", "code", "detail"),
    [
        (None, "not_authenticated", "Authentication credentials were not provided."),
        ("Token", "authentication_failed", "Invalid token header. No credentials provided."),
        ("Token nonsense", "authentication_failed", "Invalid token."),
    ],
)
@pytest.mark.parametrize("address", [JOBS, VARIANTS])
def test_token__missing_or_wrong_is_401(
    address: str, header: str | None, code: str, detail: str
) -> None:
    api = APIClient(enforce_csrf_checks=True, raise_request_exception=False)
    if header is not None:
        api.credentials(HTTP_AUTHORIZATION=header)
    response = api.get(address)
    assert assert_problem(response, 401, code) == body_of(
        code, 401, "Unauthorized", detail, response
    )
    assert response["WWW-Authenticate"] == "Token"


def test_token__of_a_user_who_was_deactivated_is_401() -> None:
    api = program("integration")
    Token.objects.get().user.__class__.objects.update(is_active=False)
    problem = assert_problem(api.get(JOBS), 401, "authentication_failed")
    assert problem["detail"] == "User inactive or deleted."


def test_token__without_the_permission_is_403() -> None:
    draft = builders.draft()
    response = program("viewer").post(at(draft, "approve"))
    assert assert_problem(response, 403, "permission_denied") == body_of(
        "permission_denied",
        403,
        "Forbidden",
        "You do not have permission to perform this action.",
        response,
    )
    assert EnhancedVariant.objects.get().state == ReviewState.AWAITING_REVIEW


def test_session__is_no_login_where_there_are_tokens_only() -> None:
    api = APIClient(raise_request_exception=False)
    api.force_login(user("viewer"))
    assert_problem(api.get(JOBS), 401, "not_authenticated")
