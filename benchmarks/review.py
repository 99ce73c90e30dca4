"""How fast a reviewer can decide: from the key A until the next pair of pictures is painted.

Run it as `python benchmarks/review.py [--pairs 60] [--look 2]`. It starts PostgreSQL, Redis, the
demo shop under gunicorn and Chromium, puts photographs of the catalogue into the queue (enlarged
without networks: only their sizes matter here), and approves one pair after the other with the key
A in the review page, looking at each for a stated time. It writes `benchmarks/results/review.json`
and `review.md`.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from benchmarks import page as results
from tests.servers.chromium import chromium
from tests.servers.postgres import postgres
from tests.servers.process import accepts_connections, free_port, running
from tests.servers.redis import redis

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "python benchmarks/review.py"
PAIRS = 60
LOOK_SECONDS = 2.0
"""What a practised reviewer is taken to need for a look at one pair."""
GOAL_PAIRS_PER_HOUR = 1000
SAVING_SECONDS = 30
VIEWPORT = {"width": 1440, "height": 900}
PASSWORD = "benchmark"  # noqa: S105 - of a shop that lives for some minutes
QUEUE = "/admin/shopimg/enhancedvariant/"

# Resolves to milliseconds since the key was pressed, once another pair is in the page, both its
# pictures are decoded, and two frames were drawn: the second starts when the first is painted.
MEASURE = """
() => {
  const frame = () => new Promise(requestAnimationFrame);
  const shown = () => document.querySelector("#review").dataset.pk;
  const before = shown();
  window.measured = new Promise((resolve) => {
    addEventListener("keydown", async (event) => {
      while (shown() === before) await frame();
      const pictures = [...document.querySelectorAll("#stage figure img")];
      await Promise.all(pictures.map((picture) => picture.decode()));
      await frame();
      await frame();
      resolve(performance.now() - event.timeStamp);
    }, { once: true, capture: true });
  });
}
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write; or, when started by itself, fill the queue."""
    arguments = _arguments(argv)
    if arguments.fill:
        fill(arguments.fill)
        return 0
    circumstances = results.circumstances()
    with site(arguments.pairs + 1) as url, chromium() as browser:
        context = browser.new_context(viewport=VIEWPORT)
        seconds = review(sign_in(context.new_page(), url), arguments.pairs, arguments.look)
        left = waiting(context.pages[0], url, expected=1)
        version = browser.version
    if left != 1:
        raise RuntimeError(f"{left} pairs wait after {arguments.pairs} of {arguments.pairs + 1}")
    figures = {
        **circumstances,
        "browser": f"Chromium {version}, {VIEWPORT['width']}x{VIEWPORT['height']}",
        **summary(seconds, arguments.look),
    }
    results.write("review", figures, to_markdown(figures), arguments.results)
    return 0


def fill(pairs: int) -> None:
    """Set up an empty shop, and let its queue hold so many drafts of catalogue photographs."""
    import django  # noqa: PLC0415 - the settings must be in the environment first

    django.setup()
    from django.contrib.auth.models import User  # noqa: PLC0415 - needs the settings
    from django.core.management import call_command  # noqa: PLC0415

    from demoshop.demo import seeding  # noqa: PLC0415
    from shopimg.services import running as attempts  # noqa: PLC0415
    from shopimg.services.requests import Order, request_enhancement  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    User.objects.create_superuser("reviewer", password=PASSWORD)
    products = seeding.seed_products()
    for number in range(pairs):
        upload = seeding.upload(*products[number % len(products)])
        # Not the shop's own recipe: what fills the queue in no time cuts nothing out.
        attempts.run(request_enhancement(upload.image, Order(recipe="clean")).job.pk)
        say(f"filling the queue: {number + 1} of {pairs}")


@contextmanager
def site(pairs: int) -> Iterator[str]:
    """Run the demo shop with so many pairs in its queue, and yield its address."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database, broker = stack.enter_context(postgres()), stack.enter_context(redis(folder))
        environment = {
            "DATABASE_URL": database.create_database("review"),
            "REDIS_URL": broker.url,
            "DEMO_DIR": str(folder / "demo"),
            "DEMO_ENHANCER": "shopimg.backends.pillow.PillowEnhancer",
            "DJANGO_SECRET_KEY": PASSWORD * 6,
            "DJANGO_SETTINGS_MODULE": "demoshop.settings",
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, str(Path(__file__).resolve()), "--fill", str(pairs)]
        subprocess.run(command, env={**os.environ, **environment}, check=True)  # noqa: S603
        port = free_port()
        gunicorn = [Path(sys.executable).parent / "gunicorn", "docker.wsgi:application"]
        options = ["--bind", f"127.0.0.1:{port}", "--threads=4", "--no-control-socket"]
        server = running(
            "site",
            [*gunicorn, *options],
            folder=folder,
            ready=lambda: accepts_connections(port),
            env=environment,
        )
        stack.enter_context(server)
        yield f"http://127.0.0.1:{port}"


