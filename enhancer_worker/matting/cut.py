"""Cuts the product out of a picture: alpha, the colours of its edge, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.matting.coarse import Run, coarse_matte
from enhancer_worker.matting.confidence import confidence
from enhancer_worker.matting.foreground import foreground
from enhancer_worker.matting.refine import full_alpha

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class CutOut:
    """A product without its background."""

    colour: Pixels
    """(H, W, 3), uint8, RGB, not premultiplied; as in the picture wherever alpha is 255."""
    alpha: Pixels
    """(H, W), uint8."""
    confidence: float | None
    """Probability that it is right, [0, 1]; None where nobody can say."""


def cut_out(run: Run, pixels: Pixels) -> CutOut:
    """Cut out what a picture shows.

    Args:
        run: the matting net.
        pixels: (H, W, 3), uint8, RGB.
    """
    matte = coarse_matte(run, pixels)
    alpha = full_alpha(pixels, matte)
    return CutOut(foreground(pixels, alpha), alpha, confidence(matte))
