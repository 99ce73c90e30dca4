"""Removes what is left of the path tracer's noise; never touches the surfaces' own texture.

Non-local means over the light alone: the picture is divided by the surfaces' colour, which the
path tracer knows without noise, filtered, and multiplied again, so printed letters stay as sharp
as they were rendered. Differences that the pixels' own variance explains count as noise
("Robust Denoising using Feature and Color Information", Rousselle et al. 2013, simplified).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from demoshop.render.film import Exposure

Array = NDArray[np.float64]
WINDOW_PIXELS = 7
"""How far the filter looks for similar pixels, in each direction."""
PATCH_PIXELS = 2
"""Half the size of the patches that it compares."""
STRENGTH = 0.55
"""Differences up to this many standard deviations are taken for noise."""
FEATURE_TOLERANCE = {"albedo": 0.03, "normal": 0.06}
DARKEST_ALBEDO = 0.02


def denoise(exposure: Exposure) -> Array:
    """Return the radiance without noise, (H, W, 3)."""
    divisor = np.maximum(exposure.albedo, DARKEST_ALBEDO)
    light = _clamp_fireflies(exposure.light / divisor)
    variance = _box(exposure.variance / divisor**2, 1)
    total, weights = np.zeros_like(light), np.zeros(light.shape[:2])
    for dy in range(-WINDOW_PIXELS, WINDOW_PIXELS + 1):
        for dx in range(-WINDOW_PIXELS, WINDOW_PIXELS + 1):
            weight = _similarity(exposure, light, variance, (dy, dx))
            total += weight[..., None] * _shifted(light, dy, dx)
            weights += weight
    result: Array = total / weights[..., None] * divisor
    return result


def _similarity(exposure: Exposure, light: Array, variance: Array, shift: tuple[int, int]) -> Array:
    other_variance = _shifted(variance, *shift)
    noise = variance + np.minimum(variance, other_variance)
    scale = 1e-6 + STRENGTH**2 * (variance + other_variance)
    distance = ((light - _shifted(light, *shift)) ** 2 - noise) / scale
    distance = _box(distance.mean(axis=-1), PATCH_PIXELS)
    for name, tolerance in FEATURE_TOLERANCE.items():
        feature = getattr(exposure, name)
        gap = ((feature - _shifted(feature, *shift)) ** 2).mean(axis=-1) / tolerance**2
        distance = np.maximum(distance, gap)
    return np.exp(-np.clip(distance, 0, 50))


def _clamp_fireflies(light: Array) -> Array:
    """Cut single pixels that are far brighter than everything around them."""
    around = np.stack(
        [_shifted(light, dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]
    )
    limited: Array = np.minimum(light, 1.5 * np.sort(around, axis=0)[-2] + 1e-3)
    return limited


def _shifted(values: Array, dy: int, dx: int) -> Array:
    """Move the picture; what leaves on one side is repeated on the other."""
    height, width = values.shape[:2]
    rows = np.clip(np.arange(height) + dy, 0, height - 1)
    columns = np.clip(np.arange(width) + dx, 0, width - 1)
    return values[rows][:, columns]


def _box(values: Array, reach: int) -> Array:
    """Mean over (2 reach + 1)^2 pixels."""
    size = 2 * reach + 1
    for axis in (0, 1):
        pad = [(reach + 1, reach) if axis == a else (0, 0) for a in range(values.ndim)]
        sums = np.cumsum(np.pad(values, pad, mode="edge"), axis=axis)
        length = values.shape[axis]
        high = np.take(sums, np.arange(size, size + length), axis=axis)
        low = np.take(sums, np.arange(length), axis=axis)
        values = (high - low) / size
    return values
