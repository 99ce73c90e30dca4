"""Continues a picture beyond its edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from enhancer_worker.pipeline.boxes import Box

_TEXTURE_SHARE = 0.06
_COARSE_SIDE = 256
_BLUR_BY_DISTANCE = 0.25
_BLURS = (1.0, 4.0, 16.0, 48.0)
_BAND_ROWS = 256


def extend(pixels: NDArray[np.uint8], target: Box, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Set a picture into a larger frame and continue its edges.

    Right beside it the picture is mirrored, so that grain and texture go on; further away that
    fades into the colours of the edge, which go straight on and grow smoother with distance.

    Args:
        pixels: (h, w, 3), uint8, RGB, as large as ``target``.
        target: where it lies, within the frame.
        size: width and height of the frame, pixels.

    Returns:
        (H, W, 3), uint8; equal to ``pixels`` within ``target``.
    """
    width, height = size
    if (target.width, target.height) == size:
        return pixels
    margins = ((target.top, height - target.bottom), (target.left, width - target.right), (0, 0))
    away = _distance(target, size)
    result = _smooth(np.pad(pixels, margins, mode="edge"), away)
    mirrored = np.pad(pixels, margins, mode="symmetric")
    reach = np.float32(max(1.0, _TEXTURE_SHARE * max(size)))
    for top in range(0, height, _BAND_ROWS):
        band = slice(top, top + _BAND_ROWS)
        share = (np.clip(1 - away[band] / reach, 0, 1) ** 2)[..., None]
        result[band] = np.rint(result[band] + share * (mirrored[band] - result[band].astype(float)))
    result[target.area] = pixels
    return result


def _smooth(continued: NDArray[np.uint8], away: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Blur a picture the more, the further a pixel is away; coarsely, as nothing of it is sharp."""
    height, width = away.shape
    share = min(1.0, _COARSE_SIDE / max(width, height))
    coarse_size = (max(1, round(width * share)), max(1, round(height * share)))
    coarse = np.asarray(Image.fromarray(continued).resize(coarse_size, Image.Resampling.BOX))
    distance = np.asarray(Image.fromarray(away).resize(coarse_size, Image.Resampling.BILINEAR))
    blurred = [
        ndimage.gaussian_filter(coarse.astype(np.float32), (sigma, sigma, 0), mode="nearest")
        for sigma in _BLURS
    ]
    wanted = np.maximum(distance * np.float32(share * _BLUR_BY_DISTANCE), 1)
    level = np.interp(np.log(wanted), np.log(_BLURS), np.arange(len(_BLURS)))
    mixed = sum(
        np.clip(1 - np.abs(level - number), 0, 1)[..., None] * layer
        for number, layer in enumerate(blurred)
    )
    image = Image.fromarray(np.rint(mixed).astype(np.uint8))
    return np.array(image.resize((width, height), Image.Resampling.BICUBIC))


def _distance(target: Box, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return how many pixels each pixel of the frame is away from a box, 0 within."""
    across, down = (np.arange(length, dtype=np.float32) for length in size)
    sideways = np.maximum(np.maximum(target.left - across, across - (target.right - 1)), 0)
    upright = np.maximum(np.maximum(target.top - down, down - (target.bottom - 1)), 0)
    return np.maximum(upright[:, None], sideways[None, :])
