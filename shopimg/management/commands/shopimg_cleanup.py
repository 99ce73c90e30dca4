"""``manage.py shopimg_cleanup``: delete what nothing needs, withdraw what has no image."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from shopimg.management.reporting import ReportingCommand
from shopimg.services import cleaning, workers


class Command(ReportingCommand):
    """Mark and sweep the two storages and the variants."""

    help = (
        "Delete files in the draft and published storages that nothing needs any more and the rows "
        "of workers that are gone, and withdraw what was made of images that are gone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--dry-run", action="store_true", help="list the files and change nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Withdraw and delete, or only list."""
        dry_run = options["dry_run"]
        told = dry_run or options["verbosity"] > 1
        try:
            done = cleaning.clean_up(
                dry_run=dry_run,
                tell=lambda orphan: self.stdout.write(orphan.name) if told else None,
            )
        except OSError as err:
            again = "What was done stays done; run the command again to go on."
            raise CommandError(f"The storage failed: {err}. {again}") from err
        if done.images:
            verb = "would be" if dry_run else "was"
            self.stdout.write(
                f"{done.images} images are gone: what was made of them {verb} withdrawn."
            )
        if done.workers:
            verb = "would be" if dry_run else "were"
            silence = f"{done.workers} workers were silent for {workers.KEPT_DAYS} days"
            self.stdout.write(f"{silence}: their rows {verb} deleted.")
        if done.drafts:
            verb = "would be" if dry_run else "were"
            self.stdout.write(f"{done.drafts} results are out of use: their files {verb} deleted.")
        verb = "would be deleted" if dry_run else "deleted"
        self.stdout.write(f"{done.files} files {verb}, {done.size_bytes / 1e6:.1f} MB.")
