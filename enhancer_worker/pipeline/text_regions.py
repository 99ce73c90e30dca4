"""Finds what looks like small text or a logo: dense strokes of two levels, joined into lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from enhancer_worker.pipeline.boxes import Box, box_of

T = TypeVar("T", np.bool_, np.uint8)

# Strokes stand out from their ground by at least this many levels, and from the typical contrast
# of neighbours (noise, cloth) by this factor.
_SMALLEST_CONTRAST = 24
_CONTRAST_OVER_TYPICAL = 2.5

# Gap that is closed within a line, lowest and highest line that this makes, in pixels. Higher
# letters are as safe from a network as any other shape.
_LINES = ((5, 4, 16), (9, 6, 26), (15, 12, 44))
_SMALLEST_WIDTH = 10
_SMALLEST_FILL = 0.45
_SMALLEST_SEPARATION = 0.78
_CHANGES_PER_HEIGHT = (0.9, 10.0)
_REACH_HEIGHTS = 0.6

_BAND_ROWS = 1024
_BAND_OVERLAP_ROWS = 64


def find_text(pixels: NDArray[np.uint8]) -> tuple[Box, ...]:
    """Find words and lines of letters about 4 to 44 pixels high, upright or turned by 90 degrees.

    Strokes have edges on both sides, so that a closing along the line joins the letters of a word
    and leaves textures in pieces or in one large piece. What is joined must be as high as a line,
    well filled, of two levels (after Otsu, IEEE Transactions on Systems, Man, and Cybernetics
    9(1), 1979: the share of the variance that lies between both classes), and change between them
    as often as letters do.

    Args:
        pixels: (H, W, 3), uint8, RGB.

    Returns:
        Rectangles, which may overlap.
    """
    found: dict[Box, None] = {}
    for top in range(0, max(1, pixels.shape[0] - _BAND_OVERLAP_ROWS), _BAND_ROWS):
        band = pixels[top : top + _BAND_ROWS + _BAND_OVERLAP_ROWS]
        strokes, levels = _strokes(band), _luma(band)
        found |= dict.fromkeys(box.lowered(top) for box in _lines(strokes, levels))
        turned = _lines(np.ascontiguousarray(strokes.T), levels.T)
        found |= dict.fromkeys(box.turned().lowered(top) for box in turned)
    return tuple(found)


def _luma(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    red, green, blue = (pixels[..., channel].astype(np.uint16) for channel in range(3))
    return ((77 * red + 150 * green + 29 * blue) >> 8).astype(np.uint8)


def _strokes(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Mark the edges of strokes in any channel by the morphological gradient over 3x3 pixels."""
    contrast = np.zeros(pixels.shape[:2], np.uint8)
    for channel in range(pixels.shape[2]):  # planes: several times as fast as interleaved colours
        plane = np.pad(pixels[..., channel], 1, mode="edge")
        highest = _windows(_windows(plane, 3, 0, np.maximum), 3, 1, np.maximum)
        lowest = _windows(_windows(plane, 3, 0, np.minimum), 3, 1, np.minimum)
        np.maximum(contrast, highest - lowest, out=contrast)
    smallest = max(_SMALLEST_CONTRAST, _CONTRAST_OVER_TYPICAL * float(np.median(contrast)))
    strokes: NDArray[np.bool_] = contrast >= smallest
    return strokes


def _joined(strokes: NDArray[np.bool_], gap: int) -> NDArray[np.bool_]:
    """Close gaps along the rows, then remove what is thinner than three pixels."""
    padded = np.pad(strokes, ((0, 0), (gap - 1, gap - 1)))
    closed = _windows(_windows(padded, gap, 1, np.logical_or), gap, 1, np.logical_and)
    thick = _windows(_windows(closed, 3, 0, np.logical_and), 3, 1, np.logical_and)
    return _windows(_windows(np.pad(thick, 2), 3, 0, np.logical_or), 3, 1, np.logical_or)


def _windows(values: NDArray[T], count: int, axis: int, combine: np.ufunc) -> NDArray[T]:
    """Combine every ``count`` neighbours along an axis, which gets ``count - 1`` shorter."""
    done = 1
    while done < count:
        step = min(done, count - done)
        length = values.shape[axis]
        first, second = [slice(None)] * values.ndim, [slice(None)] * values.ndim
        first[axis], second[axis] = slice(0, max(0, length - step)), slice(step, length)
        values = combine(values[tuple(first)], values[tuple(second)])
        done += step
    return values


def _lines(strokes: NDArray[np.bool_], levels: NDArray[np.uint8]) -> Iterator[Box]:
    width, whole = strokes.shape[1], box_of(strokes)
    if whole is None:
        return
    # Nothing reaches beyond the outermost strokes, and most products lie on plain ground.
    strokes = strokes[whole.top : whole.bottom, whole.left : whole.right]
    levels = levels[whole.top : whole.bottom, whole.left : whole.right]
    for gap, lowest, highest in _LINES:
        labels, _ = ndimage.label(_joined(strokes, gap), np.ones((3, 3)))
        for number, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
            size = (rows.stop - rows.start, columns.stop - columns.start)
            if not lowest <= size[0] <= highest or size[1] < max(_SMALLEST_WIDTH, size[0]):
                continue
            if _reads_like_text(levels[rows, columns], labels[rows, columns] == number):
                # A neighbour that is too short to be told from a speck: "No. 5".
                reach = int(_REACH_HEIGHTS * size[0])
                left = max(0, whole.left + columns.start - reach)
                right = min(width, whole.left + columns.stop + reach)
                yield Box(left, rows.start, right, rows.stop).lowered(whole.top)


def _reads_like_text(levels: NDArray[np.uint8], line: NDArray[np.bool_]) -> bool:
    if line.mean() < _SMALLEST_FILL:
        return False
    separation, threshold = _otsu(levels[line])
    if separation < _SMALLEST_SEPARATION:
        return False
    height, width = levels.shape
    middle = levels[height // 4 : max(height // 4 + 1, height - height // 4)] > threshold
    changes = (middle[:, 1:] != middle[:, :-1]).sum(axis=1).mean() * height / width
    least, most = _CHANGES_PER_HEIGHT
    return bool(least <= changes <= most)


def _otsu(levels: NDArray[np.uint8]) -> tuple[float, int]:
    """Return the share of the variance between two classes, and the last level of the darker."""
    share = np.bincount(levels, minlength=256) / levels.size
    scale = np.arange(256)
    below, sums = np.cumsum(share), np.cumsum(share * scale)
    variance = float((share * (scale - sums[-1]) ** 2).sum())
    weights = below * (1 - below)
    between = np.divide(
        (sums[-1] * below - sums) ** 2, weights, out=np.zeros(256), where=weights > 1e-9
    )
    best = int(between.argmax())
    return (float(between[best]) / variance if variance else 0.0), best
