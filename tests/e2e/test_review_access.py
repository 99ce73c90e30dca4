"""The admin pages for everybody: contrast, labels, phones, strict content security policies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from shopimg.services import reviews
from tests import builders
from tests.e2e.review_site import ReviewSite, sign_in

pytestmark = pytest.mark.django_db(transaction=True)

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}


def review(site: ReviewSite) -> Page:
    return site.open_review(builders.draft())


def dialog(site: ReviewSite) -> Page:
    page = review(site)
    page.keyboard.press("r")
    return page


def scenes(site: ReviewSite) -> Page:
    page = site.open_review(builders.scenes()[0])
    page.locator("#regenerate summary").click()
    page.locator("#correct summary").click()
    return page


def mask(site: ReviewSite) -> Page:
    page = site.open_review(builders.scenes()[0])
    page.keyboard.press("m")
    page.wait_for_selector("#stage .cover:visible")
    return page


def mask_editor(site: ReviewSite) -> Page:
    page = site.open_review(builders.scenes()[0])
    page.keyboard.press("e")
    page.wait_for_selector("#mask-editor .sheet")
    return page


def published(site: ReviewSite) -> Page:
    boss = User.objects.get(username="boss")
    return site.open_review(reviews.approve(builders.draft(), by=boss))


def taken_out(site: ReviewSite) -> Page:
    page = published(site)
    page.locator("#rollback").click()
    page.wait_for_selector("#undo")
    return page


def queue(site: ReviewSite) -> Page:
    builders.draft()
    builders.scenes()
    return site.open_queue()


def empty_queue(site: ReviewSite) -> Page:
    return site.open_queue()


def confirmation(site: ReviewSite) -> Page:
    page = queue(site)
    page.locator(".action-select").first.check()
    page.locator("select[name=action]").select_option("reject_selected")
    page.locator("button[name=index]").click()
    page.wait_for_selector("#reason")
    return page


def jobs(site: ReviewSite) -> Page:
    builders.draft()
    return site.open(reverse("admin:shopimg_enhancementjob_changelist"))


def job(site: ReviewSite) -> Page:
    draft = builders.draft()
    return site.open(reverse("admin:shopimg_enhancementjob_change", args=[draft.job_id]))


PAGES = [
    review,
    dialog,
    scenes,
    mask,
    mask_editor,
    published,
    taken_out,
    queue,
    empty_queue,
    confirmation,
    jobs,
    job,
]


def boss_at(browser: Browser, server: LiveServer, **options: Any) -> ReviewSite:
    return sign_in(browser, server, User.objects.create_superuser("boss"), **options)


@pytest.mark.parametrize(("theme", "viewport"), [("light", PHONE), ("dark", DESKTOP)])
@pytest.mark.parametrize("visit", PAGES)
def test_page__is_usable_by_everybody(
    browser: Browser,
    live_server: LiveServer,
    visit: Callable[[ReviewSite], Page],
    theme: str,
    viewport: dict[str, int],
) -> None:
    site = boss_at(browser, live_server, color_scheme=theme, viewport=viewport)
    page = visit(site)
    complaints = list(site.complaints)
    result = Axe().run(page, context="#content-start")
    site.complaints[:] = complaints  # the checker has styles of its own
    found = [
        (violation["id"], [node["target"] for node in violation["nodes"]])
        for violation in result.response["violations"]
    ]
    width = page.evaluate("document.documentElement.scrollWidth")
    site.close()
    assert found == []
    assert width <= viewport["width"]
