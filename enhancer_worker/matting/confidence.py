"""How likely it is that a cut-out is right, from what can be seen without knowing the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from enhancer_worker.matting.coarse import CoarseMatte, shrunken

Pixels = NDArray[np.uint8]

GOOD_IOU = 0.9
"""A cut-out counts as right from this intersection over union on."""
LEVELS = 16
"""Of red, green and blue each, by which colours are told apart."""
BLUR = 0.7
"""How far colours count for their neighbours, standard deviation, levels."""
EDGE = 3
"""What lies so near to the coarse edge has mixed colours, pixels of the coarse alpha."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic function of the signs."""

    version: int
    """Grows with every new fit, so that stored figures can be told apart."""
    constant: float
    """What is added to the weighed signs."""
    weights: tuple[float, ...]
    """One per sign."""


SHIPPED = Calibration(version=4, constant=3.273, weights=(-7.22, -9.57, -1.413, 0.0))
"""Fitted by `python -m enhancer_worker.training.calibrate_matting --count 600`.

The last sign has told bad cut-outs of earlier networks; of this one's it says nothing.
"""


def signs(matte: CoarseMatte, pixels: Pixels) -> tuple[float, float, float, float]:
    """What tells a doubtful cut-out: each about 0 for a clear one, up to 1.

    Args:
        matte: what the net has found.
        pixels: (H, W, 3), uint8, RGB: the whole picture.

    Returns:
        The error that the net expects, of the product's area; how much of that area is neither in
        nor out; how far the two looks disagree; how much of the product looks like background.
    """
    area = float(matte.alpha.sum())
    if area < 1:
        return 1.0, 1.0, 1.0, 1.0
    undecided = float((4 * matte.alpha * (1 - matte.alpha)).sum())
    expected = float(matte.doubt.sum())
    return (
        min(1.0, expected / area),
        min(1.0, undecided / area),
        1 - matte.agreement,
        _alike(matte, pixels),
    )


def _alike(matte: CoarseMatte, pixels: Pixels) -> float:
    """Share of the product whose colours are commoner around it: holes, for one, that were filled.

    The net itself is sure of these.
    """
    found = matte.alpha >= 0.5
    inside = ndimage.binary_erosion(found, iterations=EDGE)
    around = ndimage.binary_erosion(~found, iterations=EDGE, border_value=1)
    if not inside.any():
        return 1.0
    if not around.any():
        return 0.0
    height, width = matte.alpha.shape
    seen = shrunken(pixels, matte.box, (width, height))
    red, green, blue = (seen[..., c].astype(np.intp) * LEVELS // 256 for c in range(3))
    colours = (red * LEVELS + green) * LEVELS + blue
    ours, theirs = (_frequencies(colours[part]) for part in (inside, around))
    return float((theirs > ours)[colours[inside]].mean())


def _frequencies(colours: NDArray[np.intp]) -> NDArray[np.float64]:
    """How common each colour is, (LEVELS ** 3,), together 1."""
    counts = np.bincount(colours, minlength=LEVELS**3).reshape(LEVELS, LEVELS, LEVELS)
    blurred: NDArray[np.float64] = ndimage.gaussian_filter(counts / len(colours), BLUR)
    return blurred.ravel()


def confidence(matte: CoarseMatte, pixels: Pixels, calibration: Calibration = SHIPPED) -> float:
    """Probability that the cut-out is right, [0, 1].

    Args:
        matte: what the net has found.
        pixels: (H, W, 3), uint8, RGB: the whole picture.
        calibration: how the signs are weighed.

    >>> empty = np.zeros((4, 4), np.float32)
    >>> confidence(CoarseMatte(empty, empty, (0, 0, 4, 4)), np.zeros((4, 4, 3), np.uint8))
    0.0
    """
    if not (matte.alpha >= 0.5).any():
        return 0.0
    weighed = zip(calibration.weights, signs(matte, pixels), strict=True)
    score = calibration.constant + sum(weight * sign for weight, sign in weighed)
    return 1 / (1 + math.exp(-float(np.clip(score, -30, 30))))
