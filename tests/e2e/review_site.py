"""The admin of the small host shop, open in a real browser as one of its reviewers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, Page, Request
from pytest_django.live_server_helper import LiveServer

from shopimg.models import EnhancedVariant
from tests import builders
from tests.servers.chromium import close


@dataclass
class ReviewSite:
    """A signed-in browser."""

    server: LiveServer
    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)
    """What the browser's console has complained about."""
    unanswered: list[str] = field(default_factory=list)
    """What the page has asked for and not got yet: a test that fails shows it."""

    def close(self) -> None:
        """End the session and hold the page to have had nothing to complain about."""
        close(self.context)
        assert self.complaints == []

    def open(self, path: str) -> Page:
        """Open a page of the site."""
        self.page.goto(self.server.url + path)
        self.page.wait_for_load_state("networkidle")
        return self.page

    def open_review(self, variant: EnhancedVariant) -> Page:
        """Open the review page of a variant."""
        return self.open(review_path(variant))

    def open_queue(self, **parameters: str) -> Page:
        """Open the queue."""
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return self.open(reverse("admin:shopimg_enhancedvariant_changelist") + f"?{query}")


def review_path(variant: EnhancedVariant) -> str:
    """Return the address of a review page, without the host."""
    return reverse("admin:shopimg_enhancedvariant_review", args=[variant.pk])


def drafts(count: int) -> list[EnhancedVariant]:
    """Make drafts of photographs that are called ``Photo 0``, ``Photo 1`` and so on."""
    made = []
    for number in range(count):
        photo = builders.photo(builders.picture((64, 48), (40 * number, 90, 120)))
        type(photo).objects.filter(pk=photo.pk).update(name=f"Photo {number}")
        made.append(builders.draft(photo, colour=(40 * number, 100, 120)))
    return made


def sign_in(browser: Browser, server: LiveServer, user: User, **options: Any) -> ReviewSite:
    """Open a fresh browser session of a user.

    Args:
        browser: a running one.
        server: where the site is.
        user: who is signed in.
        options: of the session: ``viewport``, ``color_scheme``, ``java_script_enabled``...
    """
    client = Client()
    client.force_login(user)
    context = browser.new_context(**options)
    session = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": session, "url": server.url}])
    page = context.new_page()
    site = ReviewSite(server, context, page)
    page.on("request", lambda request: site.unanswered.append(_asked(request)))
    for end in ("requestfinished", "requestfailed"):
        page.on(end, lambda request: site.unanswered.remove(_asked(request)))
    page.on("console", lambda said: _listen(site, said.type, said.text))
    page.on("pageerror", lambda error: site.complaints.append(str(error)))
    return site


def _asked(request: Request) -> str:
    return f"{request.method} {request.url}"


def _listen(site: ReviewSite, kind: str, text: str) -> None:
    # The host of the tests has no icon for the browser's tab.
    if kind in {"error", "warning"} and "404 (Not Found)" not in text:
        site.complaints.append(text)
