"""Tells what a blur has left of a picture's frequencies, from a few crops."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.engine.session import LoadedNet
from enhancer_worker.pipeline.assessment import Assessment, judge_crops
from enhancer_worker.pipeline.crops import detailed_crops
from enhancer_worker.pipeline.deconvolution import NO_BLUR, Suspects, suspects

_LEAST_NOISE = 1.2
"""Of 255: what rounding and a kernel that is not quite the true one cost even clean pictures."""
_NOISE_PER_QUALITY = 0.2
_SHARP = 0.08
"""Mean loss over the frequencies; a Gaussian of half a pixel loses 0.18."""
_MOST_SHARP_CROPS = 0.15
"""Of nine, one."""


def noise_to_allow_for(found: Assessment) -> float:
    """Standard deviation of what is no part of the scene, of 255: noise and compression."""
    compression = _NOISE_PER_QUALITY * (100 - found.jpeg_quality)
    return float(np.sqrt(_LEAST_NOISE**2 + found.noise**2 + compression**2))


def estimate_blur(net: LoadedNet, pixels: NDArray[np.uint8]) -> Suspects:
    """Tell which blurs a picture may have been through.

    Args:
        net: ``blur_s``.
        pixels: (H, W, 3), uint8, RGB, with some detail.

    Returns:
        None at all where some of the crops are sharp: then it is the scene that is soft elsewhere.
    """
    found = judge_crops(net, detailed_crops(pixels))
    sharp = np.abs(1 - found).mean(axis=1) < _SHARP
    if sharp.mean() > _MOST_SHARP_CROPS:
        return NO_BLUR
    return suspects(np.median(found, axis=0))
