"""The folder in which the demo keeps its files, and who may use it now."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management import CommandError
from django.db import connection

FOLDERS = ("media", "drafts", "published", "broker")
"""What one run of the demo leaves behind, besides the database."""


def folder() -> Path:
    """Return the demo's folder, made where it is missing."""
    path: Path = settings.DEMO_DIR
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def reserved() -> Iterator[Path]:
    """Keep a second demo, or a running shop, out of the folder.

    Raises:
        CommandError: another process works in the folder.
    """
    path = folder()
    with (path / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            lock.seek(0)
            found = f"Another demo or shop is running in {path} (process {lock.read()})."
            raise CommandError(f"{found} Stop it first.") from err
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield path


def clear() -> None:
    """Throw away what an earlier run left; databases and buckets on real servers stay."""
    path = folder()
    for name in FOLDERS:
        shutil.rmtree(path / name, ignore_errors=True)
    for queue in ("queue", "control"):
        (path / "broker" / queue).mkdir(parents=True)
    database = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite" and Path(database).parent == path:
        connection.close()
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{database}{suffix}").unlink(missing_ok=True)
