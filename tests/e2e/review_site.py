"""The admin of the small host shop, open in a real browser as one of its reviewers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, Page, Route
from pytest_django.live_server_helper import LiveServer

from shopimg.models import EnhancedVariant

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; object-src 'none'"
)
"""What a strict host allows its pages; the admin's own icons are files as well."""


@dataclass
class ReviewSite:
    """A signed-in browser."""

    server: LiveServer
    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)
    """What the browser's console has complained about."""

    def open(self, path: str) -> Page:
        """Open a page of the site under a strict content security policy."""
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
    page.route("**/*", _add_policy)
    page.on("console", lambda said: _listen(site, said.type, said.text))
    page.on("pageerror", lambda error: site.complaints.append(str(error)))
    return site


def _add_policy(route: Route) -> None:
    if route.request.resource_type != "document" or route.request.method != "GET":
        route.continue_()
        return
    response = route.fetch(max_redirects=0)
    route.fulfill(
        response=response, headers={**response.headers, "content-security-policy": POLICY}
    )


def _listen(site: ReviewSite, kind: str, text: str) -> None:
    # The host of the tests has no icon for the browser's tab.
    if kind in {"error", "warning"} and "404 (Not Found)" not in text:
        site.complaints.append(text)
