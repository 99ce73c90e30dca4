"""What every test of the shop gets, and what some ask for."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache

from shopimg.models import EnhancedVariant
from shopimg.services import reviews
from shopimg.services.requests import Order, request_enhancement
from tests import builders
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
def publish(rosa: User) -> Publish:
    """Make another draft of a photograph, approve it and so publish it."""

    def _publish(photo: Photo, shade: int = 120) -> EnhancedVariant:
        if EnhancedVariant.objects.for_source(photo).exists():
            request_enhancement(photo, Order(force=True))
        draft = builders.draft(photo, colour=(shade, shade, shade))
        return reviews.approve(draft, by=rosa)

    return _publish
