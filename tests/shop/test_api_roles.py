"""Who may do what over HTTP: every cell of the matrix, and other merchants."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from shopimg.models import EnhancedVariant, EnhancementJob
from tests import builders
from tests.shop.api_client import (
    GROUPS,
    JOBS,
    VARIANTS,
    approved,
    assert_problem,
    assert_unchanged,
    at,
    client,
    failed,
    published,
    rolled_back,
    user,
)
from tests.testapp.models import OwnedPhoto

pytestmark = pytest.mark.django_db


@pytest.fixture
def editor() -> APIClient:
    return client("editor")


EVERYBODY = (None, *GROUPS)
"""Nobody, and one user of each group."""

MATRIX = {
    "list": {"viewer", "reviewer", "publisher", "editor"},
    "detail": {"viewer", "reviewer", "publisher", "editor"},
    "before": {"viewer", "reviewer", "publisher", "editor"},
    "after": {"viewer", "reviewer", "publisher", "editor"},
    "approve": {"editor"},
    "reject": {"reviewer", "editor"},
    "publish": {"publisher", "editor"},
    "withdraw": {"publisher", "editor"},
    "rollback": {"publisher", "editor"},
    "restore": {"publisher", "editor"},
}
"""Action -> groups who may; everybody else is refused."""

READS = {"list": "", "detail": "", "before": "before", "after": "after"}


def body_of(action: str) -> dict[str, str]:
    return {"reason": "text"} if action == "reject" else {}


@pytest.mark.parametrize("action", MATRIX)
@pytest.mark.parametrize("who", EVERYBODY)
def test_role_matrix__every_cell(action: str, who: str | None, settings: Any) -> None:
    makers: dict[str, Callable[[], EnhancedVariant]] = {
        "publish": lambda: approved(settings),
        "withdraw": published,
        "rollback": published,
        "restore": rolled_back,
    }
    variant = makers.get(action, builders.draft)()
    api = client(who)
    if action in READS:
        response = api.get(VARIANTS if action == "list" else at(variant, READS[action]))
    else:
        response = api.post(at(variant, action), body_of(action), format="json")
    if who in MATRIX[action]:
        assert response.status_code == 200
        return
    assert_problem(response, 403, "permission_denied" if who else "not_authenticated")
    assert_unchanged(variant)


JOB_MATRIX = {
    "list": {"viewer", "operator", "integration"},
    "detail": {"viewer", "operator", "integration"},
    "create": {"integration"},
    "retry": {"operator"},
    "cancel": {"operator"},
}
"""Action on jobs -> groups who may; everybody else is refused."""


@pytest.mark.parametrize("action", JOB_MATRIX)
@pytest.mark.parametrize("who", EVERYBODY)
def test_job_matrix__every_cell(action: str, who: str | None) -> None:
    job = failed() if action == "retry" else builders.job_of(builders.photo())
    api = client(who)
    if action == "create":
        body = {"source": "testapp.Photo", "id": job.source_id}
        response = api.post(JOBS, body, format="json")
    elif action in {"retry", "cancel"}:
        response = api.post(f"{JOBS}{job.pk}/{action}/")
    else:
        response = api.get(JOBS if action == "list" else f"{JOBS}{job.pk}/")
    if who in JOB_MATRIX[action]:
        assert response.status_code == (202 if action in {"create", "retry"} else 200)
        return
    assert_problem(response, 403, "permission_denied" if who else "not_authenticated")
    now = EnhancementJob.objects.get()
    assert (now.pk, now.state, now.attempts) == (job.pk, job.state, job.attempts)


@pytest.mark.parametrize("action", ["", "before", "after", *list(MATRIX)[4:]])
def test_scope__variants_of_other_merchants_do_not_exist(settings: Any, action: str) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "SCOPE": "tests.testapp.scope.own_photos"}
    me, other = user("editor", "me"), user("plain", "other")
    mine = builders.draft(OwnedPhoto.objects.create(owner=me, file=builders.upload()))
    theirs = builders.draft(OwnedPhoto.objects.create(owner=other, file=builders.upload()))
    api = client(me)
    listed = [variant["id"] for variant in api.get(VARIANTS).json()["results"]]
    assert listed == [str(mine.pk)]
    read = action in {"", "before", "after"}
    address = at(theirs, action)
    response = api.get(address) if read else api.post(address, body_of(action), format="json")
    assert_problem(response, 404, "not_found")
    assert_unchanged(theirs)


@pytest.mark.parametrize("key", [str(uuid.UUID(int=0)), "7", "abc", "%00", "..%2f"])
def test_unknown_variant__is_404(editor: APIClient, key: str) -> None:
    assert_problem(editor.get(f"{VARIANTS}{key}/"), 404, "not_found")
    assert_problem(editor.post(f"{VARIANTS}{key}/approve/"), 404, "not_found")
