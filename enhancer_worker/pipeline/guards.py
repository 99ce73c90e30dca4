"""Promises that hold after every recipe: white stays white, grey stays neutral, colours stay."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from enhancer_worker.pipeline.colour import ciede2000, srgb_to_lab
from enhancer_worker.pipeline.context import Picture

_WHITE_MARGIN_PIXELS = 2
_BAND_ROWS = 512
_COMPARED_SIDE_PIXELS = 96
_VISIBLE_ALPHA = 128


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


def colour_shift(before: Picture, after: Picture) -> dict[str, float]:
    """Measure how far colours moved, at a size where detail does not count.

    Args:
        before: the upload.
        after: the result, at any size.

    Returns:
        ``colour_shift_mean`` and ``colour_shift_p95``, CIEDE2000 over the visible pixels; empty
        where nothing is visible.
    """
    size = _compared_size(before)
    visible = _shrink_alpha(before, size) >= _VISIBLE_ALPHA
    if not visible.any():
        return {}
    shift = ciede2000(_shrink(before, size)[visible], _shrink(after, size)[visible])
    return {
        "colour_shift_mean": round(float(shift.mean()), 4),
        "colour_shift_p95": round(float(np.percentile(shift, 95)), 4),
    }


def _erode(mask: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    result = mask.copy()
    length = mask.shape[axis]
    for distance in range(1, min(_WHITE_MARGIN_PIXELS, length - 1) + 1):
        ahead, behind = [slice(None)] * 2, [slice(None)] * 2
        ahead[axis], behind[axis] = slice(distance, None), slice(None, -distance)
        result[tuple(behind)] &= mask[tuple(ahead)]
        result[tuple(ahead)] &= mask[tuple(behind)]
    return result


def _compared_size(picture: Picture) -> tuple[int, int]:
    factor = min(1.0, _COMPARED_SIDE_PIXELS / max(picture.width, picture.height))
    return max(1, round(picture.width * factor)), max(1, round(picture.height * factor))


def _shrink(picture: Picture, size: tuple[int, int]) -> NDArray[np.float64]:
    small = Image.fromarray(picture.pixels).resize(size, Image.Resampling.BOX)
    return srgb_to_lab(np.asarray(small))


def _shrink_alpha(picture: Picture, size: tuple[int, int]) -> NDArray[np.uint8]:
    if picture.alpha is None:
        return np.full((size[1], size[0]), 255, np.uint8)
    return np.asarray(Image.fromarray(picture.alpha).resize(size, Image.Resampling.BOX))
