"""A shop with a queue and a worker on servers of its own, for measuring what passes through it.

Run as a program it uploads: `python benchmarks/queueing.py COUNT [--one-by-one]`.
"""

from __future__ import annotations

import io
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from PIL import Image

from tests.servers.postgres import postgres
from tests.servers.process import running
from tests.servers.redis import redis

ROOT = Path(__file__).parents[1]
CATALOGUE = ROOT / "demoshop" / "catalogue"
NEURAL = "enhancer_worker.backend.NeuralEnhancer"
ECHO = "shopimg.backends.echo.EchoEnhancer"
UPLOAD_SIDE_PIXELS = 400
UPLOAD_QUALITY = 70
LONGEST_SECONDS = 540


@dataclass(frozen=True)
class Setup:
    """One way to start a worker."""

    pool: str
    """Celery's name of the pool."""
    concurrency: int
    """Jobs at the same time."""
    threads: int = 0
    """`ENHANCER_THREADS`; 0: every process uses all cores."""

    @property
    def label(self) -> str:
        """Its name in the tables."""
        threads = f", ENHANCER_THREADS={self.threads}" if self.threads else ""
        return f"{self.pool} {self.concurrency}{threads}"


class Shop:
    """A demo shop without a site, on servers of its own."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Take what its processes find in their environment."""
        self._folder = folder
        self._environment = environment

    def race(self, setup: Setup, enhancer: str, uploads: int) -> dict[str, float]:
        """Queue uploads, start a worker, and wait until all are done.

        The clock starts with the first jobs that are finished, as many as run at once: loading
        is not measured, nor is uploading.

        Args:
            setup: how the worker is started.
            enhancer: dotted path.
            uploads: pictures.

        Raises:
            RuntimeError: a job failed, or the worker took too long.
        """
        _say(f"{setup.label}, {enhancer.rpartition('.')[2]}, {uploads} uploads")
        since = self._now()
        self.upload(uploads)
        with self._worker(setup, enhancer) as process:
            finished = self._wait(since, uploads)
            memory = memory_megabytes(process.pid)
        warm = min(setup.concurrency, uploads - 1)
        seconds = (finished[-1] - finished[warm - 1]).total_seconds()
        jobs = uploads - warm
        return {
            "uploads": uploads,
            "images_per_minute": 60 * jobs / seconds,
            "milliseconds_per_job": 1000 * setup.concurrency * seconds / jobs,
            "memory_megabytes": memory,
        }

    def singles(self, setup: Setup, uploads: int) -> dict[str, float]:
        """Upload one by one to a worker that has nothing else to do: how long each takes."""
        _say(f"{setup.label}, EchoEnhancer, {uploads} uploads one by one")
        with self._worker(setup, ECHO):
            since = self._now()
            self.upload(1)
            self._wait(since, 1)
            since = self._now()
            self.upload(uploads, one_by_one=True)
            self._wait(since, uploads)
            query = (
                "SELECT created_at, finished_at FROM shopimg_enhancementjob WHERE created_at > %s"
            )
            laps = [(end - start).total_seconds() * 1000 for start, end in self._rows(query, since)]
        return {
            "uploads": uploads,
            "median_milliseconds": statistics.median(laps),
            "slowest_milliseconds": max(laps),
        }

    def upload(self, count: int, *, one_by_one: bool = False) -> None:
        """Save pictures in a process of their own, through the hook."""
        words = ["--one-by-one"] if one_by_one else []
        command = [sys.executable, str(Path(__file__).resolve()), str(count), *words]
        subprocess.run(command, env={**os.environ, **self._environment}, check=True)  # noqa: S603

    @contextmanager
    def _worker(self, setup: Setup, enhancer: str) -> Iterator[subprocess.Popen[bytes]]:
        options = [f"--pool={setup.pool}", f"--concurrency={setup.concurrency}"]
        command = [sys.executable, "-m", "celery", "-A", "enhancer_worker", "worker", *options]
        log = self._folder / "worker.log"
        log.unlink(missing_ok=True)
        with running(
            "worker",
            [*command, "--hostname=bench@test", "--loglevel=INFO"],
            folder=self._folder,
            ready=lambda: "bench@test ready" in log.read_text(),
            env={
                **self._environment,
                "DEMO_ENHANCER": enhancer,
                "ENHANCER_DEVICE": "cpu",
                "ENHANCER_THREADS": str(setup.threads),
            },
            seconds=180,
        ) as process:
            yield process

    def _wait(self, since: datetime, uploads: int) -> list[datetime]:
        query = (
            "SELECT state, finished_at, error_detail FROM shopimg_enhancementjob "
            "WHERE created_at > %s ORDER BY finished_at"
        )
        end = time.monotonic() + LONGEST_SECONDS
        while time.monotonic() < end:
            rows = self._rows(query, since)
            done = [row for row in rows if row[0] == "succeeded"]
            failed = [row for row in rows if row[0] in ("failed", "quarantined")]
            if failed:
                raise RuntimeError(f"a job failed: {failed[0][2]}")
            if len(done) >= uploads:
                return [row[1] for row in done]
            time.sleep(0.5)
        raise RuntimeError(f"{len(done)} of {uploads} jobs done in {LONGEST_SECONDS} s")

    def _now(self) -> datetime:
        (row,) = self._rows("SELECT clock_timestamp()")
        now: datetime = row[0]
        return now

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._environment["DATABASE_URL"]) as connection:
            return connection.execute(query.encode(), values).fetchall()


