"""What several tests in a browser share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from tests import builders
from tests.e2e.review_site import ReviewSite, sign_in


@pytest.fixture
def site(browser: Browser, live_server: LiveServer) -> Iterator[ReviewSite]:
    """A reviewer's browser; whatever its console complains about fails the test."""
    viewport = {"width": 1280, "height": 900}
    opened = sign_in(browser, live_server, builders.reviewer(), viewport=viewport)
    yield opened
    opened.close()
