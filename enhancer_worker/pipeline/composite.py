"""Sets a product before a backdrop: one formula, exact where the product is opaque."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.pipeline.averages import stretch_rows
from enhancer_worker.pipeline.colour import LIGHT_STEPS, light_tables
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.harmony import NO_CHANGE
from enhancer_worker.pipeline.reflection import Reflection

Floats = NDArray[np.float32]

_BAND_ROWS = 256


def compose(
    product: Picture,
    backdrop: NDArray[np.uint8],
    *,
    light: Floats | None = None,
    gains: tuple[float, float, float] = NO_CHANGE,
    reflection: Reflection | None = None,
) -> NDArray[np.uint8]:
    """Mix ``alpha * product + (1 - alpha) * (backdrop * shadow + reflection)``.

    Light is multiplied as light; everything else is mixed as it is encoded, as transparency is
    understood everywhere.

    Args:
        product: with its transparency.
        backdrop: (H, W, 3), uint8, as large as the product's picture.
        light: (h, w), float32, [0, 1]: what the product leaves of it, stretched over the picture;
            None for all.
        gains: of the backdrop's red, green and blue, in linear light.
        reflection: what the surface mirrors.

    Returns:
        (H, W, 3), uint8: equal to the product wherever that is opaque, and to the backdrop where
        there is neither product nor shadow nor gain.
    """
    result = np.empty_like(backdrop)
    for top in range(0, product.height, _BAND_ROWS):
        rows = slice(top, min(top + _BAND_ROWS, product.height))
        around = _lit(backdrop, rows, light, gains)
        if reflection is not None:
            _mirror(around, rows, reflection)
        result[rows] = _over(product, rows, around)
    return result


def _lit(
    backdrop: NDArray[np.uint8],
    rows: slice,
    light: Floats | None,
    gains: tuple[float, float, float],
) -> Floats:
    """Return some rows of the backdrop with the product's shadow, (rows, W, 3), [0, 255]."""
    if light is None and gains == NO_CHANGE:
        return backdrop[rows].astype(np.float32)
    to_light, to_level = (table.astype(np.float32) for table in light_tables())
    left = np.ones((1, 1), np.float32)
    if light is not None:
        left = stretch_rows(light, (backdrop.shape[1], backdrop.shape[0]), rows)
    result = np.empty((*backdrop[rows].shape[:2], 3), np.float32)
    for channel, gain in enumerate(gains):
        lit = to_light[backdrop[rows, :, channel]] * (left * np.float32(gain))
        np.clip(lit, 0, LIGHT_STEPS, out=lit)
        result[..., channel] = to_level[np.rint(lit, out=lit).astype(np.uint16)]
    return result


def _mirror(around: Floats, rows: slice, reflection: Reflection) -> None:
    first, last = max(rows.start, reflection.rows.start), min(rows.stop, reflection.rows.stop)
    if first >= last:
        return
    area = around[first - rows.start : last - rows.start]
    part = slice(first - reflection.rows.start, last - reflection.rows.start)
    area += reflection.share[part, :, None] * (reflection.pixels[part] - area)


def _over(product: Picture, rows: slice, around: Floats) -> NDArray[np.uint8]:
    if product.alpha is None:
        return product.pixels[rows]
    opacity = product.alpha[rows]
    share = (opacity.astype(np.float32) / np.float32(255))[..., None]
    around += share * (product.pixels[rows] - around)
    mixed = np.rint(around, out=around).astype(np.uint8)
    opaque = opacity == 255
    # The promise does not hang on how floats are rounded.
    mixed[opaque] = product.pixels[rows][opaque]
    return mixed
