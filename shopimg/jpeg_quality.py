"""The encoder quality behind a JPEG file, estimated from its quantisation tables."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61,
    12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77,
    24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMINANCE = (
    17, 18, 24, 47, 99, 99, 99, 99,
    18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
)  # fmt: skip
"""Annex K of the JPEG standard (ITU-T T.81), row by row: what libjpeg scales by its quality."""


def estimate_quality(tables: Mapping[int, Sequence[int]]) -> int | None:
    """Find the quality whose standard tables come closest.

    Exact for files of libjpeg and what is built on it; for encoders with tables of their own, such
    as Photoshop, the quality that treats the picture most alike. Chroma in steps of one beside
    coarser luma says nothing: our worker writes that before white, whatever the quality. What was
    lost when the picture was saved earlier, at a lower quality, cannot be seen here.

    Args:
        tables: number of the table -> 64 steps, row by row, as ``quantization`` of Pillow.

    Returns:
        1 to 100, or None without a table of 64 steps.

    >>> estimate_quality({0: _scaled(_LUMINANCE, 85)})
    85
    """
    given = [tuple(tables[number]) for number in sorted(tables)[:2] if len(tables[number]) == 64]
    if len(given) == 2 and max(given[1]) == 1 < max(given[0]):
        del given[1]
    if not given:
        return None
    # The best of equals: the highest quality, as steps of 1 cannot get finer.
    return min(range(100, 0, -1), key=lambda quality: _distance(given, _standard(quality)))


@functools.cache
def _standard(quality: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return _scaled(_LUMINANCE, quality), _scaled(_CHROMINANCE, quality)


def _scaled(table: Sequence[int], quality: int) -> tuple[int, ...]:
    """Scale a table as libjpeg does for baseline files."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return tuple(min(max((step * percent + 50) // 100, 1), 255) for step in table)


def _distance(given: Sequence[Sequence[int]], standard: Sequence[Sequence[int]]) -> int:
    pairs = zip(given, standard, strict=False)  # a grey picture has one table
    return sum((a - b) ** 2 for mine, theirs in pairs for a, b in zip(mine, theirs, strict=True))
