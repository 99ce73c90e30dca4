"""``manage.py shopimg_cleanup``: delete old files that no row refers to."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from shopimg.services import cleaning


class Command(BaseCommand):
    """Mark and sweep the two storages."""

    help = "Delete files in the draft and published storages that no row refers to."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--dry-run", action="store_true", help="list the files and delete nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete, or only list."""
        files = freed = 0
        for orphan in cleaning.orphans():
            if options["dry_run"] or options["verbosity"] > 1:
                self.stdout.write(orphan.name)
            if not options["dry_run"] and not cleaning.remove(orphan):
                continue
            files += 1
            freed += orphan.size_bytes
        done = "would be deleted" if options["dry_run"] else "deleted"
        self.stdout.write(f"{files} files {done}, {freed / 1e6:.1f} MB.")
