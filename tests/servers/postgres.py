"""A real PostgreSQL."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from tests.servers.process import free_port, running

USER = "shopimg"
DEBIAN_VERSIONS = "/usr/lib/postgresql"
FASTER_THAN_SAFE = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=200",
)


@dataclass(frozen=True)
class PostgresServer:
    """Where a running PostgreSQL listens."""

    port: int
    """TCP port on 127.0.0.1."""

    def url(self, database: str) -> str:
        """Address of one database; no password is asked for."""
        return f"postgres://{USER}@127.0.0.1:{self.port}/{database}"

    def accepts_queries(self) -> bool:
        """Tell whether the server is up."""
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def create_database(self, name: str) -> str:
        """Create an empty database and return its address."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    """Run a PostgreSQL with an empty cluster while the block runs."""
    server = PostgresServer(free_port())
    user = _unprivileged_user()
    # Not below pytest's folder: only the user of the tests may enter that one.
    with tempfile.TemporaryDirectory(prefix="shopimg-postgres-") as name:
        folder = Path(name)
        if user:
            shutil.chown(folder, user, user)
        _make_cluster(folder / "data", user)
        options = [word for option in FASTER_THAN_SAFE for word in ("-c", option)]
        command: list[str | Path] = [_program("postgres"), "-D", folder / "data", "-k", folder]
        with running(
            "postgres",
            [*command, "-h", "127.0.0.1", "-p", str(server.port), *options],
            folder=folder,
            ready=server.accepts_queries,
            user=user,
        ):
            yield server


def _unprivileged_user() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _program(name: str) -> Path:
    """Debian keeps PostgreSQL's programs out of the path, one folder per version."""
    versions = sorted(Path(DEBIAN_VERSIONS).glob(f"*/bin/{name}"), key=_version)
    if versions:
        return versions[-1]
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed: run make test once")
    return Path(found)


def _version(program: Path) -> int:
    return int(program.parent.parent.name)


def _make_cluster(data: Path, user: str | None) -> None:
    subprocess.run(
        [_program("initdb"), "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"],
        check=True,
        capture_output=True,
        cwd=data.parent,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )
