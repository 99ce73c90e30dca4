"""Brings a coarse alpha to the resolution of its picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from enhancer_worker.matting.coarse import CoarseMatte, Plane
from enhancer_worker.matting.guided import guided_alpha, guided_coefficients, resized
from enhancer_worker.matting.pieces import without_strays

GUIDE_SIDE = 640
"""Longest side at which edges are fitted, pixels."""
RADII = (8, 4)
"""Of the windows of the first fit, which must see past a coarse edge that lies beside the true one,
and of the second, pixels of `GUIDE_SIDE`."""
EPS = 2e-4
STEEPNESS = 2.0
"""By how much coarse edges, which the net's own resolution has softened, are steepened."""
BAND = 7
"""How far from its coarse edge alpha may move, pixels of `GUIDE_SIDE`."""
UNSURE = 2
"""How far beside a coarse edge its own alpha says little, pixels of `GUIDE_SIDE`."""
UNSURE_WEIGHT = 0.2
"""What such a pixel, or a half transparent one, counts in a fit."""
OPEN = 128
SPANS = ((0.2, 0.8), (0.1, 0.9))
"""What counts as empty and as opaque after either fit: windows leave traces of each other."""


def full_alpha(pixels: NDArray[np.uint8], matte: CoarseMatte) -> NDArray[np.uint8]:
    """Alpha of every pixel.

    Args:
        pixels: (H, W, 3), uint8, RGB.
        matte: what the net has found in them.

    Returns:
        (H, W), uint8.
    """
    left, top, right, bottom = matte.box
    alpha = np.zeros(pixels.shape[:2], np.uint8)
    part = np.ascontiguousarray(pixels[top:bottom, left:right])
    alpha[top:bottom, left:right] = _refined(part, matte.alpha)
    return without_strays(alpha)


def _refined(pixels: NDArray[np.uint8], coarse: Plane) -> NDArray[np.uint8]:
    """Fit alpha to the colours beside its coarse edge, then once more to what that has found.

    The first fit moves the edge to where colours change; an edge that lay a few pixels off would
    otherwise leave a veil of half transparent background.
    """
    size = _guide_size(*pixels.shape[:2])
    guide = Image.fromarray(pixels).resize(size, Image.Resampling.BOX)
    planes = np.asarray(guide, np.float32) / np.float32(255)
    small = resized(np.clip((coarse - 0.5) * STEEPNESS + 0.5, 0, 1), size)
    levels = _certain(small, BAND)
    weight = _weight(_certain(small, UNSURE) != OPEN)
    first = guided_coefficients(planes, small, weight, RADII[0], EPS)
    found = _stretched(first[..., 3] + (first[..., :3] * planes).sum(2), SPANS[0])
    found = np.where(levels == OPEN, found, levels / np.float32(255))
    weight = _weight(np.abs(found - 0.5) > 0.45)
    second = guided_coefficients(planes, found, weight, RADII[1], EPS)
    # Only around the edge is there anything to compute, and that is a small part of the picture.
    alpha = np.array(Image.fromarray(levels).resize(pixels.shape[1::-1], Image.Resampling.NEAREST))
    rows, columns = np.nonzero(alpha == OPEN)
    fitted = _stretched(guided_alpha(pixels, second, rows, columns), SPANS[1])
    alpha[rows, columns] = np.rint(fitted * 255).astype(np.uint8)
    return alpha


def _weight(sure: NDArray[np.bool_]) -> Plane:
    return np.where(sure, np.float32(1), np.float32(UNSURE_WEIGHT))


def _stretched(alpha: Plane, span: tuple[float, float]) -> Plane:
    low, high = span
    stretched: Plane = np.clip((alpha - low) / (high - low), 0, 1)
    return stretched


def _certain(alpha: Plane, distance: int) -> NDArray[np.uint8]:
    """255 and 0 away from every edge that the net has seen, `OPEN` near them.

    Args:
        alpha: (h, w), float32, [0, 1].
        distance: what counts as near, pixels.
    """
    window = 2 * distance + 1
    lowest = ndimage.minimum_filter(alpha, window, mode="nearest")
    highest = ndimage.maximum_filter(alpha, window, mode="nearest")
    levels = np.full(alpha.shape, OPEN, np.uint8)
    levels[lowest > 0.9] = 255
    levels[highest < 0.1] = 0
    return levels


def _guide_size(height: int, width: int) -> tuple[int, int]:
    """Width and height at which edges are fitted, pixels."""
    scale = min(1.0, GUIDE_SIDE / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))
