"""Mirrors a product in the surface that it stands on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.footing import Footing, ground_of
from enhancer_worker.pipeline.framing import product_box
from shopimg.contract import Backdrop

_REACH_SHARE = 0.45
_BLUR_SHARE = 0.012


@dataclass(frozen=True, slots=True)
class Reflection:
    """What the surface mirrors."""

    rows: slice
    """Where in the picture."""
    pixels: NDArray[np.uint8]
    """(rows, W, 3), uint8, RGB."""
    share: NDArray[np.float32]
    """(rows, W), float32, [0, 1]: how much of the surface's own light it replaces."""


def reflect(product: Picture, step: Backdrop) -> Reflection | None:
    """Mirror the product where it stands; further away it is fainter and more blurred.

    A surface that mirrors a product does not mirror there what is behind it: the reflection
    replaces light, so that it is seen on white too.

    Args:
        product: framed, with its transparency.
        step: share of the product that is mirrored, and whether it floats.

    Returns:
        None where nothing is mirrored, or the product stands on the lower edge.
    """
    box = None if product.alpha is None else product_box(product.alpha)
    if step.reflection == 0 or box is None or product.alpha is None:
        return None
    ground = ground_of(box.bottom, box.height, product.height, step, seamless=True)
    footing = Footing.of(product.alpha, ground.tilt)
    reach = max(1.0, _REACH_SHARE * box.height)
    first = max(0, int(footing.deepest - footing.depth))
    rows = slice(first, min(product.height, int(ground.line + reach) + 1))
    if ground.line >= product.height or rows.stop - rows.start < 2:
        return None
    # A column is mirrored where it stands; what does not reach down, in the middle of the depth.
    middle = footing.deepest - footing.depth / 2
    edge = np.where(footing.lowest >= middle, footing.lowest, middle) + 0.5
    edge += max(0.0, ground.line - footing.deepest - 1)
    below = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] - edge
    mirrored = _gathered(product, np.rint(edge - below).astype(np.int32), below > 0)
    mirrored = _blurred(mirrored, np.clip(below / reach, 0, 1), _BLUR_SHARE * product.height)
    fade = np.clip(1 - below / reach, 0, 1) ** 2
    share = mirrored[..., 3].astype(np.float32) * (fade * np.float32(step.reflection / 255))
    return Reflection(rows, mirrored[..., :3], share.astype(np.float32))


def _gathered(
    product: Picture, source: NDArray[np.int32], below: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Take each pixel from another row of its column: (rows, W, 4)."""
    columns = np.arange(product.width)[None, :]
    inside = below & (source >= 0) & (source < product.height)
    source = np.clip(source, 0, product.height - 1)
    alpha = np.zeros((product.height, product.width), np.uint8)
    if product.alpha is not None:
        alpha = product.alpha
    mirrored = np.empty((*source.shape, 4), np.uint8)
    mirrored[..., :3] = product.pixels[source, columns]
    mirrored[..., 3] = np.where(inside, alpha[source, columns], 0)
    return mirrored


def _blurred(
    mirrored: NDArray[np.uint8], distance: NDArray[np.float32], radius: float
) -> NDArray[np.uint8]:
    """Mix a picture with a blurred one, the more of it, the further a pixel is away."""
    # Premultiplied throughout: what is not seen has a colour too, mostly black.
    image = Image.fromarray(mirrored).convert("RGBa")
    blurred = image.filter(ImageFilter.GaussianBlur(radius))
    share = Image.fromarray(np.rint(255 * distance).astype(np.uint8))
    return np.asarray(Image.composite(blurred, image, share).convert("RGBA"))
