"""``manage.py demo``: the whole path on the sample catalogue, measured."""

from __future__ import annotations

from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from demoshop.demo import show


class Command(BaseCommand):
    help = "Uploads the sample catalogue, enhances, reviews and publishes it, prints the figures."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--approve", type=int, default=1, help="drafts to approve (default 1)")
        parser.add_argument("--photos", type=int, help="photos to upload (default all)")
        parser.add_argument("--timeout", type=float, default=900, help="seconds for all photos")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            show.run(
                approve=options["approve"],
                photos=options["photos"],
                timeout_seconds=options["timeout"],
            )
        except KeyboardInterrupt:
            raise CommandError("Interrupted; the worker is stopped.", returncode=130) from None
