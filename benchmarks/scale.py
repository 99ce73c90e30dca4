"""Measures what a large catalogue costs: predicting, queueing, reviewing, a sweep, a clean-up.

Run it as `python benchmarks/scale.py [--images 100000]`. It makes that many image rows, all of one
small file, on the servers that `DATABASE_URL` and `REDIS_URL` name or, where both are not set, on a
PostgreSQL and a Redis that it starts as the tests do.
Each figure comes from a process of its own. It prints its table and writes it to
`benchmarks/results/scale.md`, and the figures to `scale.json`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from benchmarks import page as results

ROOT = Path(__file__).resolve().parent.parent
ROWS_PER_INSERT = 5000


def main() -> None:
    """Measure, print, write; or, when started by itself, take one measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000, help="image rows in the catalogue")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="folder to write to")
    parser.add_argument("--measure", choices=MEASUREMENTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))  # noqa: T201 - read by the parent
        return
    figures = {
        **results.circumstances(),
        "images": arguments.images,
        "measurements": measure_all(arguments.images),
    }
    results.write("scale", figures, to_markdown(figures), arguments.results)


def measure_all(images: int) -> dict[str, Any]:
    """Make the catalogue, and take every measurement in a process of its own."""
    with tempfile.TemporaryDirectory() as folder, servers(Path(folder)) as addresses:
        environment = {
            **os.environ,
            **addresses,
            "DEMO_DIR": folder,
            "DJANGO_SETTINGS_MODULE": "demoshop.settings",
            "PYTHONPATH": str(ROOT),
            "SCALE_IMAGES": str(images),
        }
        return {name: in_a_process(name, environment) for name in MEASUREMENTS}


def in_a_process(name: str, environment: dict[str, str]) -> dict[str, float]:
    """Take one measurement, so that each has a peak of memory of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--measure", name]
    done = subprocess.run(  # noqa: S603 - our own script
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def measure(name: str) -> dict[str, float]:
    """Run one of ``MEASUREMENTS`` in this process."""
    import django  # noqa: PLC0415 - the settings must be in the environment first

    django.setup()
    before_megabytes = peak_megabytes()
    started = time.perf_counter()
    MEASUREMENTS[name]()
    return {
        "seconds": time.perf_counter() - started,
        "peak_rss_megabytes": peak_megabytes(),
        "rss_before_megabytes": before_megabytes,
    }


def peak_megabytes() -> float:
    """Return the most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def make_catalogue() -> None:
    """Write the image rows behind the hook, as an import would."""
    from django.core.files.base import ContentFile  # noqa: PLC0415 - needs the settings
    from django.core.management import call_command  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    from demoshop.models import Product, ProductImage  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    content = Path(tempfile.mkstemp(suffix=".jpg")[1])
    Image.new("RGB", (64, 48), (120, 120, 120)).save(content)
    storage = ProductImage._meta.get_field("original").storage  # type: ignore[union-attr]
    name = storage.save("scale.jpg", ContentFile(content.read_bytes()))
    content.unlink()
    product = Product.objects.create(**required_of(Product))
    images = int(os.environ["SCALE_IMAGES"])
    for start in range(0, images, ROWS_PER_INSERT):
        ProductImage.objects.bulk_create(
            ProductImage(product=product, original=name)
            for _ in range(start, min(images, start + ROWS_PER_INSERT))
        )


def required_of(model: Any) -> dict[str, Any]:
    """Return the least that a product needs."""
    fields = {field.name for field in model._meta.fields}
    given = {"name": "Mug", "slug": "mug", "price": 9, "category": "kitchen"}
    return {name: value for name, value in given.items() if name in fields}


def command(*arguments: str) -> Callable[[], None]:
    """Return what runs a management command in silence."""

    def run() -> None:
        from django.core.management import call_command  # noqa: PLC0415 - needs the settings

        with Path(os.devnull).open("w") as nowhere:
            call_command(*arguments, stdout=nowhere)

    return run


