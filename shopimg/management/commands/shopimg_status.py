"""``manage.py shopimg_status``: whether jobs are being done, for people and monitors."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from shopimg.management.numbers import positive
from shopimg.management.reporting import ReportingCommand
from shopimg.services import health


class Command(ReportingCommand):
    """Look at workers and queues once."""

    help = (
        "Say whether jobs are being done. Exit status: 0 all is well, 1 somebody has to look: a "
        "queue has no worker, an upload waits for too long, or jobs were quarantined."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--late",
            type=positive,
            default=health.LATE_SECONDS,
            metavar="SECONDS",
            help=f"how long an upload may wait; {health.LATE_SECONDS} by default",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what was found, then what is wrong with it."""
        found = health.look()
        problems = health.problems(found, options["late"])
        if options["json"]:
            self.stdout.write(json.dumps({**asdict(found), "problems": problems}, indent=2))
        else:
            self.stdout.write(
                f"Workers: {found.workers}. Jobs that run: {found.running_jobs}, that wait: "
                f"{found.interactive_jobs} of uploads, {found.bulk_jobs} in bulk."
            )
            for problem in problems:
                self.stderr.write(problem)
        if problems:
            sys.exit(1)
