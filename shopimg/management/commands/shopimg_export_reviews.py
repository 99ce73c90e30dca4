"""``manage.py shopimg_export_reviews``: what reviewers decided, as a training set."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser
from django.db.models import QuerySet

from shopimg import permissions
from shopimg.conf import settings
from shopimg.management.moments import moment
from shopimg.management.reporting import ReportingCommand
from shopimg.models import ReviewDecision
from shopimg.services import review_export


class Command(ReportingCommand):
    """Write uploads, results and reasons into a private folder."""

    help = (
        "Export reviewers' decisions with the uploads and the results they were about. The files "
        "are private: they may show people, and uploads keep their metadata."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--out", type=Path, required=True, help="folder; made if missing")
        parser.add_argument("--since", type=moment, help="decided since, ISO 8601")
        parser.add_argument(
            "--decision", choices=list(review_export.CHOICES), default="all", help="which ones"
        )
        parser.add_argument(
            "--as", dest="user", metavar="USER", help="only images that this user may see"
        )
        parser.add_argument(
            "--group-by",
            default="",
            metavar="FIELD",
            help="field of the watched model that images of one product share, so that training "
            "keeps them together",
        )
        parser.add_argument("--dry-run", action="store_true", help="count, write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Count, or export."""
        try:
            review_export.check_group(options["group_by"])
        except LookupError as err:
            raise CommandError(str(err)) from err
        rows = review_export.decided(
            options["decision"], options["since"], _reader(options["user"])
        )
        numbers = review_export.counts(rows)
        total = sum(numbers.values())
        if options["dry_run"]:
            self._tell(numbers)
            self.stdout.write(f"{total} decisions would be exported.")
            return
        try:
            review_export.check_folder(options["out"])
        except (review_export.UnfitFolderError, OSError) as err:
            raise CommandError(str(err)) from err
        if not total:
            self.stdout.write("No decision to export; nothing was written.")
            return
        missing, withdrawn = self._export(rows, total, options)
        self._tell(numbers)
        self.stdout.write(f"{total} decisions exported to {options['out']}.")
        if withdrawn:
            self.stdout.write(f"{withdrawn} were withdrawn later: their files are left out.")
        if missing:
            self.stdout.write(f"Of {missing} the upload or the result is gone or has changed.")
        self.stdout.write("The folder may hold personal data: see its README.txt.")

    def _export(
        self, rows: QuerySet[ReviewDecision], total: int, options: Mapping[str, Any]
    ) -> tuple[int, int]:
        """Export with a progress bar; how many decisions lack a file, and were withdrawn."""
        missing = withdrawn = 0
        try:
            records = review_export.export(rows, options["out"], options["group_by"])
            with click.progressbar(
                records,
                length=total,
                label="Exporting",
                file=sys.stderr,
                hidden=self.is_silent,
            ) as bar:
                for record in bar:
                    missing += bool(record["missing"])
                    withdrawn += record["now"] == review_export.WITHDRAWN
        except OSError as err:
            raise CommandError(f"{err} Run the command again to go on.") from err
        except KeyboardInterrupt:
            raise CommandError("Interrupted. Run the command again to go on.") from None
        return missing, withdrawn

    def _tell(self, numbers: dict[str, int]) -> None:
        for name, number in numbers.items():
            self.stdout.write(f"  {name}: {number}")


def _reader(name: str | None) -> Any:
    """Return the user whose view is exported, None for the whole shop.

    Raises:
        CommandError: no such user, one who may not see variants, or a scope without a user.
    """
    if name is None:
        if settings.SCOPE is not None:
            raise CommandError("SHOPIMG['SCOPE'] is set: say whose images with --as USER.")
        return None
    model = get_user_model()
    user = model._default_manager.filter(**{model.USERNAME_FIELD: name}).first()
    if user is None:
        raise CommandError(f"There is no user {name}.")
    if not user.has_perm(permissions.VIEW):
        raise CommandError(f"{name} may not see enhanced variants ({permissions.VIEW}).")
    return user
