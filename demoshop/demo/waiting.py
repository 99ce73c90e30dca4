"""Waits for the worker, with something to look at."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence

import click

from demoshop.demo.seeding import Upload
from shopimg.models import EnhancedVariant, EnhancementJob

POLL_SECONDS = 0.5


class WaitingError(Exception):
    """The worker did not do what was asked of it; says what."""


def wait_for_jobs(
    uploads: Sequence[Upload], worker: subprocess.Popen[bytes], *, timeout_seconds: float
) -> None:
    """Return once every job of the uploads is over, whatever its outcome.

    Raises:
        WaitingError: the worker ended, or the time is over.
    """
    jobs = EnhancementJob.objects.for_sources([upload.image for upload in uploads])

    def finished() -> int:
        return jobs.count() - jobs.unfinished().count()

    with click.progressbar(length=len(uploads), label="Enhancing", show_pos=True) as bar:

        def step() -> bool:
            bar.update(finished() - bar.pos)
            return bar.pos >= len(uploads)

        _until(step, worker, timeout_seconds, "The jobs were not done in time.")


def wait_for_renditions(
    variant: EnhancedVariant, worker: subprocess.Popen[bytes], *, timeout_seconds: float
) -> None:
    """Return once the responsive sizes of a published variant are written.

    Raises:
        WaitingError: the worker ended, or the time is over.
    """

    def done() -> bool:
        variant.refresh_from_db()
        return variant.renditions_at is not None

    _until(done, worker, timeout_seconds, "The responsive sizes were not written in time.")


def _until(
    done: Callable[[], bool],
    worker: subprocess.Popen[bytes],
    timeout_seconds: float,
    complaint: str,
) -> None:
    end = time.monotonic() + timeout_seconds
    while not done():
        if worker.poll() is not None:
            raise WaitingError(f"The worker ended by itself with code {worker.returncode}.")
        if time.monotonic() > end:
            raise WaitingError(complaint)
        time.sleep(POLL_SECONDS)
