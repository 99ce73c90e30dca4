"""Draws surfaces and walls by closed form, in milliseconds, with exactly known conditions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from enhancer_worker.nets.backdrop_conditions import SEAMLESS, BackdropConditions
from enhancer_worker.nets.backdrop_maps import BEND, MAPS, SIDE, geometry, irradiance, maps

Floats = NDArray[np.float32]
Light = tuple[float, float, float]
"""Share of light that a surface gives back: red, green, blue, linear."""

BOKEH = ("interior_bokeh", "outdoor_bokeh")
"""Styles with a photograph behind the surface."""
_SHARPNESS_LOST_AT_WALL_PIXELS = 3.0


@dataclass(frozen=True, slots=True)
class Materials:
    """What the surface and the wall are made of."""

    style: str
    """One of `STYLES`."""
    surface: Light
    """Colour of the surface."""
    wall: Light
    """Colour of the wall."""
    accent: Light
    """Colour of grain, veins, threads, or of the light on the wall."""
    wall_is_textured: bool = False
    """Whether the wall is of the same stuff as the surface."""
    exposure: float = 0.9
    """Times the light of the middle of the surface."""


def linear(encoded: NDArray[np.floating]) -> Floats:
    """Undo the transfer curve of sRGB, [0, 1]."""
    low = encoded / 12.92
    high = ((np.maximum(encoded, 0) + 0.055) / 1.055) ** 2.4
    return np.where(encoded <= 0.04045, low, high).astype(np.float32)


def encoded(light: NDArray[np.floating]) -> Floats:
    """Apply the transfer curve of sRGB; what is brighter than 0.8 is rolled off below 1."""
    knee = 0.8
    over = np.maximum(light - knee, 0)
    rolled = np.where(light > knee, knee + (1 - knee) * (1 - np.exp(-over / (1 - knee))), light)
    high = 1.055 * np.maximum(rolled, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(rolled <= 0.0031308, 12.92 * rolled, high).astype(np.float32)


def shade(
    conditions: BackdropConditions,
    materials: Materials,
    behind: Floats | None = None,
    stuff: Floats | None = None,
) -> Floats:
    """Draw one backdrop.

    Args:
        conditions: light, horizon and seed; style and palette are not looked at.
        materials: what is lit.
        behind: (SIDE, SIDE, 3), float32, linear light: stands in for the wall.
        stuff: likewise, the surface's own colours: stands in for its texture.

    Returns:
        (SIDE, SIDE, 3), float32, [0, 1], sRGB.
    """
    planes = dict(zip(MAPS, maps(conditions), strict=True))
    light = irradiance(conditions, geometry(conditions.horizon))
    share = planes["surface"]
    wall = _colour(materials.wall)
    if materials.style in SEAMLESS:
        share = planes["seamless"]
        light = gaussian_filter(light, BEND * SIDE, mode="nearest")
        wall = _gradient(materials, planes) if materials.style == "studio_gradient" else wall
    elif materials.wall_is_textured:
        wall = albedo(materials, planes, materials.wall)
        wall = gaussian_filter(wall, (_SHARPNESS_LOST_AT_WALL_PIXELS,) * 2 + (0,), mode="nearest")
    surface = albedo(materials, planes, materials.surface) if stuff is None else stuff
    lit = (wall if behind is None else wall * 0) * light[..., None]
    lit = lit + (0 if behind is None else behind)
    picture = share[..., None] * surface * light[..., None] + (1 - share[..., None]) * lit
    picture = picture + _sheen(planes, behind) if behind is not None else picture
    return encoded(materials.exposure * picture * _vignette())


def albedo(materials: Materials, planes: dict[str, Floats], base: Light) -> Floats:
    """Colour of a textured surface, (SIDE, SIDE, 3), float32, linear."""
    own, accent = _colour(base), _colour(materials.accent)
    share, tone = _TEXTURES.get(materials.style, _plain)(planes)
    mixed = own * (1 - share[..., None]) + accent * share[..., None]
    result: Floats = mixed * tone[..., None]
    return result


def _plain(planes: dict[str, Floats]) -> tuple[Floats, Floats]:
    return planes["clouds"] * 0, 0.985 + 0.03 * planes["clouds"]


def _wood(planes: dict[str, Floats]) -> tuple[Floats, Floats]:
    grain = planes["grain"]
    return np.clip(1.25 * (0.75 - grain), 0, 1), 0.72 + 0.45 * grain + 0.1 * planes["clouds"]


def _marble(planes: dict[str, Floats]) -> tuple[Floats, Floats]:
    veins = np.clip(0.85 * planes["veins"] + 0.3 * (planes["clouds"] - 0.5), 0, 1)
    return veins, 0.95 + 0.1 * planes["clouds"]


def _concrete(planes: dict[str, Floats]) -> tuple[Floats, Floats]:
    clouds, weave = planes["clouds"], planes["weave"]
    return np.clip(0.9 * (0.6 - clouds), 0, 0.6), 0.78 + 0.36 * clouds + 0.12 * (weave - 0.5)


def _fabric(planes: dict[str, Floats]) -> tuple[Floats, Floats]:
    weave, clouds = planes["weave"], planes["clouds"]
    return np.clip(0.7 * (0.65 - weave), 0, 1), 0.62 + 0.5 * weave + 0.3 * (clouds - 0.5)


_TEXTURES = {
    "wood_table": _wood,
    "marble": _marble,
    "concrete": _concrete,
    "fabric": _fabric,
    "interior_bokeh": _wood,
    "outdoor_bokeh": _wood,
}


def _gradient(materials: Materials, planes: dict[str, Floats]) -> Floats:
    """A glow on the wall behind the product, where the light falls."""
    glow = np.clip(planes["light"] * 2 - 0.55, 0, 1)[..., None] ** 1.5
    at = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE - 0.5
    near = np.exp(-(at[None, :] ** 2 + (at[:, None] + 0.1) ** 2) / 0.09)[..., None]
    mixed = 0.55 * near + 0.45 * glow
    result: Floats = _colour(materials.wall) * (1 - mixed) + _colour(materials.accent) * mixed
    return result


def _sheen(planes: dict[str, Floats], behind: Floats) -> Floats:
    """What a varnished table mirrors of the room, more the flatter it is seen."""
    colour = gaussian_filter(behind[::-1], (9, 4, 0), mode="nearest")
    fresnel = 0.16 * planes["surface"] * planes["depth"] ** 2
    result: Floats = fresnel[..., None] * colour
    return result


def _vignette() -> Floats:
    at = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE * 2 - 1
    return (1 - 0.05 * (at[None, :] ** 2 + at[:, None] ** 2))[..., None].astype(np.float32)


def _colour(light: Light) -> Floats:
    return np.asarray(light, np.float32)
