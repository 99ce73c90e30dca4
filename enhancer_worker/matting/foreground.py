"""Finds what colour a product has where its edge is mixed with the background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Pixels = NDArray[np.uint8]
Colours = NDArray[np.float32]

SMALLEST_WEIGHT = 1e-5
GRADIENT_WEIGHT = 1.0
COARSE_ROUNDS = 10
FINE_ROUNDS = 3
COARSE_SIDE = 32
"""Levels up to this side are solved more often: they cost nothing."""
NEIGHBOURS = ((0, 1), (0, -1), (1, 0), (-1, 0))


@dataclass(frozen=True, slots=True)
class _Level:
    """One size of the picture."""

    picture: Colours
    """(H, W, 3), float32, [0, 255]."""
    alpha: NDArray[np.float32]
    """(H, W), float32, [0, 1]."""


def foreground(pixels: Pixels, alpha: Pixels) -> Pixels:
    """Take the background's share out of half transparent pixels.

    Fast Multi-Level Foreground Estimation (Germer et al. 2020, arXiv 2006.14970): the two colours
    of every pixel explain the picture and are like their neighbours', from coarse to fine. What we
    changed: all pixels of a level step at once, and only half transparent ones step at all; what
    is opaque is foreground as it is.

    Args:
        pixels: (H, W, 3), uint8, RGB.
        alpha: (H, W), uint8.

    Returns:
        (H, W, 3), uint8, RGB; equal to ``pixels`` wherever alpha is 0 or 255.
    """
    mixed = (alpha > 0) & (alpha < 255)
    if not mixed.any():
        return pixels
    window = _around(mixed)
    cut, part = pixels[window], alpha[window]
    colours = _solved(cut, part)
    result = pixels.copy()
    inside = mixed[window]
    result[window][inside] = np.rint(np.clip(colours[inside], 0, 255)).astype(np.uint8)
    return result


def _solved(pixels: Pixels, alpha: Pixels) -> Colours:
    """Foreground colours of every pixel, (H, W, 3), float32, [0, 255]."""
    height, width = alpha.shape
    front = behind = np.zeros((1, 1, 3), np.float32)
    for size in _sizes(height, width):
        level = _resized(pixels, alpha, size)
        front, behind = (_enlarged(colours, level.alpha.shape) for colours in (front, behind))
        rounds = COARSE_ROUNDS if max(size) <= COARSE_SIDE else FINE_ROUNDS
        front, behind = _anchored(level, front, behind)
        _refine(level, front, behind, rounds)
    return front


def _anchored(level: _Level, front: Colours, behind: Colours) -> tuple[Colours, Colours]:
    """What is opaque is the foreground's colour, what is empty the background's."""
    opaque, empty = (level.alpha >= 1)[..., None], (level.alpha <= 0)[..., None]
    return np.where(opaque, level.picture, front), np.where(empty, level.picture, behind)


def _refine(level: _Level, front: Colours, behind: Colours, rounds: int) -> None:
    """Solve for both colours of each half transparent pixel in place, neighbours as they are."""
    height, width = level.alpha.shape
    rows, columns = np.nonzero((level.alpha > 0) & (level.alpha < 1))
    if not len(rows):
        return
    own = level.alpha[rows, columns]
    beside = [
        (np.clip(rows + down, 0, height - 1), np.clip(columns + right, 0, width - 1))
        for down, right in NEIGHBOURS
    ]
    weights = [
        (SMALLEST_WEIGHT + GRADIENT_WEIGHT * np.abs(own - level.alpha[at]))[:, None]
        for at in beside
    ]
    total = np.sum(weights, axis=0)
    a, b = own[:, None], 1 - own[:, None]
    picture = level.picture[rows, columns]
    for _ in range(rounds):
        pulled_front, pulled_behind = (
            sum(weight * colours[at] for weight, at in zip(weights, beside, strict=True)) / total
            for colours in (front, behind)
        )
        # The closest pair to the neighbours' that explains the picture, and is weighed like it.
        error = picture - a * pulled_front - b * pulled_behind
        step = error / (a * a + b * b + total)
        front[rows, columns] = np.clip(pulled_front + a * step, 0, 255)
        behind[rows, columns] = np.clip(pulled_behind + b * step, 0, 255)


def _around(mixed: NDArray[np.bool_], margin: int = 8) -> tuple[slice, slice]:
    """The smallest window with all that is half transparent, and a margin."""
    (found,) = ndimage.find_objects(mixed.astype(np.uint8))
    low = [max(0, part.start - margin) for part in found]
    return slice(low[0], found[0].stop + margin), slice(low[1], found[1].stop + margin)


def _sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Width and height of every level, coarse to fine, each twice the one before."""
    count = max(height, width).bit_length()
    halvings = [(-(-width >> n) or 1, -(-height >> n) or 1) for n in range(count, -1, -1)]
    return [(max(1, abs(w)), max(1, abs(h))) for w, h in halvings]


def _resized(pixels: Pixels, alpha: Pixels, size: tuple[int, int]) -> _Level:
    def shrunk(plane: Pixels) -> NDArray[np.float32]:
        if plane.shape[:2] == size[::-1]:
            return plane.astype(np.float32)
        image = Image.fromarray(plane).resize(size, Image.Resampling.BOX)
        return np.asarray(image, np.float32)

    return _Level(shrunk(pixels), shrunk(alpha) / np.float32(255))


def _enlarged(colours: Colours, shape: tuple[int, ...]) -> Colours:
    height, width = shape[:2]
    rows = np.arange(height) * colours.shape[0] // height
    columns = np.arange(width) * colours.shape[1] // width
    return np.ascontiguousarray(colours[rows[:, None], columns[None, :]])
