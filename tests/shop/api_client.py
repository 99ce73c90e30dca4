"""Clients of the API for tests, and what each kind of user may do."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission, User
from rest_framework.test import APIClient

ROOT = "/api/shopimg/v1/"

GROUPS = {
    "plain": (),
    "viewer": ("view_enhancedvariant", "view_enhancementjob", "view_bulkrun"),
    "reviewer": ("view_enhancedvariant", "review_enhancedvariant"),
    "publisher": ("view_enhancedvariant", "publish_enhancedvariant"),
    "editor": ("view_enhancedvariant", "review_enhancedvariant", "publish_enhancedvariant"),
    "operator": ("view_enhancementjob", "change_enhancementjob"),
    "integration": ("view_enhancementjob", "add_enhancementjob"),
}
"""Kind of user -> permissions."""


def user(group: str, name: str | None = None) -> User:
    """Create a user of one of the ``GROUPS``."""
    somebody = User.objects.create_user(name or group, password="secret")
    somebody.user_permissions.set(
        Permission.objects.filter(content_type__app_label="shopimg", codename__in=GROUPS[group])
    )
    return somebody


def client(somebody: User | str | None = None) -> APIClient:
    """Return a client that is logged in through a session, or anonymous."""
    who = user(somebody) if isinstance(somebody, str) else somebody
    api = APIClient(raise_request_exception=False)
    if who is not None:
        api.force_login(who)
    return api


def assert_problem(response: Any, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is a whole problem, and return it."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"] == response.wsgi_request.path
    assert problem["request_id"] == response["X-Request-ID"]
    return problem
