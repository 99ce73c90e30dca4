"""Worker processes of the tests, on the test database or on one of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from shopimg.models import WorkerHeartbeat
from tests.servers.process import running

ROOT = Path(__file__).resolve().parents[2]
QUICK = {
    "HEARTBEAT_SECONDS": 1,
    "LEASE_SECONDS": 4,
    "RESEND_SECONDS": 2,
    "RETRY_SECONDS": 0,
    "WITHDRAWN_SECONDS": 1,
}


@dataclass(frozen=True)
class Host:
    """What the worker processes of one test share."""

    folder: Path
    broker_url: str
    database: dict[str, Any]
    transport_options: dict[str, Any] = field(default_factory=dict)

    @property
    def signals(self) -> Path:
        """Where test enhancers leave notes and look for them."""
        folder = self.folder / "signals"
        folder.mkdir(exist_ok=True)
        return folder

    def environment(self, **shopimg: Any) -> dict[str, str]:
        """Return what a process of this host finds in its environment."""
        given = {
            "database": self.database,
            "storages": settings.STORAGES,
            "broker_url": self.broker_url,
            "transport_options": self.transport_options,
            "shopimg": {**QUICK, **shopimg},
            "signal_dir": str(self.signals),
        }
        return {
            "DJANGO_SETTINGS_MODULE": "tests.e2e.worker_settings",
            "PYTHONPATH": str(ROOT),
            "TEST_WORKER": json.dumps(given, default=str),
        }

    @contextmanager
    def worker(
        self,
        enhancer: str = "shopimg.backends.echo.EchoEnhancer",
        name: str = "worker",
        *,
        queues: str = "",
        beat: bool = True,
        **shopimg: Any,
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run a worker while the block runs.

        Args:
            enhancer: dotted path of what works on the pictures.
            name: of the worker and its log.
            queues: comma-separated; all by default.
            beat: whether the clock of the sweeper runs inside.
            shopimg: keys of the setting that differ from ``QUICK``.
        """
        command = [sys.executable, "-m", "celery", "-A", "enhancer_worker", "worker"]
        command += [f"--hostname={name}@test", "--concurrency=1", "--loglevel=INFO"]
        if queues:
            command.append(f"--queues={queues}")
        if beat:
            command += ["--beat", f"--schedule={self.folder / name}.beat"]
        with running(
            name,
            command,
            folder=self.folder,
            ready=lambda: f"{name}@test ready" in (self.folder / f"{name}.log").read_text(),
            env=self.environment(ENHANCER=enhancer, **shopimg),
        ) as process:
            yield process

    def python(self, code: str) -> str:
        """Run lines in a shell of this host and return what they print."""
        result = subprocess.run(
            [sys.executable, "-m", "django", "shell", "--verbosity=0", "--command", code],
            env={**os.environ, **self.environment()},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()


def database_of_tests() -> dict[str, Any]:
    """Return Django's own test database as another process must know it."""
    wanted = ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT")
    return {key: connection.settings_dict[key] for key in wanted}


def heartbeats() -> list[str]:
    """Return the names of the workers that have given a sign of life."""
    return list(WorkerHeartbeat.objects.values_list("name", flat=True))
