"""Finds the picture within a plain border that somebody has put around it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Box = tuple[int, int, int, int]
"""Left, top, right and bottom, pixels of the picture."""

THICKEST = 0.06
"""Of a side: what is wider is the ground on which a product was photographed."""
_UNEVEN = 0.15
"""By which the two sides may differ, of the thicker one: who puts a border there centres it."""
_UNEVEN_PIXELS = 2
SAME, OTHER = 16, 24
"""Levels by which a border may deviate from its colour, and by which the picture must, mostly."""
PLAIN_SHARE, PICTURE_SHARE = 0.02, 0.85
LONGEST_SIDE = 512
SOFT_ROWS = 3
"""Rows in which a border may fade into the picture."""


def picture_box(pixels: NDArray[np.uint8]) -> Box | None:
    """Find where the picture lies within a border of one colour: at all sides or two opposite ones.

    A box or a book before something plain looks the same, if it is photographed straight from
    above and its margins are as thin and as even.

    Args:
        pixels: (H, W, 3), uint8, RGB.

    Returns:
        None where there is no such border.
    """
    height, width = pixels.shape[:2]
    cell = math.ceil(max(height, width) / LONGEST_SIDE)
    # An enlarged border fades into its picture over as many more rows.
    small = np.asarray(Image.fromarray(pixels).reduce(cell)) if cell > 1 else pixels
    turned = small.swapaxes(0, 1)
    rows = _inside(_depth(small), _depth(small[::-1]), height, cell)
    columns = _inside(_depth(turned), _depth(turned[::-1]), width, cell)
    whole = (0, height), (0, width)
    if (rows, columns) == whole or rows[0] >= rows[1] or columns[0] >= columns[1]:
        return None
    return columns[0], rows[0], columns[1], rows[1]


def _inside(first: int, last: int, length: int, cell: int) -> tuple[int, int]:
    """Where the picture begins and ends between two borders; all of it where they do not match."""
    uneven = max(_UNEVEN_PIXELS, _UNEVEN * max(first, last))
    if not first or not last or abs(first - last) > uneven:
        return 0, length
    if cell == 1:
        return first, length - last
    # The cell in which a border ends holds some of the picture, too.
    return (first + 1) * cell, (-(-length // cell) - last - 1) * cell


def _depth(pixels: NDArray[np.uint8]) -> int:
    """How many rows at the top are border; 0 where that does not end in a straight line."""
    height, width = pixels.shape[:2]
    rows = max(2, int(height * THICKEST)) + 1
    margin = int(width * 2 * THICKEST)
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
