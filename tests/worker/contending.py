"""Contenders for tests of the rounds: they are loaded by name in processes of their own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

MEGABYTES = 40


def sleeper(seconds: float) -> Callable[[], int]:
    """Sleep, and return the process id."""

    def run() -> int:
        time.sleep(seconds)
        return os.getpid()

    return run


def eater(megabytes: int) -> Callable[[], int]:
    """Hold so much memory for a moment."""
    return lambda: len(bytearray(megabytes * 10**6).replace(b"\0", b"\1"))


def absent() -> Callable[[], int]:
    """Fail while loading."""
    raise LookupError("is not installed")


def failing() -> Callable[[], int]:
    """Fail while running."""

    def run() -> int:
        raise ValueError("too large")

    return run


def dying() -> Callable[[], int]:
    """End the process, as the system does when memory is short."""
    return lambda: os._exit(9)
