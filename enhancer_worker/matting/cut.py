"""Cuts the product out of a picture: alpha, the colours of its edge, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.matting.coarse import CoarseMatte, Run, coarse_matte
from enhancer_worker.matting.confidence import confidence
from enhancer_worker.matting.foreground import foreground
from enhancer_worker.matting.mount import picture_box
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
    matte = matte_of(run, pixels)
    alpha = full_alpha(pixels, matte)
    return CutOut(foreground(pixels, alpha), alpha, confidence(matte))


def matte_of(run: Run, pixels: Pixels) -> CoarseMatte:
    """Find the product; within a border that was put around the picture where that is clearer.

    Args:
        run: the matting net.
        pixels: (H, W, 3), uint8, RGB.
    """
    whole = coarse_matte(run, pixels)
    box = picture_box(pixels)
    if box is None:
        return whole
    left, top, right, bottom = box
    inner = coarse_matte(run, np.ascontiguousarray(pixels[top:bottom, left:right]))
    if confidence(inner) <= confidence(whole):
        return whole
    inner_left, inner_top, inner_right, inner_bottom = inner.box
    moved = (inner_left + left, inner_top + top, inner_right + left, inner_bottom + top)
    return replace(inner, box=moved)
