"""Proves that a product came through its composite, and measures what the file makes of it.

Pixel lock: inside the product the composite has the very pixels of the framed product, to the bit.
A JPEG rounds them; how far is measured on the file, decoded again. On product pictures at
2,000 x 2,000 (six cut-outs of shops, qualities 80 to 95 of JPEG, four of them as WebP and AVIF too)
the largest CIEDE2000 found was 0.6 at the median and 2.6 at p95, with single pixels up to 32 levels
away; JPEG of quality 70 had 0.5 and 2.7. The limits lie well above that: 8-bit noise in every pixel
and colour has 1.9 and 5.3 at quality 92. A wrong profile or a shifted picture lies beyond them.

White lock: before plain white, what is not product at all is 255 in the composite. In the file the
share of exactly white pixels is measured, with the darkest. A PNG has all of them, and so has a
JPEG (``white_jpeg``). WebP and AVIF ring where blocks of pixels hold some of the product: thirteen
cut-outs of shops at 1,600 x 1,600 had 95.0 to 99.9 % and 97.1 to 99.9 % at quality 92. A quality at
which white itself becomes 254 fails.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from enhancer_worker.pipeline.colour import ciede2000, srgb_to_lab
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.encode import EncodedFile
from enhancer_worker.pipeline.transparency import fill_transparent
from shopimg.contract import Backdrop, PixelLockError

Pixels = NDArray[np.uint8]

MARGIN_PIXELS = 3
"""What lies that near to the product's edge does not count as its inside."""
LARGEST_MEDIAN, LARGEST_P95 = 2.0, 6.0
"""CIEDE2000 in the file, above which the lock fails."""
_LOSSLESS = ("png",)
_SAMPLED_PIXELS = 40_000
_WORST_PIXELS = 4_000


def check_locks(
    product: Picture, composite: Picture, file: EncodedFile, step: Backdrop
) -> dict[str, float]:
    """Check the product in a composite and in its file, and measure the white around it.

    Args:
        product: framed, with its transparency.
        composite: the product before its backdrop, as it was encoded.
        file: what was made of the composite.
        step: the backdrop.

    Returns:
        Figures for the variant: ``pixel_lock_*``, and ``white_*`` before plain white.

    Raises:
        PixelLockError: a pixel of the product is not what it was, or the file is too far from it.
    """
    if product.alpha is None:
        raise ValueError("a product without transparency has no inside")
    inside = inside_of(product.alpha)
    check_composite(product, composite, inside)
    decoded = _decoded(file)
    figures = check_file(composite.pixels, decoded, inside, lossless=file.format in _LOSSLESS)
    if step.is_white:
        figures |= white_figures(product, composite.pixels, decoded)
    return figures


def inside_of(alpha: Pixels) -> NDArray[np.bool_]:
    """Tell what is opaque, together with all that lies within three pixels: (H, W), bool."""
    inside = alpha
    for axis in (0, 1):
        inside = ndimage.minimum_filter1d(inside, 2 * MARGIN_PIXELS + 1, axis, mode="nearest")
    result: NDArray[np.bool_] = inside == 255
    return result


def check_composite(product: Picture, composite: Picture, inside: NDArray[np.bool_]) -> None:
    """Compare the product's inside with the composite's: every pixel, to the bit.

    Raises:
        PixelLockError: one of them differs.
    """
    if composite.pixels.shape != product.pixels.shape:
        raise PixelLockError(
            detail=f"composite {composite.pixels.shape}, product {product.pixels.shape}"
        )
    different = (product.pixels != composite.pixels).any(axis=2) & inside
    count = int(different.sum())
    if count:
        row, column = np.argwhere(different)[0].tolist()
        raise PixelLockError(
            detail=f"{count} of {int(inside.sum())} pixels changed, first at {column}, {row}"
        )


