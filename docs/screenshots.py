"""Takes the pictures of README and docs again: ``make screenshots``.

Runs the demo in a folder of its own, serves that shop, and photographs it with Chromium.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Locator, Page

from tests.servers.chromium import chromium
from tests.servers.process import accepts_connections, free_port, running

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
SHOP = ROOT / "var" / "screenshots"
WORKER_SECONDS = 15
"""For the worker's first sign of life, without which the admin warns."""
ENVIRONMENT = {"DEMO_DIR": str(SHOP), "ENHANCER_STEP_CACHE_MEGABYTES": "0"}
"""Without what earlier pictures have made: the seconds that are shown are real."""
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
TABLET = {"width": 800, "height": 1280}
APPROVED = 5
"""Drafts that the demo approves; the others wait in the queue to be photographed."""
FIRST_IMAGE = 1
"""Primary key of the first photograph in a fresh shop, which the demo approves."""
COMPACT = "lauf-no-4-trail-shoes"
"""Slug of a product of the kind that is cut out well, among those that the demo approves."""
SETTLE_MILLISECONDS = 800
"""For pictures to be decoded after they were loaded; lazy ones out of sight never are."""
JPEG_QUALITY = 88
CROP = (440, 360)
"""Pixels of each half of the before/after picture."""
FOCUS = (0.5, 0.62)
"""Centre of that crop, as a share of width and height: small print on a label."""


def main() -> int:
    """Make every picture."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, ROOT / "manage.py", "demo", "--approve", str(APPROVED)]
    subprocess.run(command, env={**os.environ, **ENVIRONMENT}, check=True)
    with _site() as url, chromium() as browser:
        _before_after(url)
        _storefront(browser, url)
        _views(browser, url)
        _admin(browser, url)
    return 0


@contextmanager
def _site() -> Iterator[str]:
    port = free_port()
    address = f"127.0.0.1:{port}"
    site = [sys.executable, ROOT / "manage.py", "runserver", "--noreload", "--insecure", address]
    queues = "shopimg-upkeep,shopimg,shopimg-bulk"
    worker = [sys.executable, "-m", "celery", "-A", "enhancer_worker", "worker", "-Q", queues]
    settings = {**ENVIRONMENT, "DJANGO_SETTINGS_MODULE": "demoshop.settings"}
    with (
        running("worker", worker, folder=SHOP, ready=lambda: True, env=settings),
        running("site", site, folder=SHOP, ready=lambda: accepts_connections(port), env=settings),
    ):
        time.sleep(WORKER_SECONDS)
        yield f"http://{address}"


def _storefront(browser: Browser, url: str) -> None:
    for name, viewport in (("", DESKTOP), ("-phone", PHONE)):
        page = browser.new_page(viewport=viewport)
        page.goto(url)
        _shoot(page, f"shop{name}")
        page.locator("main a[href*='/products/']").first.click()
        _shoot(page, f"product{name}")
        page.close()


def _views(browser: Browser, url: str) -> None:
    """Show all that is published of one photograph: enhanced, on white, and in a scene."""
    page = browser.new_page(viewport=TABLET)
    page.goto(f"{url}/products/{COMPACT}/")
    gallery = page.locator(".gallery")
    gallery.locator("img").last.scroll_into_view_if_needed()  # it is loaded no sooner
    _shoot(gallery, "views")
    page.close()


def _admin(browser: Browser, url: str) -> None:
    password = json.loads((SHOP / "logins.json").read_text())["reviewer"]
    context = browser.new_context(viewport=DESKTOP)
    page = context.new_page()
    page.goto(f"{url}/admin/login/?next=/admin/shopimg/enhancedvariant/")
    page.fill("#id_username", "reviewer")
    page.fill("#id_password", password)
    page.click("input[type=submit]")
    _shoot(page, "queue")
    page.locator("a[href*='/review/']").first.click()
    _shoot(page, "review")
    page.set_viewport_size(PHONE)
    _shoot(page, "review-phone")
    page.set_viewport_size(DESKTOP)
    _scene(page, url)
    context.close()


def _scene(page: Page, url: str) -> None:
    """Show a draft with several candidates, and the brush for its mask."""
    page.goto(f"{url}/admin/shopimg/enhancedvariant/")
    scenes = page.locator("tr", has=page.locator("a[href*='/review/']"), has_text="scene")
    scenes.first.locator("a[href*='/review/']").first.click()
    page.locator("#candidates").wait_for()
    _shoot(page, "review-scene")
    page.keyboard.press("e")
    page.locator("#mask-editor").wait_for()
    _shoot(page, "brush")


def _shoot(shown: Page | Locator, name: str) -> None:
    page = shown.page if isinstance(shown, Locator) else shown
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    path = IMAGES / f"{name}.jpg"
    shown.screenshot(path=path, type="jpeg", quality=JPEG_QUALITY)
    sys.stdout.write(f"{path.relative_to(ROOT)}\n")


def _before_after(url: str) -> None:
    """Show the same part of an upload, enlarged bicubically, and of what was published."""
    shown = _published(url)
    after = _open(url, shown["published"]["url"])
    before = _open(url, shown["original"]["url"]).resize(after.size, Image.Resampling.BICUBIC)
    pair = Image.new("RGB", (2 * CROP[0] + 8, CROP[1]), "white")
    for number, image in enumerate((before, after)):
        pair.paste(image.crop(_box(image)), (number * (CROP[0] + 8), 0))
    pair.save(IMAGES / "before-after.jpg", quality=95, subsampling=0)


def _published(url: str) -> dict[str, Any]:
    path = f"api/shopimg/v1/images/demoshop.productimage/{FIRST_IMAGE}/"
    with urllib.request.urlopen(f"{url}/{path}") as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def _open(url: str, path: str) -> Image.Image:
    address = path if path.startswith("http") else f"{url}{path}"
    with urllib.request.urlopen(address) as answer:
        return Image.open(io.BytesIO(answer.read())).convert("RGB")


def _box(image: Image.Image) -> tuple[int, int, int, int]:
    left = round(image.width * FOCUS[0] - CROP[0] / 2)
    top = round(image.height * FOCUS[1] - CROP[1] / 2)
    return left, top, left + CROP[0], top + CROP[1]


if __name__ == "__main__":
    raise SystemExit(main())
