"""A second thread for jobs: what can wait is done there while the next thing is made."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Background:
    """Runs one piece of work at a time beside the thread that asks for it.

    Codecs, NumPy and networks let other threads run while they compute. The thread stays between
    jobs: a new one would begin with an empty store of memory, and be slower.
    """

    def __init__(self, *, overlap: bool) -> None:
        """Prepare; the thread starts with the first piece of work.

        Args:
            overlap: False does all work at once, in the thread that asks for it.
        """
        self.overlaps = overlap
        self._pool: ThreadPoolExecutor | None = None
        self._process = 0
        self._begun = list[Future[Any]]()

    def submit(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Begin a piece of work; its result, or what it raises, is in the future."""
        if self.overlaps:
            future = self._running_pool().submit(work, *args, **kwargs)
            self._begun.append(future)
            return future
        return _done(functools.partial(work, *args, **kwargs))

    def _running_pool(self) -> ThreadPoolExecutor:
        # A process that was forked has the pool, but not its thread.
        if self._pool is None or self._process != os.getpid():
            self._pool, self._process = ThreadPoolExecutor(1, "shopimg-background"), os.getpid()
        return self._pool

    def settle(self) -> None:
        """Wait for what was begun, and drop what was not: a job leaves nothing behind."""
        for future in self._begun:
            future.cancel()
        wait(self._begun)
        self._begun.clear()

    def close(self) -> None:
        """Let the thread end; the next piece of work starts another one."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def _done(work: Callable[[], T]) -> Future[T]:
    try:
        return _future(work(), None)
    except Exception as err:  # noqa: BLE001 - raised where the result is asked for
        return _future(None, err)


def _future(result: Any, error: Exception | None) -> Future[Any]:
    """Make a future in a frame of its own.

    The frames that an error remembers must not know the future that has the error: such a circle
    would keep the pictures of a failed job in memory.
    """
    future = Future[Any]()
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
    return future


HERE = Background(overlap=False)
"""The thread that asks."""
