"""Asks the colours of a picture whether the alpha of a net is likely.

In the manner of GrabCut (Rother, Kolmogorov and Blake 2004), which models the colours of product
and background and divides the picture again until that settles. What we changed: soft histograms in
place of mixtures and cuts, the net's alpha stays as evidence, and colours count the less the more
both sides share.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Plane = NDArray[np.float32]

BINS = (16, 24, 24)
"""Of luma, and of the two chromas within half their range, beyond which all counts alike."""
ROUNDS = 3
WEIGHT = 1.5
"""Of the colours' evidence beside the net's, where no colour is on both sides."""
MOST_NATS = 4.0
"""Evidence of one colour at most, natural logarithm of the odds."""
RARE = 2e-5
"""Density below which a colour says nothing."""
NET_SURE = 0.99
"""Alpha beyond which the net counts as no surer."""
FEWEST_PIXELS = 20


def weighed_by_colour(pixels: NDArray[np.uint8], alpha: Plane, doubt: Plane) -> Plane:
    """Alpha after the colours of product and background have been heard.

    Args:
        pixels: (H, W, 3), uint8, RGB.
        alpha: (H, W), float32, [0, 1]: what the net has found.
        doubt: (H, W), float32, [0, 1]: the error that it expects of that, beyond which its alpha
            is no evidence.

    Returns:
        (H, W), float32, [0, 1]; alpha as it is where one of the sides is all but empty.
    """
    bins = _bins(pixels)
    floor = np.clip(doubt, 1 - NET_SURE, 0.5)
    clipped = np.clip(alpha, floor, 1 - floor)
    logits = np.log(clipped / (1 - clipped))
    weighed = alpha
    for _ in range(ROUNDS):
        product = weighed > 0.5
        if min(product.sum(), product.size - product.sum()) < FEWEST_PIXELS:
            return alpha
        sure = 1 - doubt
        inside = _density(bins, weighed**2 * sure)
        outside = _density(bins, (1 - weighed) ** 2 * sure)
        evidence = np.log((inside + RARE) / (outside + RARE))[bins]
        vote = 1 / (1 + np.exp(-evidence))
        apart = max(0.0, float(vote[product].mean() - vote[~product].mean()))
        smooth = ndimage.gaussian_filter(np.clip(evidence, -MOST_NATS, MOST_NATS), 1.0)
        weighed = 1 / (1 + np.exp(-(logits + WEIGHT * apart**2 * smooth)))
    return weighed.astype(np.float32)


def _bins(pixels: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Number of each pixel's colour: (H, W)."""
    planes = np.asarray(Image.fromarray(pixels).convert("YCbCr"), np.float32) / 256
    planes[..., 1:] = np.clip(2 * planes[..., 1:] - 0.5, 0, 0.999)
    places = (planes * np.array(BINS, np.float32)).astype(np.intp)
    return np.ravel_multi_index((places[..., 0], places[..., 1], places[..., 2]), BINS)


def _density(bins: NDArray[np.intp], weights: Plane) -> NDArray[np.float64]:
    """Share of every colour in a side, neighbouring colours mixed: (prod(BINS),), sum 1."""
    counts = np.bincount(bins.ravel(), weights.ravel(), int(np.prod(BINS)))
    smooth = ndimage.gaussian_filter(counts.reshape(BINS), 0.8, mode="constant").ravel()
    density: NDArray[np.float64] = smooth / max(float(smooth.sum()), 1e-9)
    return density
