"""How likely it is that a cut-out is right, from what can be seen without knowing the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

from enhancer_worker.matting.coarse import CoarseMatte

GOOD_IOU = 0.9
"""A cut-out counts as right from this intersection over union on."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic function of the signs."""

    version: int
    """Grows with every new fit, so that stored figures can be told apart."""
    constant: float
    """What is added to the weighed signs."""
    weights: tuple[float, ...]
    """One per sign."""


SHIPPED = Calibration(version=6, constant=2.845, weights=(-2.0, -6.498, -2.62))
"""Fitted by `python -m enhancer_worker.training.calibrate_matting --count 600`."""


def signs(matte: CoarseMatte) -> tuple[float, float, float]:
    """What tells a doubtful cut-out: each about 0 for a clear one, up to 1.

    Args:
        matte: what the net has found.

    Returns:
        The error that the net expects, of the product's area; how much of that area is neither in
        nor out; how far the two looks disagree.
    """
    area = float(matte.alpha.sum())
    if area < 1:
        return 1.0, 1.0, 1.0
    undecided = float((4 * matte.alpha * (1 - matte.alpha)).sum())
    expected = float(matte.doubt.sum())
    return (
        min(1.0, expected / area),
        min(1.0, undecided / area),
        1 - matte.agreement,
    )


def confidence(matte: CoarseMatte, calibration: Calibration = SHIPPED) -> float:
    """Probability that the cut-out is right, [0, 1].

    Args:
        matte: what the net has found.
        calibration: how the signs are weighed.

    >>> import numpy as np
    >>> empty = np.zeros((4, 4), np.float32)
    >>> confidence(CoarseMatte(empty, empty, (0, 0, 4, 4)))
    0.0
    """
    if not (matte.alpha >= 0.5).any():
        return 0.0
    weighed = zip(calibration.weights, signs(matte), strict=True)
    score = calibration.constant + sum(weight * sign for weight, sign in weighed)
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))
