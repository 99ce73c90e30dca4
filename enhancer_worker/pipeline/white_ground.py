"""Finds the product of a picture that was put, or shot, before pure white."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WHITE_LEVEL = 250
"""Of 255: what a lossy file leaves of white."""
_SHOWN_SHARE = 0.01
"""Of a row or column: what is less is dust, or a block of an encoder."""


def product_part(
    pixels: NDArray[np.uint8], least: int, multiple: int
) -> tuple[slice, slice] | None:
    """Tell which rows and columns hold what stands before white.

    Args:
        pixels: (H, W, 3), uint8, RGB.
        least: rows and columns that the part has, as far as the picture has them.
        multiple: of which its first row and column are one.

    Returns:
        None where the picture is not white along all four of its edges, or nothing else.
    """
    # Most pictures are told by their edges, and a minimum over an axis of three takes ten times as
    # long as two minima.
    rims = (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])
    if any((rim.min(axis=1) < WHITE_LEVEL).mean() > _SHOWN_SHARE for rim in rims):
        return None
    red, green, blue = (pixels[..., channel] for channel in range(3))
    shown = np.minimum(np.minimum(red, green), blue) < WHITE_LEVEL
    rows, columns = (_span(shown.mean(axis=axis), least, multiple) for axis in (1, 0))
    return None if rows is None or columns is None else (rows, columns)


def stands_on_white(pixels: NDArray[np.uint8]) -> bool:
    """Tell whether there is something, and nothing but white around it."""
    return product_part(pixels, 1, 1) is not None


def _span(shares: NDArray[np.float64], least: int, multiple: int) -> slice | None:
    inside = np.flatnonzero(shares > _SHOWN_SHARE)
    if not len(inside):
        return None
    start, stop = int(inside[0]), int(inside[-1]) + 1
    if stop - start < least:
        start = min(max(0, (start + stop - least) // 2), max(0, len(shares) - least))
        stop = start + least
    return slice(start // multiple * multiple, min(len(shares), stop))
