"""The whole demo shop as processes of its own: site, worker and beat on real servers."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.servers.postgres import PostgresServer
from tests.servers.process import accepts_connections, free_port, running
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent
PASSWORD = "correct horse battery staple"

SET_UP = f"""
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("collectstatic", interactive=False, verbosity=0)
User.objects.create_superuser("admin", password={PASSWORD!r})
reviewer = User.objects.create_user("reviewer", password={PASSWORD!r}, is_staff=True)
reviewer.user_permissions.set(Permission.objects.filter(content_type__app_label="shopimg"))
User.objects.create_user("customer", password={PASSWORD!r})
"""


@dataclass(frozen=True)
class Stack:
    """A running demo shop."""

    port: int
    """TCP port of the site on 127.0.0.1."""
    folder: Path
    """Where its processes keep their files and logs."""
    environment: dict[str, str]
    """What the processes find in their environment."""

    password = PASSWORD
    """Of the users ``admin``, ``reviewer`` (staff, every permission of shopimg), ``customer``."""

    @property
    def url(self) -> str:
        """Address of the site, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def manage(self, *arguments: str, text: str = "") -> str:
        """Run a management command with the shop's environment and return what it prints.

        Args:
            arguments: the command's name and its arguments.
            text: given to its standard input.

        Raises:
            AssertionError: it failed; the message holds what it said.
        """
        result = subprocess.run(
            [sys.executable, ROOT / "manage.py", *arguments],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, f"{arguments}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def api(self, path: str, *, user: str | None = None) -> Any:
        """Return the JSON that the API answers to a GET, for a user or for a shopper."""
        request = urllib.request.Request(f"{self.url}/api/shopimg/v1/{path}")
        if user:
            token = base64.b64encode(f"{user}:{self.password}".encode()).decode()
            request.add_header("Authorization", f"Basic {token}")
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.load(response)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return what the shop's database answers."""
        with psycopg.connect(self.environment["DATABASE_URL"]) as connection:
            return connection.execute(query.encode(), values).fetchall()


def eventually(condition: Callable[[], Any], *, seconds: float = 60) -> Any:
    """Ask again and again, and return the first answer that is true.

    Raises:
        AssertionError: there was none in time.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.2)
    raise AssertionError(f"not true within {seconds} s")


@contextmanager
def stack(
    folder: Path, postgres: PostgresServer, redis: RedisServer, s3: S3Server
) -> Iterator[Stack]:
    """Run the demo shop while the block runs."""
    environment = {
        "DATABASE_URL": postgres.create_database("shop"),
        "REDIS_URL": redis.url,
        **s3.environment(),
        "DEMO_DIR": str(folder / "demo"),
        "DJANGO_SECRET_KEY": "of-a-shop-that-lives-as-long-as-the-tests",
        "DJANGO_SETTINGS_MODULE": "demoshop.settings",
        "PYTHONPATH": str(ROOT),
    }
    shop = Stack(free_port(), folder, environment)
    shop.manage("shell", "--command", SET_UP)
    with ExitStack() as processes:
        processes.enter_context(_site(shop))
        processes.enter_context(_worker(shop))
        yield shop


@contextmanager
def _site(shop: Stack) -> Iterator[None]:
    command = [PROGRAMS / "gunicorn", "docker.wsgi:application", "--bind", f"127.0.0.1:{shop.port}"]
    with running(
        "site",
        [*command, "--threads=4", "--no-control-socket", "--access-logfile=-"],
        folder=shop.folder,
        ready=lambda: accepts_connections(shop.port),
        env=shop.environment,
    ):
        yield


@contextmanager
def _worker(shop: Stack) -> Iterator[None]:
    command = [PROGRAMS / "celery", "-A", "enhancer_worker", "worker", "--concurrency=1"]
    with running(
        "worker",
        [*command, "--beat", "--schedule=beat", "--loglevel=INFO"],
        folder=shop.folder,
        ready=lambda: bool(shop.rows("SELECT 1 FROM shopimg_workerheartbeat")),
        env=shop.environment,
    ):
        yield
