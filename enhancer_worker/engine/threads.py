"""Keeps the threads of one library out of the way of another's."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let NumPy multiply matrices in the calling thread.

    OpenBLAS starts a thread for each core and lets it spin for tens of milliseconds after every
    product, however small, on the cores on which a network runs next: on two cores that made the
    networks of a small upload take 1.4 times as long. No step has products that need more than
    one thread.
    """
    with _libraries().limit(limits=1, user_api="blas"):
        yield


@functools.cache
def _libraries() -> ThreadpoolController:
    """Find the libraries once: that takes milliseconds."""
    return ThreadpoolController()
