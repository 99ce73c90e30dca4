"""Draws random conditions and materials, as product photographs have them."""

from __future__ import annotations

import colorsys

import numpy as np

from enhancer_worker.nets.backdrop_conditions import BackdropConditions, Palette
from enhancer_worker.training.backdrops.shading import Light, Materials

UNKNOWN: Palette = ((0, 0, 0), (0, 0, 0), (0, 0, 0))
"""Palette of conditions whose picture is not yet drawn."""

_WOODS = (
    ((0.42, 0.24, 0.12), (0.20, 0.09, 0.035)),
    ((0.60, 0.42, 0.25), (0.34, 0.20, 0.10)),
    ((0.75, 0.62, 0.45), (0.52, 0.38, 0.24)),
    ((0.20, 0.11, 0.065), (0.08, 0.04, 0.022)),
    ((0.50, 0.45, 0.40), (0.27, 0.23, 0.20)),
    ((0.55, 0.30, 0.14), (0.26, 0.11, 0.045)),
)
_MARBLES = (
    ((0.88, 0.87, 0.85), (0.42, 0.42, 0.44)),
    ((0.90, 0.88, 0.84), (0.66, 0.52, 0.36)),
    ((0.035, 0.035, 0.04), (0.45, 0.43, 0.40)),
    ((0.62, 0.62, 0.64), (0.88, 0.88, 0.88)),
    ((0.10, 0.19, 0.155), (0.52, 0.60, 0.52)),
    ((0.72, 0.60, 0.47), (0.42, 0.28, 0.18)),
)


def random_conditions(style: str, rng: np.random.Generator) -> BackdropConditions:
    """Light, horizon and seed as in a studio; the palette is left to be measured."""
    return BackdropConditions(
        style=style,
        palette=UNKNOWN,
        azimuth=float(rng.uniform(-110, 110)),
        elevation=float(rng.uniform(20, 80)),
        light_size=float(rng.beta(1.6, 1.2)),
        horizon=float(rng.uniform(0.25, 0.62)),
        seed=int(rng.integers(2**40)),
    )


def random_materials(style: str, rng: np.random.Generator) -> Materials:
    """Colours that suit a style, around those of real woods, stones and paints."""
    exposure = float(rng.uniform(0.75, 1.1))
    if style == "studio_white":
        white = _tinted(float(rng.uniform(0.9, 0.97)), 0.008, rng)
        return Materials(style, white, white, white, exposure=float(rng.uniform(0.95, 1.25)))
    if style in {"studio_gradient", "cove"}:
        return _paper(style, exposure, rng)
    if style in {"wood_table", "interior_bokeh", "outdoor_bokeh"}:
        return _pair(style, _WOODS, exposure, rng)
    if style == "marble":
        return _pair(style, _MARBLES, exposure, rng)
    grey = _tinted(float(rng.uniform(0.12, 0.62)), 0.03, rng)
    base = grey if style == "concrete" else any_colour(rng)
    accent = _darker(base, float(rng.uniform(0.35, 0.75)))
    textured = bool(rng.random() < 0.5)
    return Materials(style, base, base if textured else _paint(rng), accent, textured, exposure)


def any_colour(rng: np.random.Generator, most: float = 0.75) -> Light:
    """A colour of paper or cloth, more often pale than bright."""
    hue, saturation = float(rng.random()), float(rng.beta(1.2, 2.4)) * most
    value = float(rng.beta(2.2, 1.4)) * 0.95 + 0.02
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return red**2.2, green**2.2, blue**2.2


def _paper(style: str, exposure: float, rng: np.random.Generator) -> Materials:
    colour = any_colour(rng)
    glow = _lighter(colour, float(rng.uniform(0.3, 0.8)))
    wall = _darker(colour, float(rng.uniform(0.35, 1.0))) if style == "studio_gradient" else colour
    return Materials(style, colour, wall, glow, exposure=exposure)


def _pair(
    style: str, known: tuple[tuple[Light, Light], ...], exposure: float, rng: np.random.Generator
) -> Materials:
    base, accent = known[int(rng.integers(len(known)))]
    change = np.exp(rng.normal(0, 0.18) + rng.normal(0, 0.035, 3))
    base, accent = (_cut(np.asarray(c) * change) for c in (base, accent))
    return Materials(style, base, _paint(rng), accent, exposure=exposure)


def _paint(rng: np.random.Generator) -> Light:
    if rng.random() < 0.6:
        return _tinted(float(rng.uniform(0.25, 0.9)), 0.03, rng)
    return any_colour(rng, most=0.5)


def _tinted(grey: float, amount: float, rng: np.random.Generator) -> Light:
    return _cut(grey * (1 + rng.normal(0, amount, 3)))


def _darker(colour: Light, times: float) -> Light:
    return _cut(np.asarray(colour) * times)


def _lighter(colour: Light, share: float) -> Light:
    return _cut(np.asarray(colour) * (1 - share) + share * 0.95)


def _cut(values: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> Light:
    red, green, blue = (float(v) for v in np.clip(values, 0.01, 0.97))
    return red, green, blue
