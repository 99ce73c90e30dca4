"""Measures the palette of a picture: mean colours of its two regions, and an accent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.nets.backdrop_conditions import Colour, Palette

ACCENT_SHARE = 0.1
MARGIN = 0.04
"""Rows around the horizon that belong to neither region, share of the frame."""


def measure_palette(picture: NDArray[np.floating], horizon: float) -> Palette:
    """Measure (H, W, 3), sRGB in [0, 1].

    Means rather than clusters: they are ordered, exact, and have a gradient. The accent is the
    mean of the tenth of the surface that is furthest from the surface's mean.

    Args:
        picture: a square backdrop.
        horizon: share of it, from its bottom, that is surface.
    """
    rows = (np.arange(picture.shape[0]) + 0.5) / picture.shape[0] - (1 - horizon)
    below = picture[rows > MARGIN].reshape(-1, 3)
    above = picture[rows < -MARGIN].reshape(-1, 3)
    surface, wall = below.mean(0), above.mean(0)
    far = np.square(below - surface).sum(1)
    most = max(1, int(len(far) * ACCENT_SHARE))
    accent = below[np.argpartition(far, -most)[-most:]].mean(0)
    return _colour(surface), _colour(wall), _colour(accent)


def _colour(value: NDArray[np.floating]) -> Colour:
    red, green, blue = (round(float(v) * 255) for v in np.clip(value, 0, 1))
    return red, green, blue
