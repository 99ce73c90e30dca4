"""Chooses how many tiles run at once: sizes of batches that a GPU worker can hold ready, pure."""

from __future__ import annotations

from enhancer_worker.engine.planner import Line

BUCKETS = (1, 2, 4, 8, 16, 32)
"""Sizes that batches are padded up to, so that few shapes need graphs and buffers."""

_USABLE_SHARE = 0.4
"""Of the free memory. A recorded graph needs as much again as the first run; the rest is left to
what the allocator cannot use, to buffers and to other processes."""


def bucket_of(count: int) -> int:
    """Return the smallest bucket that holds so many tiles.

    Args:
        count: tiles, 1 to 32.

    >>> [bucket_of(count) for count in (1, 3, 8, 17)]
    [1, 4, 8, 32]
    """
    return next(bucket for bucket in BUCKETS if bucket >= count)


def largest_bucket(
    pixels: int, tile_bytes: Line, staged_bytes: float, free_bytes: float, most_staged: float
) -> int:
    """Choose the largest bucket that memory allows.

    Args:
        pixels: of one tile.
        tile_bytes: memory of the device for one tile, by its pixels.
        staged_bytes: what goes in and comes out, bytes for each source pixel.
        free_bytes: memory of the device that may be used.
        most_staged: limit for the bytes of one batch that go in and come out.

    Returns:
        A bucket; the smallest where not even that is expected to fit, as trying costs little.

    >>> largest_bucket(100, Line(0, 50), 15, free_bytes=200_000, most_staged=1e9)
    16
    """
    room = min(
        _USABLE_SHARE * free_bytes / max(tile_bytes.at(pixels), 1.0),
        most_staged / (staged_bytes * pixels),
    )
    return max((bucket for bucket in BUCKETS if bucket <= room), default=BUCKETS[0])
