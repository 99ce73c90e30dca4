"""``manage.py shopimg_reprocess``: queue jobs for a whole catalogue, or a part of it."""

from __future__ import annotations

import argparse
import math
import sys
import time
from contextlib import suppress
from typing import Any

import click
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from shopimg import keys, sources
from shopimg.conf import settings
from shopimg.contract import EnhancementError, RecipeError
from shopimg.management.interruption import Interruption, interruptible
from shopimg.management.moments import moment
from shopimg.management.numbers import positive
from shopimg.management.reporting import ReportingCommand
from shopimg.models import BulkRun
from shopimg.services import bulk, forecasts, patience, queueing, workers
from shopimg.states import FAILED_JOBS, OPEN_JOBS, JobState, RunState

POLL_SECONDS = 1.0

_OF_A_NEW_RUN = (
    "model", "recipe", "ids", "status", "since", "only_failed", "limit", "force", "dry_run",
    "estimate",
)  # fmt: skip
"""Options that a run keeps from its start."""


class Command(ReportingCommand):
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
        parser.add_argument("--since", type=moment, help="last job created since, ISO 8601")
        parser.add_argument(
            "--only-failed",
            action="store_true",
            help="short for --status failed quarantined --force",
        )
        parser.add_argument("--limit", type=positive, help="most images")
        parser.add_argument(
            "--force",
            action="store_true",
            help="also what has its job already: queued, done or failed",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="count by the names of files, change nothing"
        )
        parser.add_argument(
            "--estimate",
            action="store_true",
            help="let a worker predict time and memory; change nothing",
        )
        parser.add_argument("--rate", type=_rate, help="most images per second, such as 20/s")
        parser.add_argument("--batch-size", type=positive, default=bulk.BATCH)
        parser.add_argument("--wait", action="store_true", help="until all jobs are over")
        parser.add_argument(
            "--resume", metavar="RUN", help="id of an interrupted run; with --wait, of any run"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Count, estimate, or queue and optionally wait."""
        try:
            if options["dry_run"] or options["estimate"]:
                _refuse_with_resume(options)
                self._predict(_selection(options), ask=options["estimate"])
                return
            run = _resumed(options) or bulk.start(_selection(options))
        except (LookupError, RecipeError, ValueError) as err:
            raise CommandError(str(err)) from err
        with interruptible() as interruption:
            try:
                self._run(run, options, interruption)
            except KeyboardInterrupt:
                bulk.interrupt(run)
                raise CommandError(f"Interrupted. {_how_to_go_on(run)}") from None
            except EnhancementError as err:
                bulk.interrupt(run)
                self._summarise(run, waited=False)
                reason = f"{err.public_message} ({err.detail})"
                raise CommandError(f"{reason} {_how_to_go_on(run)}") from err
            except (DatabaseError, InterfaceError) as err:
                _give_back(run)
                reason = str(err).partition("\n")[0]
                raise CommandError(f"Database: {reason}. {_how_to_go_on(run)}") from err
        self._summarise(run, waited=options["wait"])

    def _run(self, run: BulkRun, options: dict[str, Any], interruption: Interruption) -> None:
        if run.queued_at is None:
            self._queue(run, options, interruption)
        else:
            self.stdout.write(f"All jobs of run {run.pk} are queued.")
        if options["wait"]:
            self._wait(run, interruption)

    def _predict(self, selection: bulk.Selection, *, ask: bool) -> None:
        estimate = bulk.estimate(selection)
        self.stdout.write(
            f"{estimate.images} images: {estimate.to_queue} would be queued, "
            f"{estimate.up_to_date} have their job already."
        )
        if not ask:
            return
        if not estimate.to_queue:
            self.stdout.write(
                "Nothing to queue, so no worker was asked. --force counts what has its job, too."
            )
        elif not self._forecast(selection):
            self._recall(estimate)

    def _forecast(self, selection: bulk.Selection) -> bool:
        """Let a worker predict; False where none can."""
        if not self.is_silent:
            self.stderr.write("Asking a worker, which may first have to measure its machine...")
        try:
            found = forecasts.forecast(selection)
        except forecasts.NoForecastError as err:
            self.stderr.write(_sentence(f"No prediction: {err}"))
            return False
        if found is None:
            return True
        width, height = found.largest
        jobs = "one job at a time" if found.processes == 1 else f"{found.processes} jobs at once"
        self.stdout.write(
            f"A worker predicts about {_duration(found.seconds)} of computing, "
            f"{_duration(found.wall_seconds)} with the workers there are ({jobs})."
        )
        self.stdout.write(
            f"The largest job, of {width}x{height} pixels, needs about "
            f"{found.peak_bytes / 1e6:.0f} MB beyond an idle worker. Sizes of {found.looked_at} "
            "images are known, and every upload is taken to need restoring."
        )
        return True

    def _recall(self, estimate: bulk.Estimate) -> None:
        if estimate.seconds is None:
            self.stdout.write("No estimate: no job of this recipe has succeeded yet.")
        else:
            self.stdout.write(
                f"About {_duration(estimate.seconds)} for one worker process, by the mean of past "
                f"jobs ({estimate.seconds_per_image:.2f} s per image)."
            )

    def _queue(self, run: BulkRun, options: dict[str, Any], interruption: Interruption) -> None:
        """Queue a run's jobs while nobody else does; afterwards somebody else may, at once."""
        if not queueing.take_over(run):
            raise CommandError(_taken_message(run))
        try:
            self._queue_batches(run, options, interruption)
        except bulk.RunTakenOverError:
            raise CommandError(_taken_message(BulkRun.objects.get(pk=run.pk))) from None
        finally:
            queueing.release(run)

    def _queue_batches(
        self, run: BulkRun, options: dict[str, Any], interruption: Interruption
    ) -> None:
        selection = bulk.Selection.from_json(run.filters)
        size, rate = options["batch_size"], options["rate"]
        if rate:
            size = max(1, min(size, int(rate)))
        started, done = time.monotonic(), 0
        with self._bar(bulk.count(selection), "Queueing", done=run.examined) as bar:
            for number in bulk.advance(run, size):
                bar.update(number)
                done += number
                interruption.check()
                pause = max(0.0, started + done / rate - time.monotonic()) if rate else 0.0
                queueing.renew(run, pause)
                if rate:
                    interruption.sleep(pause)

    def _wait(self, run: BulkRun, interruption: Interruption) -> None:
        total = run.jobs.count()
        if total and settings.BULK_QUEUE in workers.unserved():
            self.stderr.write(
                f"No worker looks into the queue {settings.BULK_QUEUE}: nothing is done until one "
                f"does. Start it with: celery -A enhancer_worker worker -Q {settings.BULK_QUEUE}"
            )
        with self._bar(total, "Working", done=0) as bar:
            over = 0
            while over < total:
                # One question: a job that goes on between two of them would be in neither answer.
                counts = bulk.progress(run)
                now = total - sum(counts.get(state, 0) for state in OPEN_JOBS)
                bar.update(now - over)
                over = now
                if over < total:
                    interruption.sleep(POLL_SECONDS)
        bulk.finish_runs()
        run.refresh_from_db()

    def _bar(self, length: int, label: str, *, done: int) -> Any:
        bar = click.progressbar(length=length, label=label, file=sys.stderr, hidden=self.is_silent)
        bar.update(done)
        return bar

    def _summarise(self, run: BulkRun, *, waited: bool) -> None:
        self.stdout.write(
            f"Run {run.pk}: {run.examined} images, {run.queued} queued, "
            f"{run.skipped} had their job already, {run.refused} refused."
        )
        counts = bulk.progress(run)
        jobs = [f"{counts[state]} {state.label.lower()}" for state in JobState if state in counts]
        self.stdout.write(f"{run.get_state_display()}: {', '.join(jobs) or 'no jobs'}.")
        bad = sum(counts.get(state, 0) for state in FAILED_JOBS)
        numbers = {"jobs failed": bad, "images were refused": run.refused}
        problems = ", ".join(f"{number} {what}" for what, number in numbers.items() if number)
        for number, reason in bulk.failures(run) if waited else ():
            self.stdout.write(f"  {number} x {reason}")
        if waited and problems:
            raise CommandError(f"{problems}. See them in the admin, or run --only-failed.")


def _give_back(run: BulkRun) -> None:
    """Let a run be resumed at once, if the database has come back; else after its lease."""
    with suppress(DatabaseError, InterfaceError):
        patience.drop_lost_connections()
        queueing.release(run)
        bulk.interrupt(run)


def _sentence(text: str) -> str:
    """End a text with one full stop, whoever has written its last words.

    >>> _sentence("No prediction: the broker does not answer"), _sentence("It is busy.")
    ('No prediction: the broker does not answer.', 'It is busy.')
    """
    return f"{text.rstrip('.')}."


def _selection(options: dict[str, Any]) -> bulk.Selection:
    selection = bulk.Selection(
        model=options["model"],
        recipe=options["recipe"],
        ids=tuple(options["ids"]),
        statuses=tuple(map(str, FAILED_JOBS if options["only_failed"] else options["status"])),
        since=options["since"],
        limit=options["limit"],
        force=options["force"] or options["only_failed"],
    )
    bulk.check(selection)
    _refuse_unknown(selection)
    return selection


def _refuse_unknown(selection: bulk.Selection) -> None:
    """Say which primary key no image has: a person mistyped it, or the image is gone."""
    if not selection.ids:
        return
    source = sources.chosen(selection.model)[0]
    images = source.with_file()
    found = set(images.filter(pk__in=selection.ids).values_list("pk", flat=True))
    for key in selection.ids:
        if keys.parse(images.model, key) not in found:
            raise LookupError(f"There is no image {key} of {source.label}.")


def _how_to_go_on(run: BulkRun) -> str:
    if run.queued_at is None:
        return f"Jobs that were queued go on. Resume with --resume {run.pk}"
    return f"All jobs are queued and go on. Wait for them with --resume {run.pk} --wait"


def _taken_message(run: BulkRun) -> str:
    if run.state == RunState.CANCELLED:
        return f"Run {run.pk} is cancelled."
    lease = timezone.localtime(run.queue_after or timezone.now())
    hint = f"If that one was killed, try again after {lease:%Y-%m-%d %H:%M:%S}."
    return f"Another process queues the images of run {run.pk}. {hint}"


def _refuse_with_resume(options: dict[str, Any]) -> None:
    """A run goes on as it was started: an option that would be ignored is a mistake."""
    if options["resume"] is None:
        return
    given = [name for name in _OF_A_NEW_RUN if options[name]]
    if given:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise CommandError(f"--resume goes on with the run as it was started; leave out {names}.")


def _resumed(options: dict[str, Any]) -> BulkRun | None:
    key = options["resume"]
    if key is None:
        return None
    _refuse_with_resume(options)
    try:
        run = BulkRun.objects.filter(pk=key).first()
    except ValidationError as err:
        raise CommandError(f"{key!r} is not the id of a run.") from err
    if run is None:
        raise CommandError(f"There is no run {key}.")
    if run.state == RunState.CANCELLED:
        raise CommandError(_taken_message(run))
    if run.queued_at is not None and not options["wait"]:
        raise CommandError(f"All jobs of run {key} are queued. Wait for them with --wait.")
    return run


def _rate(text: str) -> float:
    try:
        rate = float(text.removesuffix("/s"))
    except ValueError:
        rate = 0
    if not 0 < rate < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no rate above 0, such as 20/s")
    return rate


def _duration(seconds: float) -> str:
    """Write a worker time in the unit that it fills.

    >>> _duration(9.4), _duration(90), _duration(9000)
    ('9 seconds', '1.5 minutes', '2.50 hours')
    """
    if seconds < 60:
        return f"{seconds:.0f} seconds"
    if seconds < 3600:
        return f"{seconds / 60:.1f} minutes"
    return f"{seconds / 3600:.2f} hours"
