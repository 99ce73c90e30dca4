"""Clients of the API for tests, and what each kind of user may do."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission, User
from rest_framework.test import APIClient

from shopimg.contract import SourceUnreadableError
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.services import jobs, publishing, reviews
from tests import builders

ROOT = "/api/shopimg/v1/"
JOBS = f"{ROOT}jobs/"
VARIANTS = f"{ROOT}variants/"
RUNS = f"{ROOT}bulk-runs/"

GROUPS = {
    "plain": (),
    "viewer": ("view_enhancedvariant", "view_enhancementjob", "view_bulkrun"),
    "reviewer": ("view_enhancedvariant", "review_enhancedvariant"),
    "publisher": ("view_enhancedvariant", "publish_enhancedvariant"),
    "editor": ("view_enhancedvariant", "review_enhancedvariant", "publish_enhancedvariant"),
    "operator": ("view_enhancementjob", "change_enhancementjob"),
    "integration": ("view_enhancementjob", "add_enhancementjob"),
    "runner": ("view_bulkrun", "add_bulkrun"),
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


def failed(photo: Any = None) -> EnhancementJob:
    """Let a worker fail at the newest job of a photograph."""
    claim = jobs.claim(builders.job_of(photo or builders.photo()).pk)
    assert claim is not None
    jobs.fail(claim, SourceUnreadableError(detail="libjpeg: bad marker"))
    return claim.job


def at(variant: EnhancedVariant, action: str = "") -> str:
    """Return the address of a variant, or of an action on it."""
    return f"{VARIANTS}{variant.pk}/" + (f"{action}/" if action else "")


def published() -> EnhancedVariant:
    """Return a variant that Rosa has approved and published."""
    return reviews.approve(builders.draft(), by=builders.reviewer("rosa"))


def rolled_back() -> EnhancedVariant:
    """Return a variant that was published, and then taken out of the shop again."""
    variant = published()
    publishing.rollback(variant, by=builders.reviewer("max"))
    return variant


def approved(settings: Any) -> EnhancedVariant:
    """Return a variant that Rosa has approved, in a shop where publishing is another step."""
    settings.SHOPIMG = {**settings.SHOPIMG, "PUBLISH_ON_APPROVAL": False}
    return reviews.approve(builders.draft(), by=builders.reviewer("rosa"))


def assert_unchanged(variant: EnhancedVariant) -> None:
    """Check that a variant is as it was, and that nobody's decision was written down."""
    now = EnhancedVariant.objects.get(pk=variant.pk)
    assert (now.state, now.version) == (variant.state, variant.version)
    assert now.decisions.count() == variant.decisions.count()
