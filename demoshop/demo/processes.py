"""Starts the site and its workers as real processes, and always stops them again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from django.conf import settings

STOP_SECONDS = 20
"""Time that a process gets to finish what it is doing."""
_ENDINGS = (signal.SIGTERM, signal.SIGHUP)
WORKER = ("-m", "celery", "-A", "enhancer_worker", "worker")
WORKER_OPTIONS = ("--concurrency", "1", "--loglevel", "INFO")


@contextmanager
def running(arguments: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``python ARGUMENTS`` in a process group of its own while the block runs.

    Args:
        arguments: what follows the interpreter.
        log: takes what the process says; an earlier log is replaced.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - arguments of our own
            [sys.executable, *arguments],
            cwd=settings.BASE_DIR,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            _stop(process)


@contextmanager
def terminable() -> Iterator[None]:
    """Let termination and a closed terminal do what Ctrl-C does: no process stays behind."""
    numbers = [n for n in _ENDINGS if signal.getsignal(n) != signal.SIG_IGN]  # as nohup wishes
    before = {number: signal.signal(number, _interrupt_once) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt_once(number: int, _: FrameType | None) -> None:
    """Interrupt, but not the clean-up: shell and terminal both send a hangup."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask politely, then end the whole group."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):  # then it is ended with its children
            process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):  # nothing of it is left
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def worker() -> Sequence[str]:
    """Arguments of one worker process for all queues."""
    return (*WORKER, *WORKER_OPTIONS, "--hostname", "demo@%h")


def upkeep(folder: Path) -> Sequence[str]:
    """Arguments of the sweeper with its clock: a worker of its own, which no job holds up."""
    own = ("-Q", "shopimg-upkeep", "--hostname", "upkeep@%h")
    return (*WORKER, *WORKER_OPTIONS, *own, "--beat", "--schedule", str(folder / "beat-schedule"))


def tail(log: Path, lines: int = 30) -> str:
    """Return the last lines of a log."""
    with log.open(errors="replace") as file:
        return "".join(deque(file, lines))
