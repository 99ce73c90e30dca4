"""Keeps the threads of one library out of the way of another's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import threadpool_limits


class _Limit:
    """What jobs of this process share: the first sets it, the last takes it back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs = 0
        self._limiter: Any = None

    def enter(self) -> None:
        with self._lock:
            if not self._jobs:
                # Looked for every time: SciPy brings a library of its own when it needs one.
                self._limiter = threadpool_limits(limits=1, user_api="blas")
            self._jobs += 1

    def leave(self) -> None:
        with self._lock:
            self._jobs -= 1
            if not self._jobs:
                self._limiter.restore_original_limits()


_LIMIT = _Limit()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let NumPy multiply matrices in the calling thread.

    OpenBLAS starts a thread for each core and lets it spin for tens of milliseconds after every
    product, however small, on the cores on which a network runs next: on two cores an upload of
    512 pixels took 1.4 times as long. None of our steps has products that need more than one.
    """
    _LIMIT.enter()
    try:
        yield
    finally:
        _LIMIT.leave()
