"""Cuts the product out of a picture: alpha, the colours of its edge, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.matting.coarse import Run, coarse_matte
from enhancer_worker.matting.confidence import confidence
from enhancer_worker.matting.foreground import foreground
from enhancer_worker.matting.mount import Box, picture_box
from enhancer_worker.matting.refine import full_alpha

Pixels = NDArray[np.uint8]

DOUBTFUL = 0.8
"""Confidence below which somebody looks at a cut-out anyway."""
BORDER_SHARE = 0.75
"""How often what looks like a picture in a border is one, and not a box or a book before something
plain: a guess, such that somebody always looks at it."""


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
    """Cut out what a picture shows; within a border that was put around it, where that is clearer.

    Args:
        run: the matting net.
        pixels: (H, W, 3), uint8, RGB.
    """
    whole = coarse_matte(run, pixels)
    alpha, sure = full_alpha(pixels, whole), confidence(whole)
    box = picture_box(pixels) if sure < DOUBTFUL else None
    if box is not None:
        alpha, sure = _within(run, pixels, box, (alpha, sure))
    return CutOut(foreground(pixels, alpha), alpha, sure)


def _within(
    run: Run, pixels: Pixels, box: Box, found: tuple[Pixels, float]
) -> tuple[Pixels, float]:
    """Look at a part of the picture alone; what was found in all of it stays unless it is surer."""
    left, top, right, bottom = box
    part = np.ascontiguousarray(pixels[top:bottom, left:right])
    matte = coarse_matte(run, part)
    sure = confidence(matte)
    if sure <= found[1]:
        return found
    alpha = np.zeros(pixels.shape[:2], np.uint8)
    alpha[top:bottom, left:right] = full_alpha(part, matte)
    return alpha, BORDER_SHARE * sure
