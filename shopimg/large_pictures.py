"""Keeps a web process from decoding several large pictures at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

LARGE_PIXELS = 16_000_000
"""From here on a picture that is decoded whole takes hundreds of megabytes while it is read."""

_TURN = threading.Lock()


@contextmanager
def one_at_a_time(size: tuple[int, int]) -> Iterator[None]:
    """Wait until no other thread of this process decodes a large picture, if this is one.

    Args:
        size: width and height as they will be decoded, pixels.
    """
    if size[0] * size[1] < LARGE_PIXELS:
        yield
        return
    with _TURN:
        yield