def sign_in(page: Page, url: str) -> Page:
    """Open the review page of the first pair in the queue."""
    page.goto(f"{url}/admin/login/?next={QUEUE}")
    page.fill("#id_username", "reviewer")
    page.fill("#id_password", PASSWORD)
    page.click("input[type=submit]")
    page.locator("a[href*='/review/']").first.click()
    page.wait_for_selector("#review")
    page.wait_for_load_state("networkidle")
    return page


def review(page: Page, pairs: int, look_seconds: float) -> list[float]:
    """Approve so many pairs by key.

    Returns:
        Seconds from each key until the next pair was painted.
    """
    seconds = []
    for number in range(pairs):
        page.wait_for_timeout(look_seconds * 1000)
        page.evaluate(MEASURE)
        page.keyboard.press("a")
        seconds.append(page.evaluate("window.measured") / 1000)
        say(f"pair {number + 1} of {pairs}: {seconds[-1] * 1000:.0f} ms")
    return seconds


def waiting(page: Page, url: str, *, expected: int) -> int:
    """Return how many drafts wait, as the API counts them, once the last decision is stored.

    The page shows the next pair before the server has answered, so that one is given some seconds.
    """
    address = f"{url}/api/shopimg/v1/variants/?status=awaiting_review&limit=100"
    for _ in range(SAVING_SECONDS):
        left = len(page.request.get(address).json()["results"])
        if left == expected:
            break
        page.wait_for_timeout(1000)
    return left


def summary(seconds: Sequence[float], look_seconds: float) -> dict[str, Any]:
    """Return what the waits come to.

    >>> found = summary([0.1, 0.1, 0.4], 2.0)
    >>> found["p50_seconds"], found["p95_seconds"], round(found["pairs_per_hour"])
    (0.1, 0.4, 1636)
    """
    ordered = sorted(seconds)
    return {
        "pairs": len(ordered),
        "look_seconds": look_seconds,
        "p50_seconds": statistics.median(ordered),
        "p95_seconds": ordered[math.ceil(0.95 * len(ordered)) - 1],
        "longest_seconds": ordered[-1],
        "pairs_per_hour": 3600 / (look_seconds + statistics.fmean(ordered)),
        "seconds": list(seconds),
    }


def to_markdown(figures: dict[str, Any]) -> list[str]:
    """Lay the figures out as a page."""
    waits = [f"{figures[name] * 1000:.0f} ms" for name in ("p50_seconds", "p95_seconds")]
    row = [
        str(figures["pairs"]),
        *waits,
        f"{figures['longest_seconds'] * 1000:.0f} ms",
        f"{figures['pairs_per_hour']:,.0f}",
        f"{figures['pairs_per_hour'] / GOAL_PAIRS_PER_HOUR:.2f}",
    ]
    goal = f"of {GOAL_PAIRS_PER_HOUR:,} an hour"
    return [
        "# Review",
        "",
        results.preface(figures, COMMAND),
        "",
        f"The demo shop under gunicorn with four threads, PostgreSQL, Redis, {figures['browser']}.",
        "From the key A until both pictures of the next pair are painted, after a look of "
        f"{figures['look_seconds']:g} s at each pair:",
        "",
        *results.markdown_table(["pairs", "p50", "p95", "longest", "pairs an hour", goal], [row]),
    ]


def say(progress: str) -> None:
    """Tell how far the benchmark has come, beside what it prints."""
    print(progress, file=sys.stderr, flush=True)  # noqa: T201 - what a script says


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS, help="pairs to decide")
    parser.add_argument(
        "--look", type=float, default=LOOK_SECONDS, help="seconds for a look at each pair"
    )
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="folder to write to")
    parser.add_argument("--fill", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
