"""Tells what transparency is for, and what colours belong where it is."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from enhancer_worker.matting.pieces import VISIBLE

_FAINTEST_LEVEL = 48
_FAINTEST = 0.5
"""Level from which a pixel's transparency is rounded to one that is seen."""
_LOBES = 3
"""Pixels, of the larger of both pictures, that Lanczos looks far."""
_BAND_ROWS = 512
"""Rows that are resampled in floating point at a time: it takes eight times the memory."""
_CORNER_SHARE = 0.25
"""Of each side: rounder corners than that are of a round product."""
_LEAST_CLEAR_SHARE = 0.01
"""Of the picture. All of 146 cut-outs of shops are clear in 19 % or more beside their corners;
cropped to the product, in 1.3 % or more, but for 13 boxes with round corners, which are clear in
0.1 % or less, as photos with such corners are."""


def is_cut_out(alpha: NDArray[np.uint8]) -> bool:
    """Tell whether transparency sets a product free, and is no trace of how a photo was edited.

    Stray pixels, thin rims and veils are clear nearly nowhere, and round corners in the corners
    alone. Where a product is mistaken for a photo, a network cuts it out and says how sure it is;
    a photo that is mistaken for a product would keep its background, and nobody would be told.

    Args:
        alpha: (H, W), uint8.

    >>> ring = np.zeros((100, 100), np.uint8)
    >>> ring[10:90, 10:90] = 255
    >>> is_cut_out(ring)
    True
    """
    clear = alpha < VISIBLE
    for corner in itertools.product(*map(_ends, alpha.shape)):
        clear[corner] = False
    return bool(clear.mean() >= _LEAST_CLEAR_SHARE)


def on_white(pixels: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay a picture on white, as a page shows it.

    Args:
        pixels: (H, W, 3), uint8, RGB, not premultiplied.
        alpha: (H, W), uint8.

    Returns:
        (H, W, 3), uint8, RGB.
    """
    image = Image.fromarray(pixels)
    return np.array(
        Image.composite(image, Image.new("RGB", image.size, "white"), Image.fromarray(alpha))
    )


def fill_transparent(pixels: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Replace the invisible colours of fully transparent pixels.

    A net, or any resampling, mixes neighbours. What hides under transparent pixels is arbitrary,
    mostly black, and would bleed into the visible edge. Colours are carried outwards instead: a
    pyramid of premultiplied, that is alpha-weighted, halvings is read back from its top.

    Args:
        pixels: (H, W, 3), uint8, RGB, not premultiplied.
        alpha: (H, W), uint8.

    Returns:
        (H, W, 3), uint8; equal to ``pixels`` wherever alpha is above 0.
    """
    image = Image.fromarray(np.dstack([pixels, alpha]))
    return np.array(_fill(image))


def resample_seen(
    pixels: NDArray[np.uint8],
    alpha: NDArray[np.uint8],
    size: tuple[int, int],
    box: tuple[float, float, float, float] | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Resample by Lanczos: each colour counts by how much of it is seen.

    Else the black of a soft shadow would darken the edge of the product that it lies beside.

    Args:
        pixels: (H, W, 3), uint8, RGB, not premultiplied.
        alpha: (H, W), uint8.
        size: width and height to reach, pixels.
        box: left, top, right, bottom of the part to take; all by default.

    Returns:
        Colours (height, width, 3) and transparency (height, width), uint8; colours are black where
        nothing is seen.
    """
    width, height = size
    left, top, right, bottom = box or (0, 0, alpha.shape[1], alpha.shape[0])
    colours = np.empty((height, width, 3), np.uint8)
    opacity = np.empty((height, width), np.uint8)
    for first in range(0, height, _BAND_ROWS):
        rows = slice(first, min(first + _BAND_ROWS, height))
        upper, lower = (top + (bottom - top) * row / height for row in (rows.start, rows.stop))
        part = (left, upper, right, lower)
        colours[rows], opacity[rows] = _seen(pixels, alpha, (width, rows.stop - first), part)
    return colours, opacity


def _seen(
    pixels: NDArray[np.uint8],
    alpha: NDArray[np.uint8],
    size: tuple[int, int],
    box: tuple[float, float, float, float],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    reach = math.ceil(_LOBES * max(1.0, (box[3] - box[1]) / size[1])) + 1
    rows = slice(max(0, int(box[1]) - reach), int(box[3]) + reach)
    pixels, levels = pixels[rows], alpha[rows].astype(np.float32)
    within = (box[0], box[1] - rows.start, box[2], box[3] - rows.start)

    def resampled(values: NDArray[np.float32]) -> NDArray[np.float32]:
        image = Image.fromarray(values)
        return np.asarray(image.resize(size, Image.Resampling.LANCZOS, box=within))

    # Not by Pillow's own premultiplication: it cuts overshoots off before it divides by them,
    # which draws a line of another colour along every hard edge.
    covered = resampled(levels)
    share = np.where(covered >= _FAINTEST, covered, np.inf)
    colours = np.empty((*covered.shape, 3), np.uint8)
    for channel in range(3):
        seen = resampled(pixels[..., channel] * levels) / share
        colours[..., channel] = np.rint(np.clip(seen, 0, 255, out=seen), out=seen)
    return colours, np.rint(np.clip(covered, 0, 255)).astype(np.uint8)


def _ends(length: int) -> tuple[slice, slice]:
    """Return the first and the last part of a side, as long as a corner."""
    depth = int(length * _CORNER_SHARE)
    return slice(0, depth), slice(length - depth, length)


def _fill(image: Image.Image) -> Image.Image:
    opaque = image.convert("RGB")
    if image.size == (1, 1):
        return opaque
    half = ((image.width + 1) // 2, (image.height + 1) // 2)
    smaller = image.convert("RGBa").resize(half, Image.Resampling.BOX).convert("RGBA")
    smaller.putalpha(smaller.getchannel("A").point(_saturate))
    around = _fill(smaller).resize(image.size, Image.Resampling.BILINEAR)
    visible = image.getchannel("A").point(lambda level: 255 if level else 0)
    return Image.composite(opaque, around, visible)


def _saturate(level: int) -> int:
    """Trust a quarter of coverage fully, and traces, whose 8-bit colour is a guess, not at all."""
    return min(255, 4 * level) if level >= _FAINTEST_LEVEL else 0