@contextmanager
def site(folder: Path, recipe: str) -> Iterator[Shop]:
    """Start the servers and make the tables while the block runs.

    Args:
        folder: for files and logs.
        recipe: name of what every upload is queued for.
    """
    with postgres() as database, redis(folder) as broker:
        environment = {
            "DATABASE_URL": database.create_database("bench"),
            "REDIS_URL": broker.url,
            "DEMO_DIR": str(folder / "demo"),
            "DEMO_RECIPE": recipe,
            "DJANGO_SECRET_KEY": "of-a-shop-that-lives-as-long-as-the-benchmark",
            "DJANGO_SETTINGS_MODULE": "demoshop.settings",
            "PYTHONPATH": str(ROOT),
        }
        (folder / "demo").mkdir()
        command = [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity=0"]
        subprocess.run(command, env={**os.environ, **environment}, check=True)  # noqa: S603
        yield Shop(folder, environment)


def upload(count: int, *, one_by_one: bool) -> None:
    """Save pictures of the catalogue, small as sellers send them; runs in its own process.

    Args:
        count: pictures.
        one_by_one: wait for every job before the next upload.
    """
    import django  # noqa: PLC0415 - the settings must be in the environment first

    django.setup()
    from django.core.files.base import ContentFile  # noqa: PLC0415 - needs the settings

    from demoshop.models import Product, ProductImage  # noqa: PLC0415
    from shopimg.models import EnhancementJob  # noqa: PLC0415

    product, _ = Product.objects.get_or_create(
        slug="bench", defaults={"name": "Bench", "category": "home", "price": 1}
    )
    contents = [small_jpeg(path) for path in sorted(CATALOGUE.glob("*.jpg"))]
    for number in range(count):
        content = ContentFile(contents[number % len(contents)], name="upload.jpg")
        image = ProductImage.objects.create(product=product, original=content)
        while one_by_one and EnhancementJob.objects.for_source(image).get().finished_at is None:
            time.sleep(0.02)


def small_jpeg(path: Path) -> bytes:
    """Return a picture as a small JPEG file."""
    buffer = io.BytesIO()
    with Image.open(path) as image:
        image.thumbnail((UPLOAD_SIDE_PIXELS, UPLOAD_SIDE_PIXELS))
        image.convert("RGB").save(buffer, "JPEG", quality=UPLOAD_QUALITY)
    return buffer.getvalue()


def memory_megabytes(group: int) -> float:
    """Memory that the processes of a group hold, shared pages counted once."""
    total = 0
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(entry.name)) != group:
                continue
            lines = (entry / "smaps_rollup").read_text().splitlines()
        except OSError:  # it has just ended
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024 / 1e6


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    upload(int(sys.argv[1]), one_by_one="--one-by-one" in sys.argv)
