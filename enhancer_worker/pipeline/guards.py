"""Promises that hold after every step: white stays white, grey stays neutral."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_WHITE_MARGIN_PIXELS = 2
_BAND_ROWS = 512


def white_area(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Find what is pure white together with everything within two pixels of it.

    Single white pixels (a highlight, noise) do not count, and the border of the picture does not
    make an area smaller.

    Args:
        pixels: (H, W, 3), uint8, RGB.

    Returns:
        (H, W), bool.
    """
    white: NDArray[np.bool_] = pixels[..., 0] == 255
    white &= pixels[..., 1] == 255
    white &= pixels[..., 2] == 255
    for axis in (0, 1):
        white = _erode(white, axis)
    return white


def lock_white(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> None:
    """Set to 255 again what was a pure white area before a step.

    Args:
        before: (h, w, 3), uint8, RGB.
        after: (H, W, 3), uint8, RGB, changed in place; the same picture at any size.
    """
    area = white_area(before)
    if not area.any():
        return
    height, width = after.shape[:2]
    rows = np.arange(height) * before.shape[0] // height
    columns = np.arange(width) * before.shape[1] // width
    for top in range(0, height, _BAND_ROWS):
        band = slice(top, top + _BAND_ROWS)
        after[band][area[rows[band]][:, columns]] = 255


def keep_neutral(after: NDArray[np.uint8]) -> None:
    """Give all three channels of a grey picture the same level again.

    Args:
        after: (H, W, 3), uint8, changed in place.
    """
    for top in range(0, after.shape[0], _BAND_ROWS):
        band = after[top : top + _BAND_ROWS]
        total = band.sum(axis=2, dtype=np.uint16)
        band[...] = ((total + 1) // 3)[..., None]


def _erode(mask: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    result = mask.copy()
    length = mask.shape[axis]
    for distance in range(1, min(_WHITE_MARGIN_PIXELS, length - 1) + 1):
        ahead, behind = [slice(None)] * 2, [slice(None)] * 2
        ahead[axis], behind[axis] = slice(distance, None), slice(None, -distance)
        result[tuple(behind)] &= mask[tuple(ahead)]
        result[tuple(ahead)] &= mask[tuple(behind)]
    return result
