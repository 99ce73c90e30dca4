"""Brings a coarse alpha to the resolution of its picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from enhancer_worker.matting.coarse import CoarseMatte
from enhancer_worker.matting.guided import guided_alpha, guided_coefficients, resized

GUIDE_SIDE = 640
"""Longest side at which edges are fitted, pixels."""
RADIUS = 6
EPS = 2e-4
STEEPNESS = 2.0
"""By how much coarse edges, which the net's own resolution has softened, are steepened."""
BAND = 7
"""How far from its coarse edge alpha may move, pixels of `GUIDE_SIDE`."""
OPEN = 128
LOW, HIGH = 0.04, 0.96
"""What counts as empty and as opaque: windows leave traces of each other."""


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
    return alpha


def _refined(pixels: NDArray[np.uint8], coarse: NDArray[np.float32]) -> NDArray[np.uint8]:
    size = _guide_size(*pixels.shape[:2])
    guide = Image.fromarray(pixels).resize(size, Image.Resampling.BOX)
    small = resized(np.clip((coarse - 0.5) * STEEPNESS + 0.5, 0, 1), size)
    planes = np.asarray(guide, np.float32) / np.float32(255)
    coefficients = guided_coefficients(planes, small, RADIUS, EPS)
    alpha = _certain(small, (pixels.shape[1], pixels.shape[0]))
    # Only around the edge is there anything to compute, and that is a small part of the picture.
    rows, columns = np.nonzero(alpha == OPEN)
    fitted = guided_alpha(pixels, coefficients, rows, columns)
    stretched = np.clip((fitted - LOW) / (HIGH - LOW), 0, 1)
    alpha[rows, columns] = np.rint(stretched * 255).astype(np.uint8)
    return alpha


def _certain(alpha: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.uint8]:
    """255 and 0 away from every edge that the net has seen, `OPEN` near them.

    Args:
        alpha: (h, w), float32, [0, 1].
        size: width and height of the result, pixels.
    """
    window = 2 * BAND + 1
    lowest = ndimage.minimum_filter(alpha, window, mode="nearest")
    highest = ndimage.maximum_filter(alpha, window, mode="nearest")
    levels = np.full(alpha.shape, OPEN, np.uint8)
    levels[lowest > 0.9] = 255
    levels[highest < 0.1] = 0
    return np.array(Image.fromarray(levels).resize(size, Image.Resampling.NEAREST))


def _guide_size(height: int, width: int) -> tuple[int, int]:
    """Width and height at which edges are fitted, pixels."""
    scale = min(1.0, GUIDE_SIDE / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))
