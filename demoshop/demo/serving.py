"""Runs the shop: the site, one worker for jobs and one for upkeep, until somebody stops them."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

import click
from django.core.management import CommandError, call_command

from demoshop.demo import accounts, processes, seeding, workspace
from demoshop.models import Product

POLL_SECONDS = 0.5


def run(address: str) -> None:
    """Serve the shop at ``host:port`` until Ctrl-C.

    Raises:
        CommandError: one of the processes ended by itself.
    """
    with suppress(KeyboardInterrupt), processes.terminable(), ExitStack() as stack:
        folder = stack.enter_context(workspace.reserved())
        call_command("migrate", verbosity=0)
        accounts.create_users(folder)
        commands = {
            "worker": processes.worker(),
            "upkeep": processes.upkeep(folder),
            "site": ("manage.py", "runserver", "--noreload", "--insecure", address),
        }
        started = {
            name: stack.enter_context(processes.running(command, folder / f"{name}.log"))
            for name, command in commands.items()
        }
        if not Product.objects.exists():
            for sample, product in seeding.seed_products():
                seeding.upload(sample, product)
        while not _answers(address):
            _check(started, folder)
            time.sleep(POLL_SECONDS)
        _introduce(address, accounts.logins(folder), folder)
        click.echo("Ctrl-C stops everything.")
        while True:
            _check(started, folder)
            time.sleep(POLL_SECONDS)
    click.echo("\nStopped.")


def _introduce(address: str, logins: Mapping[str, str], folder: Path) -> None:
    click.echo(f"Shop     http://{address}/")
    click.echo(f"Admin    http://{address}/admin/")
    click.echo(f"API      http://{address}/api/shopimg/v1/docs/")
    for name, password in logins.items():
        click.echo(f"Login    {name} / {password}")
    click.echo(f"Logs     {folder}")
    token = f"TOKEN='Authorization: Token {accounts.token('admin')}'"
    click.echo(f"For curl SHOP=http://{address} {token}")


def _answers(address: str) -> bool:
    """Tell whether the site takes connections."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=POLL_SECONDS).close()
    except OSError:
        return False
    return True


def _check(started: Mapping[str, subprocess.Popen[bytes]], folder: Path) -> None:
    for name, process in started.items():
        if process.poll() is not None:
            log = folder / f"{name}.log"
            message = f"The {name} ended by itself. The end of {log}:\n\n{processes.tail(log)}"
            raise CommandError(message)
