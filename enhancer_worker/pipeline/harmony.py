"""Fits the light of a backdrop to that of the product: a little, and never the other way round."""

from __future__ import annotations

import math

import numpy as np

from enhancer_worker.pipeline.colour import linear_from_srgb, srgb_to_lab
from enhancer_worker.pipeline.context import Picture

NO_CHANGE = (1.0, 1.0, 1.0)
_SAMPLED_PIXELS = 40_000
_NEUTRAL_CHROMA, _BRIGHT = 14.0, 55.0
_LEAST_SHARE = 0.02
_USUAL_BRIGHTNESS = 0.75
_COLOUR_STRENGTH, _EXPOSURE_STRENGTH = 0.5, 0.3
_COLOUR_BOUNDS, _EXPOSURE_BOUNDS = (0.94, 1.06), (0.88, 1.04)
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


def backdrop_gains(product: Picture) -> tuple[float, float, float]:
    """Estimate the product's light from what is bright and nearly grey in it.

    Args:
        product: with its transparency.

    Returns:
        Gains in linear light for a backdrop's red, green and blue: towards the cast of that light
        by half, and towards its brightness by less. All 1 where the product has too little that
        is nearly grey: its colours would be taken for that of the light.
    """
    solid = product.pixels if product.alpha is None else product.pixels[product.alpha == 255]
    solid = solid.reshape(-1, 3)
    sample = solid[:: max(1, len(solid) // _SAMPLED_PIXELS)]
    if not len(sample):
        return NO_CHANGE
    lab = srgb_to_lab(sample)
    neutral = (np.hypot(lab[:, 1], lab[:, 2]) < _NEUTRAL_CHROMA) & (lab[:, 0] > _BRIGHT)
    if neutral.mean() < _LEAST_SHARE:
        return NO_CHANGE
    light = np.median(linear_from_srgb(sample[neutral] / 255.0), axis=0)
    brightness = float(light @ _LUMINANCE)
    cast = np.clip((light / brightness) ** _COLOUR_STRENGTH, *_COLOUR_BOUNDS)
    exposure = np.clip((brightness / _USUAL_BRIGHTNESS) ** _EXPOSURE_STRENGTH, *_EXPOSURE_BOUNDS)
    red, green, blue = (round(float(gain), 4) for gain in cast * exposure)
    return (red, green, blue) if math.isfinite(red * green * blue) else NO_CHANGE