def check_file(
    composite: Pixels, decoded: Pixels, inside: NDArray[np.bool_], *, lossless: bool
) -> dict[str, float]:
    """Measure how far a file is from its composite inside the product.

    Args:
        composite: (H, W, 3), uint8: what was encoded.
        decoded: (H, W, 3), uint8: what the file shows.
        inside: (H, W): the product without its edge.
        lossless: whether the file may differ at all.

    Returns:
        The largest difference of a level, and CIEDE2000 at the median, at p95 and at most. The
        latter three are of 40,000 pixels spread evenly, the maximum also of those furthest off.
        Nothing for a product that is all edge: there is no pixel to compare.

    Raises:
        PixelLockError: further than the limits allow.
    """
    if decoded.shape != composite.shape:
        raise PixelLockError(detail=f"the file has {decoded.shape}, not {composite.shape}")
    wanted, found = composite[inside], decoded[inside]
    if not len(wanted):
        return {}
    away = np.maximum(wanted, found) - np.minimum(wanted, found)
    largest = away.max(axis=1)
    spread = _differences(wanted, found, np.arange(0, len(wanted), _step(len(wanted))))
    worst = np.flatnonzero(largest == largest.max())[:_WORST_PIXELS]
    median, p95 = (float(np.percentile(spread, share)) for share in (50, 95))
    figures = {
        "pixel_lock_max_difference": float(largest.max()),
        "pixel_lock_p50": round(median, 4),
        "pixel_lock_p95": round(p95, 4),
        "pixel_lock_max": round(
            float(max(spread.max(), _differences(wanted, found, worst).max())), 4
        ),
    }
    if (lossless and largest.any()) or median > LARGEST_MEDIAN or p95 > LARGEST_P95:
        raise PixelLockError(detail=f"in the file: {figures}")
    return figures


def white_figures(product: Picture, composite: Pixels, decoded: Pixels) -> dict[str, float]:
    """Measure the white around a product.

    Args:
        product: framed, with its transparency.
        composite: (H, W, 3), uint8: the product before white.
        decoded: (H, W, 3), uint8: what its file shows.

    Returns:
        Of all that is wholly transparent in the product: the share that is exactly 255 in the file
        and the darkest level. Of the half transparent edge: how far it is, in CIEDE2000 on average,
        from a clean blend of the nearest inside with white; an old background shows there.

    Raises:
        PixelLockError: the composite is not white there, or white is not white in the file.
    """
    if product.alpha is None:
        raise ValueError("a product without transparency has nothing around it")
    around = product.alpha == 0
    if not around.any():
        return {"white_halo": _halo(product, product.alpha, composite)}
    if composite[around].min() < 255:
        raise PixelLockError(detail="the composite is not white around the product")
    darkest = decoded[around].min(axis=1)
    if np.median(darkest) < 255:
        raise PixelLockError(
            detail=f"white is {int(np.median(darkest))} in the file: choose another output.quality"
        )
    return {
        "white_share": round(float((darkest == 255).mean()), 6),
        "white_min": float(darkest.min()),
        "white_halo": _halo(product, product.alpha, composite),
    }


def _halo(product: Picture, alpha: Pixels, composite: Pixels) -> float:
    edge = (alpha > 0) & (alpha < 255)
    inside = np.where(inside_of(alpha), np.uint8(255), np.uint8(0))
    if not edge.any() or not inside.any():
        return 0.0
    nearest = fill_transparent(product.pixels, inside)[edge]
    share = alpha[edge][:, None] / np.float32(255)
    clean = np.rint(share * nearest + (1 - share) * 255).astype(np.uint8)
    found = composite[edge]
    return round(
        float(_differences(clean, found, np.arange(0, len(found), _step(len(found)))).mean()), 4
    )


def _differences(first: Pixels, second: Pixels, chosen: NDArray[np.intp]) -> NDArray[np.float64]:
    return ciede2000(srgb_to_lab(first[chosen]), srgb_to_lab(second[chosen]))


def _step(count: int) -> int:
    """Return every how manieth pixel is measured."""
    return max(1, count // _SAMPLED_PIXELS)


def _decoded(file: EncodedFile) -> Pixels:
    with Image.open(io.BytesIO(file.content)) as image:
        return np.asarray(image.convert("RGB"))
