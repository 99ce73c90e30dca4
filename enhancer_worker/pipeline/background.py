"""A second thread for jobs: what can wait is done there while the next thing is made."""

from __future__ import annotations

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
        """Prepare the thread; it starts with the first piece of work.

        Args:
            overlap: False does all work at once, in the thread that asks for it.
        """
        self._pool = ThreadPoolExecutor(1, "shopimg-background") if overlap else None
        self._begun = list[Future[Any]]()

    def submit(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Begin a piece of work; its result, or what it raises, is in the future."""
        if self._pool is not None:
            future = self._pool.submit(work, *args, **kwargs)
            self._begun.append(future)
            return future
        future = Future[T]()
        try:
            future.set_result(work(*args, **kwargs))
        except Exception as err:  # noqa: BLE001 - raised where the result is asked for
            future.set_exception(err)
        return future

    def settle(self) -> None:
        """Wait for what was begun, and drop what was not: a job leaves nothing behind."""
        for future in self._begun:
            future.cancel()
        wait(self._begun)
        self._begun.clear()

    def close(self) -> None:
        """Let the thread end."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


HERE = Background(overlap=False)
"""The thread that asks."""
