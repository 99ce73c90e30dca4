"""Measures what products stand on in a shop's photographs: its colours, and what it is like."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from enhancer_worker.training.backdrops.materials import random_conditions, random_materials
from enhancer_worker.training.backdrops.shading import Light, linear, shade

Floats = NDArray[np.float32]

MATERIALS = ("wood_table", "marble", "concrete", "fabric")
"""Styles whose surfaces have a pattern."""
EXAMPLES = 12
"""Drawn surfaces of a style that tell its pattern."""
SCALES = (0.7, 1.4, 2.8, 5.6)
"""Of details, pixels of a frame of 256."""
THING, THINGS_SHARE = 0.25, 0.05
"""What differs so much from a surface's median colour, of 1, lies on it; a bare one has less."""
ACCENT_SHARE = 0.03
"""Of a surface's pixels, the darkest or the brightest: its grain, veins or threads."""
LIGHT_SHARE = 0.12
"""Scale of light and shadow, of the side of a surface; finer is its pattern."""
_PATTERN = (0.5, 1.6)
"""Least and most light of a pattern, times what is around it."""
_MARGIN = 0.04
"""Left out below the horizon, share of the frame."""


def surface_of(picture: Floats, horizon: float) -> Floats:
    """The part of a picture below its horizon, (rows, W, 3)."""
    return picture[round(picture.shape[0] * (1 - horizon + _MARGIN)) :]


def measure_colours(surface: Floats) -> tuple[Light, Light]:
    """Mean colour, and that of grain, veins or threads; neither of what lies on the surface.

    Args:
        surface: (H, W, 3), float32, [0, 1], sRGB.

    Returns:
        Both linear.
    """
    is_own = ~_things(surface)
    base = linear(surface[is_own]).mean(axis=0)
    pattern = _pattern(surface)[is_own]
    order = np.argsort(pattern.mean(axis=1))
    count = max(1, round(len(order) * ACCENT_SHARE))
    dark, bright = (pattern[chosen].mean(axis=0) for chosen in (order[:count], order[-count:]))
    accent = base * max(dark, bright, key=lambda ratio: abs(float(np.log(ratio.mean()))))
    return _light(base), _light(accent)


def is_bare(surface: Floats) -> bool:
    """Whether hardly anything lies on a surface.

    Args:
        surface: (H, W, 3), float32, [0, 1], sRGB.
    """
    return float(_things(surface).mean()) < THINGS_SHARE


def flattened(surface: Floats) -> Floats:
    """A surface without the light on it.

    Args:
        surface: (H, W, 3), float32, [0, 1], sRGB.

    Returns:
        The same shape, linear.
    """
    base = np.asarray(measure_colours(surface)[0], np.float32)
    return base * _pattern(surface)


def nearest_material(patterns: Sequence[Floats]) -> str:
    """The style of `MATERIALS` whose pattern is most like that of most surfaces.

    Args:
        patterns: of `measure_pattern`.
    """
    known = {style: examples(style) for style in MATERIALS}
    spread = np.concatenate([*known.values()]).std(axis=0)
    votes = dict.fromkeys(MATERIALS, 0)
    for pattern in patterns:
        gaps = {
            style: float(np.linalg.norm((pattern - many.mean(axis=0)) / spread))
            for style, many in known.items()
        }
        votes[min(gaps, key=gaps.__getitem__)] += 1
    return max(votes, key=votes.__getitem__)


def measure_pattern(surface: Floats) -> Floats:
    """How the detail of a surface is shared among scales, and how much of it lies level.

    How strong it is in all is left out: the colours tell that.

    Args:
        surface: (H, W, 3), float32, [0, 1], sRGB, of a frame of 256 pixels.

    Returns:
        (len(SCALES) + 1,), float32, logarithms.
    """
    luma = surface.mean(axis=2)
    blurred = [gaussian_filter(luma, scale) for scale in (*SCALES, 2 * SCALES[-1])]
    bands = [fine - coarse for fine, coarse in pairwise(blurred)]
    strengths = np.log([float(band.std()) + 1e-5 for band in bands])
    down, across = (float(np.diff(blurred[0], axis=axis).std()) + 1e-5 for axis in (0, 1))
    shares: Floats = np.append(strengths - strengths.mean(), np.log(down / across))
    return shares.astype(np.float32)


@cache
def examples(style: str) -> Floats:
    """Patterns of drawn surfaces of a style, (EXAMPLES, len(SCALES) + 1)."""
    found = []
    for number in range(EXAMPLES):
        rng = np.random.default_rng(number)
        conditions = random_conditions(style, rng)
        picture = shade(conditions, random_materials(style, rng))
        found.append(measure_pattern(surface_of(picture, conditions.horizon)))
    return np.stack(found)


def _things(surface: Floats) -> NDArray[np.bool_]:
    """Where something lies on a surface, (H, W)."""
    middle = np.median(surface.reshape(-1, 3), axis=0)
    far: NDArray[np.bool_] = np.abs(surface - middle).max(axis=2) > THING
    return far


def _pattern(surface: Floats) -> Floats:
    """Light of each pixel, times what is around it, (H, W, 3), linear."""
    light = linear(surface) + np.float32(1e-3)
    sigma = LIGHT_SHARE * min(surface.shape[:2])
    around = gaussian_filter(light, (sigma, sigma, 0), mode="reflect")
    pattern: Floats = np.clip(light / around, *_PATTERN).astype(np.float32)
    return pattern


def _light(colour: NDArray[np.floating]) -> Light:
    red, green, blue = (float(v) for v in colour)
    return red, green, blue
