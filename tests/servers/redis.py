"""A real Redis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.process import accepts_connections, free_port, running


@dataclass(frozen=True)
class RedisServer:
    """Where a running Redis listens."""

    port: int
    """TCP port on 127.0.0.1."""

    @property
    def url(self) -> str:
        """Address of its first database."""
        return f"redis://127.0.0.1:{self.port}/0"


@contextmanager
def redis(folder: Path) -> Iterator[RedisServer]:
    """Run a Redis with nothing on disk while the block runs."""
    port = free_port()
    command = f"redis-server --port {port} --bind 127.0.0.1 --appendonly no --save".split()
    policy = ["", "--maxmemory-policy", "noeviction"]
    with running(
        "redis", [*command, *policy], folder=folder, ready=lambda: accepts_connections(port)
    ):
        yield RedisServer(port)
