"""Finds what colour a product has where its edge is mixed with the background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Pixels = NDArray[np.uint8]
Colours = NDArray[np.float32]
Places = NDArray[np.intp]

SMALLEST_WEIGHT = 1e-5
GRADIENT_WEIGHT = 1.0
COARSE_ROUNDS = 10
FINE_ROUNDS = 3
COARSE_SIDE = 32
"""Levels up to this side are solved more often: they cost nothing."""
LARGEST_SIDE = 640
"""The largest level on which neighbours are asked; colours do not change from pixel to pixel."""
COARSE_TRUST = 0.05
"""How much the colours of that level count beside the picture itself."""
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
    is opaque is foreground as it is. Large pictures are solved at a smaller size, whose colours
    then have to explain each pixel.

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
    front, behind = _solved(cut, part)
    rows, columns = np.nonzero(mixed[window])
    result = pixels.copy()
    result[window][rows, columns] = _explained(cut, part, front, behind, (rows, columns))
    return result


def _explained(
    pixels: Pixels, alpha: Pixels, front: Colours, behind: Colours, at: tuple[Places, Places]
) -> Pixels:
    """Correct the colours of a smaller level until both explain the picture: (N, 3), uint8."""
    rows, columns = at
    down, across = front.shape[0] / alpha.shape[0], front.shape[1] / alpha.shape[1]
    below = ((rows * down).astype(np.intp), (columns * across).astype(np.intp))
    a = alpha[rows, columns].astype(np.float32)[:, None] / np.float32(255)
    error = pixels[rows, columns] - a * front[below] - (1 - a) * behind[below]
    colours = front[below] + a * error / (a * a + (1 - a) ** 2 + COARSE_TRUST)
    levels: Pixels = np.rint(np.clip(colours, 0, 255)).astype(np.uint8)
    return levels


def _solved(pixels: Pixels, alpha: Pixels) -> tuple[Colours, Colours]:
    """Colours of product and background, (h, w, 3), float32, [0, 255], `LARGEST_SIDE` at most."""
    height, width = alpha.shape
    front = behind = np.zeros((1, 1, 3), np.float32)
    shrinkage = max(1.0, max(height, width) / LARGEST_SIDE)
    for size in _sizes(*(max(1, round(side / shrinkage)) for side in (height, width))):
        level = _resized(pixels, alpha, size)
        front, behind = (_enlarged(colours, level.alpha.shape) for colours in (front, behind))
        rounds = COARSE_ROUNDS if max(size) <= COARSE_SIDE else FINE_ROUNDS
        front, behind = _anchored(level, front, behind)
        _refine(level, front, behind, rounds)
    return front, behind


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
    return [(-(-width >> n), -(-height >> n)) for n in range(count, -1, -1)]


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
