"""``manage.py shopimg_cancel``: end a bulk run and all of its jobs that are not over."""

from __future__ import annotations

import sys
from typing import Any

import click
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser

from shopimg.contract import InvalidTransitionError
from shopimg.management.reporting import ReportingCommand
from shopimg.models import BulkRun
from shopimg.services import cancellation
from shopimg.states import RunState


class Command(ReportingCommand):
    """Cancel a run of ``shopimg_reprocess`` or of the API."""

    help = (
        "Cancel a bulk run: nothing more is queued for it, and its jobs that wait or run are "
        "cancelled. What they have made already stays. Safe to interrupt and to repeat."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("run", metavar="RUN", help="id of the run")
        parser.add_argument("--dry-run", action="store_true", help="count, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Cancel the run, then its jobs."""
        try:
            run = BulkRun.objects.filter(pk=options["run"]).first()
        except ValidationError as err:
            raise CommandError(f"{options['run']!r} is not the id of a run.") from err
        if run is None:
            raise CommandError(f"There is no run {options['run']}.")
        if options["dry_run"]:
            number = run.jobs.unfinished().count()
            self.stdout.write(f"{number} jobs of run {run.pk} would be cancelled.")
            return
        try:
            cancellation.cancel(run)
        except InvalidTransitionError as err:
            # Interrupted the last time: some of its jobs may be left.
            if run.state != RunState.CANCELLED:
                raise CommandError(err.public_message) from err
        left, done = cancellation.open_jobs().count(), 0
        with click.progressbar(
            length=left, label="Cancelling", file=sys.stderr, hidden=self.is_silent
        ) as bar:
            for number in cancellation.cancel_jobs():
                done += number
                bar.update(number)
        self.stdout.write(f"Run {run.pk} is cancelled, and {done} of its jobs.")
