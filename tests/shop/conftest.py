"""What every test of the shop gets, and what some ask for."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from shopimg import wakeup
from shopimg.models import EnhancedVariant
from shopimg.services import reviews
from shopimg.services.requests import Order, request_enhancement
from tests import builders
from tests.shop.api_client import client
from tests.shop.audit_cases import Run
from tests.shop.published import Publish
from tests.testapp.models import Photo


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """Let no test count the requests, or find the thumbnails, of another one."""
    cache.clear()


@pytest.fixture
def rosa(db: None) -> User:
    """Return a reviewer."""
    return builders.reviewer()


@pytest.fixture
def api(db: None) -> APIClient:
    """Return a client of a shop's other programs, which may ask for jobs."""
    return client("integration")


@pytest.fixture
def viewer(db: None) -> APIClient:
    """Return a client of somebody who may look at jobs, runs and results."""
    return client("viewer")


@pytest.fixture
def reviewer(db: None) -> APIClient:
    """Return a client of somebody who reviews."""
    return client("reviewer")


@pytest.fixture
def runner(db: None) -> APIClient:
    """Return a client of somebody who starts bulk runs."""
    return client("runner")


@pytest.fixture
def shopimg(settings):
    """Change keys of the SHOPIMG setting."""

    def change(**keys: Any) -> None:
        settings.SHOPIMG = {**settings.SHOPIMG, **keys}

    return change


@pytest.fixture
def publish(rosa: User) -> Publish:
    """Make another draft of a photograph, approve it and so publish it."""

    def _publish(photo: Photo, shade: int = 120) -> EnhancedVariant:
        if EnhancedVariant.objects.for_source(photo).exists():
            request_enhancement(photo, Order(force=True))
        draft = builders.draft(photo, colour=(shade, shade, shade))
        return reviews.approve(draft, by=rosa)

    return _publish


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[uuid.UUID, bool]]:
    """Collect the wake-ups instead of sending them: (job, bulk)."""
    messages: list[tuple[uuid.UUID, bool]] = []
    monkeypatch.setattr(wakeup, "send", lambda job, *, bulk=False: messages.append((job, bulk)))
    return messages


@pytest.fixture
def sent_runs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the runs for which a worker was woken."""
    woken: list[Any] = []
    monkeypatch.setattr(wakeup, "send_bulk_run", lambda run_id: woken.append(run_id) or True)
    return woken


@pytest.fixture
def audit(capsys) -> Run:
    """Run the command, and return its exit code, its output and its messages."""

    def _run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code, words = 0, ""
        try:
            call_command("shopimg_audit", *arguments)
        except CommandError as err:
            code, words = err.returncode, str(err)
        said = capsys.readouterr()
        return code, said.out, said.err + words

    return _run
