"""Finds the picture within a plain border that somebody has put around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Box = tuple[int, int, int, int]
"""Left, top, right and bottom, pixels of the picture."""

THICKEST = 0.12
"""Of a side: what is wider is a product's free ground, or is cut off by whoever uploads."""
SAME, OTHER = 16, 24
"""Levels by which a border may deviate from its colour, and by which the picture must, mostly."""
PLAIN_SHARE, PICTURE_SHARE = 0.02, 0.85
LONGEST_SIDE = 512
SOFT_ROWS = 3
"""Rows in which a border may fade into the picture."""


def picture_box(pixels: NDArray[np.uint8]) -> Box | None:
    """Find where the picture lies within a border of one colour: at all sides or two opposite ones.

    Args:
        pixels: (H, W, 3), uint8, RGB.

    Returns:
        None where there is no such border.
    """
    height, width = pixels.shape[:2]
    cell = -(-max(height, width) // LONGEST_SIDE)
    if cell > 1:
        # An enlarged border fades into its picture over as many more rows.
        small = Image.fromarray(pixels).reduce(cell)
        found = picture_box(np.asarray(small))
        if found is None:
            return None
        left, top, right, bottom = found
        ends = (
            (width if right == small.width else right * cell - cell),
            (height if bottom == small.height else bottom * cell - cell),
        )
        return (left + 1) * cell * (left > 0), (top + 1) * cell * (top > 0), *ends
    top, bottom = _depth(pixels), _depth(pixels[::-1])
    turned = pixels.swapaxes(0, 1)
    left, right = _depth(turned), _depth(turned[::-1])
    if not (top and bottom):
        top = bottom = 0
    if not (left and right):
        left = right = 0
    if not top and not left:
        return None
    return left, top, width - right, height - bottom


def _depth(pixels: NDArray[np.uint8]) -> int:
    """How many rows at the top are border; 0 where that does not end in a straight line."""
    height, width = pixels.shape[:2]
    rows = max(2, int(height * THICKEST)) + 1
    margin = int(width * THICKEST)
    part = pixels[:rows, margin : width - margin].astype(np.int16)
    if part.shape[0] < 2 or not part.shape[1]:
        return 0
    away = np.abs(part - np.median(part[0], axis=0)).max(axis=2)
    plain = (away > SAME).mean(axis=1) <= PLAIN_SHARE
    begun = np.flatnonzero((away > OTHER).mean(axis=1) >= PICTURE_SHARE)
    if not plain[0] or not len(begun):
        return 0
    first = int(begun[0])
    return first if plain[: max(1, first - SOFT_ROWS)].all() else 0
