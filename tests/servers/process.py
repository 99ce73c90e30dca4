"""Child processes of the tests: started, waited for, always stopped, their output kept."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

LOGS: list[Path] = []
"""Output of every process that runs now; shown with a test that fails."""

POLL_SECONDS = 0.05
STOP_SECONDS = 15


class ServerFailedError(RuntimeError):
    """A server of the tests stopped by itself or was not ready in time."""


def free_port() -> int:
    """Return a TCP port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def accepts_connections(port: int) -> bool:
    """Tell whether somebody listens on a TCP port of this machine."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def log_sizes() -> dict[Path, int]:
    """Return how many bytes each running server has said so far."""
    return {log: log.stat().st_size for log in LOGS if log.exists()}


def news(log: Path, start_bytes: int = 0, *, lines: int = 60) -> str:
    """Return the last lines that came into a log after its first bytes."""
    with log.open("rb") as file:
        file.seek(start_bytes)
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])


@contextmanager
def running(
    name: str,
    command: Sequence[str | Path],
    *,
    folder: Path,
    ready: Callable[[], bool],
    env: Mapping[str, str] | None = None,
    user: str | None = None,
    seconds: float = 60,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server while the block runs.

    Args:
        name: shown with its log when a test fails.
        command: the program and its arguments.
        folder: working directory, and where its output goes.
        ready: asked until it says yes.
        env: added to the environment.
        user: whose rights it gets; those of the tests when None.
        seconds: time it has to get ready.

    Raises:
        ServerFailedError: it ended by itself or was not ready in time; the message has its log.
    """
    log = folder / f"{name}.log"
    process = _start(command, log, folder, env, user)
    LOGS.append(log)
    try:
        _wait(process, log, ready, seconds)
        yield process
    finally:
        stop(process)
        LOGS.remove(log)


def stop(process: subprocess.Popen[bytes], first: signal.Signals = signal.SIGTERM) -> None:
    """End a process politely, then with force, then everything it has started."""
    if process.poll() is None:
        process.send_signal(first)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _start(
    command: Sequence[str | Path],
    log: Path,
    folder: Path,
    env: Mapping[str, str] | None,
    user: str | None,
) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            [*_dies_with_parent(), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, **(env or {})},
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            start_new_session=True,
        )


def _dies_with_parent() -> list[str]:
    """Even a killed test run leaves no server behind, where the system can promise that."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []


def _wait(
    process: subprocess.Popen[bytes], log: Path, ready: Callable[[], bool], seconds: float
) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None:
            raise ServerFailedError(f"{log.stem} ended with {process.returncode}\n{news(log)}")
        if time.monotonic() > end:
            raise ServerFailedError(f"{log.stem} not ready in {seconds} s\n{news(log)}")
        time.sleep(POLL_SECONDS)
