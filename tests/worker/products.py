"""Products with known silhouettes, for tests of what is done with a cut-out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from enhancer_worker.pipeline.context import Picture


def block(
    width: int, height: int, box: tuple[int, int, int, int], softness: float = 0.0
) -> Picture:
    """A noisy block, opaque within (left, top, right, bottom); colours go on below transparency."""
    alpha = np.zeros((height, width), np.float32)
    alpha[box[1] : box[3], box[0] : box[2]] = 255
    if softness:
        alpha = ndimage.gaussian_filter(alpha, softness)
    return Picture(texture(width, height), np.rint(alpha).astype(np.uint8))


def texture(width: int, height: int) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(60, 200, (height, width, 3), np.uint8)


def rgba(picture: Picture) -> NDArray[np.uint8]:
    assert picture.alpha is not None
    return np.dstack([picture.pixels, picture.alpha])
