"""Lets a command be stopped between two steps of its work, never within a transaction."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Interruption:
    """Remembers Ctrl-C and SIGTERM until the command comes to a place where it may stop.

    An exception that is raised within a query leaves a connection that cannot even roll back.
    Whoever sends the signal twice means at once.
    """

    def __init__(self) -> None:
        self._asked = self._sleeping = False

    def check(self) -> None:
        """Raise ``KeyboardInterrupt`` if somebody has asked to stop."""
        if self._asked:
            raise KeyboardInterrupt

    def sleep(self, seconds: float) -> None:
        """Wait, unless somebody asks to stop: then raise ``KeyboardInterrupt`` at once."""
        self.check()
        self._sleeping = True
        try:
            time.sleep(max(0.0, seconds))
        finally:
            self._sleeping = False

    def _handle(self, *_: object) -> None:
        if self._asked or self._sleeping:
            raise KeyboardInterrupt
        self._asked = True


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Treat SIGTERM like Ctrl-C while the block runs, and both as something to ask for."""
    interruption = Interruption()
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = {kind: signal.signal(kind, interruption._handle) for kind in kinds}  # noqa: SLF001
    try:
        yield interruption
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
