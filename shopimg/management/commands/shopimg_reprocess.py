"""``manage.py shopimg_reprocess``: queue jobs for a whole catalogue, or a part of it."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from shopimg.contract import RecipeError
from shopimg.models import BulkRun
from shopimg.services import bulk
from shopimg.states import OPEN_JOBS, JobState, RunState

POLL_SECONDS = 1.0


class Command(BaseCommand):
    """Queue jobs in batches, on their own queue; safe to interrupt and to resume."""

    help = (
        "Queue enhancement jobs for images that are already in the catalogue. Images whose upload, "
        "recipe and weights have been processed are skipped unless --force is given."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--model", help="app.Model; every watched model by default")
        parser.add_argument("--recipe", help="recipe name; each model's own by default")
        parser.add_argument("--ids", nargs="+", default=[], help="primary keys of images")
        parser.add_argument(
            "--status", nargs="+", default=[], choices=JobState.values, help="state of the last job"
        )
        parser.add_argument("--since", type=_moment, help="last job created since, ISO 8601")
        parser.add_argument(
            "--only-failed",
            action="store_true",
            help="short for --status failed quarantined --force",
        )
        parser.add_argument("--limit", type=_positive, help="most images")
        parser.add_argument("--force", action="store_true", help="also what is up to date")
        parser.add_argument("--dry-run", action="store_true", help="count, change nothing")
        parser.add_argument("--estimate", action="store_true", help="predict time, change nothing")
        parser.add_argument("--rate", type=_rate, help="most images per second, such as 20/s")
        parser.add_argument("--batch-size", type=_positive, default=1000)
        parser.add_argument("--wait", action="store_true", help="until all jobs are over")
        parser.add_argument("--resume", metavar="RUN", help="id of an interrupted run")

    def handle(self, *args: Any, **options: Any) -> None:
        """Count, estimate, or queue and optionally wait."""
        try:
            if options["dry_run"] or options["estimate"]:
                self._predict(_selection(options))
                return
            run = _resumed(options["resume"]) or bulk.start(_selection(options))
        except (LookupError, RecipeError, ValueError) as err:
            raise CommandError(str(err)) from err
        with _interruptible():
            try:
                self._queue(run, options)
                if options["wait"]:
                    self._wait(run)
            except KeyboardInterrupt:
                bulk.interrupt(run)
                raise CommandError(
                    f"Interrupted. Jobs that were queued go on. Resume with --resume {run.pk}"
                ) from None
        self._summarise(run, waited=options["wait"])

    def _predict(self, selection: bulk.Selection) -> None:
        estimate = bulk.estimate(selection)
        self.stdout.write(f"{estimate.images} images.")
        if estimate.seconds is None:
            self.stdout.write("No estimate: no job of this recipe has succeeded yet.")
        else:
            self.stdout.write(
                f"About {estimate.seconds / 3600:.2f} hours for one worker process "
                f"({estimate.seconds_per_image:.2f} s per image)."
            )

    def _queue(self, run: BulkRun, options: dict[str, Any]) -> None:
        selection = bulk.Selection.from_json(run.filters)
        size, rate = options["batch_size"], options["rate"]
        if rate:
            size = max(1, min(size, int(rate)))
        started, done = time.monotonic(), 0
        with self._bar(bulk.count(selection), "Queueing", done=run.examined) as bar:
            for number in bulk.advance(run, size):
                bar.update(number)
                done += number
                if rate:
                    time.sleep(max(0.0, started + done / rate - time.monotonic()))

    def _wait(self, run: BulkRun) -> None:
        total = run.jobs.count()
        with self._bar(total, "Working", done=0) as bar:
            over = 0
            while over < total:
                now = total - sum(bulk.progress(run).get(state, 0) for state in OPEN_JOBS)
                bar.update(now - over)
                over = now
                if over < total:
                    time.sleep(POLL_SECONDS)

    def _bar(self, length: int, label: str, *, done: int) -> Any:
        bar = click.progressbar(length=length, label=label, file=sys.stderr)
        bar.update(done)
        return bar

    def _summarise(self, run: BulkRun, *, waited: bool) -> None:
        self.stdout.write(
            f"Run {run.pk}: {run.examined} images, {run.queued} queued, {run.skipped} up to date."
        )
        counts = bulk.progress(run)
        for state, number in sorted(counts.items()):
            self.stdout.write(f"  {JobState(state).label}: {number}")
        bad = counts.get(JobState.FAILED, 0) + counts.get(JobState.QUARANTINED, 0)
        if waited and bad:
            raise CommandError(f"{bad} jobs failed. See them in the admin, or run --only-failed.")


def _selection(options: dict[str, Any]) -> bulk.Selection:
    only_failed = [JobState.FAILED, JobState.QUARANTINED] if options["only_failed"] else []
    return bulk.Selection(
        model=options["model"],
        recipe=options["recipe"],
        ids=tuple(options["ids"]),
        statuses=tuple(map(str, only_failed or options["status"])),
        since=options["since"],
        limit=options["limit"],
        force=options["force"] or options["only_failed"],
    )


def _resumed(key: str | None) -> BulkRun | None:
    if key is None:
        return None
    try:
        run = BulkRun.objects.filter(pk=key).first()
    except ValidationError as err:
        raise CommandError(f"{key!r} is not the id of a run.") from err
    if run is None:
        raise CommandError(f"There is no run {key}.")
    if run.state == RunState.QUEUED:
        raise CommandError(f"Run {key} is complete; there is nothing to resume.")
    return run


def _moment(text: str) -> datetime:
    moment = parse_datetime(text)
    if moment is None:
        day = parse_date(text)
        if day is None:
            raise ValueError(text)
        moment = datetime(day.year, day.month, day.day)  # noqa: DTZ001  # made aware below
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


def _rate(text: str) -> float:
    rate = float(text.removesuffix("/s"))
    if rate <= 0:
        raise ValueError(text)
    return rate


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


@contextmanager
def _interruptible() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C, so that a run stopped by its supervisor can be resumed."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
