"""What a backdrop shall look like: style, palette, light, horizon and seed; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shopimg.contract import RecipeError

Colour = tuple[int, int, int]
"""sRGB, 0 to 255."""
Palette = tuple[Colour, Colour, Colour]
"""Surface, what is behind it, and accent: grain, veins, threads."""
Floats = NDArray[np.float32]

STYLES = (
    "studio_white",
    "studio_gradient",
    "cove",
    "wood_table",
    "marble",
    "concrete",
    "fabric",
    "interior_bokeh",
    "outdoor_bokeh",
    "brand",
)
"""What a backdrop shows; `brand` is for a shop that trains its own."""
SEAMLESS = ("studio_white", "studio_gradient", "cove")
"""Styles whose surface rises into what is behind it, without an edge."""
LATENT = 64
"""Random numbers per backdrop, on top of its noise maps."""
LARGEST_SEED = 2**63 - 1
RANGES = {"azimuth": (-180, 180), "elevation": (5, 90), "light_size": (0, 1), "horizon": (0.1, 0.9)}
"""Lowest and highest value of each number."""
_LATENT_STREAM = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BackdropConditions:
    """Everything that a backdrop depends on: the same conditions give the same bytes."""

    style: str
    """One of `STYLES`."""
    palette: Palette
    """Mean colours of the picture's surface and of what is behind it, and the accent."""
    azimuth: float = -40.0
    """Where the light comes from, degrees: 0 from the camera, 90 from the right."""
    elevation: float = 50.0
    """Height of the light above the surface, degrees."""
    light_size: float = 0.6
    """Softness of the light: 0 a bare bulb, 1 a wall of light."""
    horizon: float = 0.4
    """Where the surface ends, share of the frame's height from its bottom."""
    seed: int = 0
    """Chooses among backdrops that obey the rest alike."""

    def __post_init__(self) -> None:
        """Refuse what no network was trained for.

        Raises:
            RecipeError: an unknown style, or a number out of its range.
        """
        if self.style not in STYLES:
            raise RecipeError(f"No backdrop style {self.style!r}; there are {', '.join(STYLES)}.")
        for name, (low, high) in RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise RecipeError(f"The backdrop's {name} must be from {low} to {high}.")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise RecipeError(f"The backdrop's seed must be from 0 to {LARGEST_SEED}.")
        colours = np.asarray(self.palette)
        if colours.shape != (3, 3) or colours.min() < 0 or colours.max() > 255:
            raise RecipeError("The backdrop's palette must be three colours of 0 to 255.")

    def light(self) -> tuple[float, float, float]:
        """Unit vector towards the light: right, up, away from the camera."""
        azimuth, elevation = np.radians([self.azimuth, self.elevation])
        flat = np.cos(elevation)
        vector = (np.sin(azimuth) * flat, np.sin(elevation), -np.cos(azimuth) * flat)
        return float(vector[0]), float(vector[1]), float(vector[2])

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> BackdropConditions:
        """Conditions from plain values; others than its own are left out."""
        own = {name: values[name] for name in cls.__slots__ if name in values}
        first, second, third = (_colour(c) for c in own.pop("palette"))
        return cls(palette=(first, second, third), **own)


CODES = len(STYLES) + 9 + 4 + 1
"""Numbers of `codes`."""
PALETTE_CODES = slice(len(STYLES), len(STYLES) + 9)
"""Surface, what is behind it, and accent."""
LIGHT_CODES = slice(PALETTE_CODES.stop, PALETTE_CODES.stop + 3)
"""Towards the light: right, up, away from the camera."""


def codes(conditions: BackdropConditions) -> Floats:
    """What is known of a backdrop, for the network.

    Returns:
        (CODES,), float32, each about -1 to 1: style (one of `STYLES` is 1), palette, light vector
        and size, horizon.
    """
    style = np.zeros(len(STYLES), np.float32)
    style[STYLES.index(conditions.style)] = 1
    palette = np.asarray(conditions.palette, np.float32).ravel() / 127.5 - 1
    rest = (*conditions.light(), 2 * conditions.light_size - 1, 2 * conditions.horizon - 1)
    return np.concatenate([style, palette, np.asarray(rest, np.float32)])


def latent(seed: int) -> Floats:
    """Random numbers of a seed, (LATENT,), float32, standard normal, at most 3 from zero."""
    drawn = np.random.default_rng((seed, _LATENT_STREAM)).standard_normal(LATENT)
    return np.clip(drawn, -3, 3).astype(np.float32)


def _colour(value: Any) -> Colour:
    red, green, blue = (int(level) for level in value)
    return red, green, blue