def make_drafts() -> None:
    """Finish every job with a draft that waits, as a fleet of workers would."""
    from shopimg.models import EnhancedVariant, EnhancementJob  # noqa: PLC0415 - needs the settings
    from shopimg.states import JobState  # noqa: PLC0415

    EnhancementJob.objects.update(state=JobState.SUCCEEDED)
    jobs = EnhancementJob.objects.order_by("pk").only("source_type", "source_id")
    drafts = (
        EnhancedVariant(
            job=job, source_type_id=job.source_type_id, source_id=job.source_id, role="main",
            draft_name="drafts/none.jpg", digest="0" * 64, size_bytes=1, width=128, height=96,
            mime_type="image/jpeg",
        )
        for job in jobs.iterator(ROWS_PER_INSERT)
    )  # fmt: skip
    while batch := list(itertools.islice(drafts, ROWS_PER_INSERT)):
        EnhancedVariant.objects.bulk_create(batch)


def page(name: str) -> Callable[[], None]:
    """Return what opens a page of the admin as a reviewer, without a browser."""

    def run() -> None:
        from django.contrib.auth.models import User  # noqa: PLC0415 - needs the settings
        from django.test import Client  # noqa: PLC0415
        from django.urls import reverse  # noqa: PLC0415

        from shopimg.models import EnhancedVariant  # noqa: PLC0415

        user, _ = User.objects.get_or_create(username="rosa", is_staff=True, is_superuser=True)
        client = Client(SERVER_NAME="localhost")
        client.force_login(user)
        waiting = EnhancedVariant.objects.awaiting_review().order_by("created_at").first()
        arguments = [waiting.pk] if name == "review" and waiting else []
        address = reverse(f"admin:shopimg_enhancedvariant_{name}", args=arguments)
        answer = client.get(address)
        if answer.status_code != HTTPStatus.OK:
            raise SystemExit(f"{address}: {answer.status_code}")

    return run


MEASUREMENTS: dict[str, Callable[[], None]] = {
    "make the rows": make_catalogue,
    "shopimg_reprocess --dry-run": command("shopimg_reprocess", "--dry-run"),
    "shopimg_reprocess": command("shopimg_reprocess"),
    "shopimg_reprocess, all up to date": command("shopimg_reprocess"),
    "shopimg_reprocess --dry-run, all up to date": command("shopimg_reprocess", "--dry-run"),
    "make the drafts": make_drafts,
    "open the review queue": page("changelist"),
    "open a review page": page("review"),
    "shopimg_sweep, nothing to do": command("shopimg_sweep"),
    "shopimg_cleanup --dry-run": command("shopimg_cleanup", "--dry-run"),
}
"""What is measured, in this order; each finds what the ones before have left."""


@contextmanager
def servers(folder: Path) -> Iterator[dict[str, str]]:
    """Yield the addresses of an empty database and of a broker, as environment variables."""
    if {"DATABASE_URL", "REDIS_URL"} <= os.environ.keys():
        yield {}
        return
    from tests.servers.postgres import postgres  # noqa: PLC0415 - only where it is needed
    from tests.servers.redis import redis  # noqa: PLC0415

    with postgres() as database, redis(folder) as broker:
        yield {"DATABASE_URL": database.create_database("scale"), "REDIS_URL": broker.url}


def to_markdown(figures: dict[str, Any]) -> list[str]:
    """Lay the figures out as a page."""
    header = ["what", "seconds", "images per second", "peak memory, MB", "of it before it began"]
    rows = [
        [
            name,
            f"{part['seconds']:.2f}",
            f"{figures['images'] / part['seconds']:,.0f}",
            f"{part['peak_rss_megabytes']:.0f}",
            f"{part['rss_before_megabytes']:.0f}",
        ]
        for name, part in figures["measurements"].items()
    ]
    return [
        "# Scale",
        "",
        results.preface(figures, "python benchmarks/scale.py"),
        "",
        f"{figures['images']:,} images of one small file, PostgreSQL, Redis. One run each. Pages "
        "are the first of their process, and count its imports.",
        "",
        *results.markdown_table(header, rows),
    ]


if __name__ == "__main__":
    main()
