"""``manage.py serve``: the demo shop with its worker, until Ctrl-C."""

from __future__ import annotations

from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from demoshop.demo import serving


class Command(BaseCommand):
    help = "Runs the demo shop, one worker and the sweeper together, and prints the logins."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address", nargs="?", default="127.0.0.1:8000", help="host:port")

    def handle(self, *args: Any, **options: Any) -> None:
        address = options["address"]
        host, _, port = address.rpartition(":")
        if not (host and port.isdecimal() and 0 < int(port) < 65536):
            raise CommandError(f"{address!r} is not HOST:PORT: PORT is a number, 1 to 65535.")
        serving.run(address)
