"""``manage.py serve``: the demo shop with its worker, until Ctrl-C."""

from __future__ import annotations

from typing import Any

from django.core.management import BaseCommand, CommandParser

from demoshop.demo import serving


class Command(BaseCommand):
    help = "Runs the demo shop, one worker and the sweeper together, and prints the logins."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address", nargs="?", default="127.0.0.1:8000", help="host:port")

    def handle(self, *args: Any, **options: Any) -> None:
        serving.run(options["address"])
