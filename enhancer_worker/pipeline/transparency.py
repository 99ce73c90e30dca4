"""Gives transparent pixels the colours of what lies beside them, so that no edge turns dark."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_FAINTEST_LEVEL = 48


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
