"""Turns conditions into maps of the frame that tell a network where surface and light are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from enhancer_worker.nets.backdrop_conditions import SEAMLESS, BackdropConditions
from enhancer_worker.nets.backdrop_noise import KINDS, sample

Floats = NDArray[np.float32]

SIDE = 256
"""Pixels of a backdrop as a network makes it."""
MAPS = ("surface", "seamless", "depth", "light", *KINDS, "discs")
"""Channels of `maps`."""
FOCAL = 1.4
"""Focal length, heights of the frame."""
VANISHING = 0.3
"""How far above the surface's end the eye level is, heights of the frame."""
LIGHT_DISTANCE = 3.0
"""Of the light from the middle of the surface, camera heights."""
AMBIENT = 0.35
WALL_DEPTH = FOCAL / VANISHING
"""Distance of the wall, camera heights."""
BEND = 0.07
"""How far light is smoothed where the surface rises into the wall, share of the frame."""
_EDGE_PIXELS = 1.5
_SEAMLESS_WIDTH = 0.11
_PLACING_STREAM = 2
_DISCS_STREAM = 3


@dataclass(frozen=True, slots=True)
class Placing:
    """How the textures lie, as the seed has it."""

    angle: float
    """Turn of the surface's texture, radians."""
    scale: float
    """Surface units per unit of the texture."""
    offset: tuple[float, float]
    """Shift of the texture, units."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """What a pixel shows: a level camera one unit above a floor, a wall where the floor ends.

    The lens is shifted, as in product photography, so that upright lines stay upright.
    """

    surface: NDArray[np.bool_]
    """(side, side): whether a pixel shows the floor."""
    across: Floats
    """Position to the right, camera heights."""
    up: Floats
    """Position above the floor."""
    depth: Floats
    """Distance from the camera."""
    footprint: Floats
    """How much of the floor or wall a pixel covers, camera heights."""


def geometry(horizon: float, side: int = SIDE) -> Geometry:
    """Compute where each pixel's ray ends.

    Args:
        horizon: share of the frame, from its bottom, that is floor.
        side: pixels.
    """
    at = (np.arange(side, dtype=np.float32) + 0.5) / side
    x, y = np.meshgrid(at - 0.5, at)
    below = y - (1 - horizon - VANISHING)
    surface = y > 1 - horizon
    depth = np.where(surface, FOCAL / np.maximum(below, VANISHING), WALL_DEPTH)
    across = x * depth / FOCAL
    up = np.where(surface, 0, (1 - horizon - y) * WALL_DEPTH / FOCAL)
    stretch = np.where(surface, np.sqrt(depth), 1)  # mean of both directions
    footprint = depth / FOCAL / side * stretch
    single = (a.astype(np.float32) for a in (across, up, depth, footprint))
    return Geometry(surface, *single)


def placing(seed: int) -> Placing:
    """How the textures of a seed lie."""
    rng = np.random.default_rng((seed, _PLACING_STREAM))
    angle = float(rng.normal(0, 0.12)) + (np.pi / 2 if rng.random() < 0.25 else 0.0)
    scale = float(np.exp(rng.uniform(-0.35, 0.35)))
    return Placing(angle, scale, (float(rng.uniform(0, 4)), float(rng.uniform(0, 4))))


def texture_coordinates(where: Geometry, lie: Placing) -> tuple[Floats, Floats]:
    """Coordinates of each pixel in the texture's own units, both (side, side)."""
    along = np.where(where.surface, where.depth, where.up + WALL_DEPTH).astype(np.float32)
    cos, sin = np.float32(np.cos(lie.angle)), np.float32(np.sin(lie.angle))
    u = (where.across * cos - along * sin) / lie.scale + lie.offset[0]
    v = (where.across * sin + along * cos) / lie.scale + lie.offset[1]
    return u.astype(np.float32), v.astype(np.float32)


def irradiance(conditions: BackdropConditions, where: Geometry) -> Floats:
    """Light that arrives, (side, side), float32, 1 in the middle of the surface.

    A small light falls off fast and shades by Lambert's law; a large one reaches around.
    """
    wrap = 0.15 + 0.55 * conditions.light_size
    middle = (0.0, 0.0, surface_middle(conditions.horizon))
    towards = [
        m + LIGHT_DISTANCE * t - p
        for m, t, p in zip(
            middle, conditions.light(), (where.across, where.up, where.depth), strict=True
        )
    ]
    squared = sum(t * t for t in towards)
    length = np.sqrt(squared)
    cosine = np.where(where.surface, towards[1], -towards[2]) / length
    lambert = np.maximum((cosine + wrap) / (1 + wrap), 0)
    spread = (2.5 * conditions.light_size) ** 2
    direct = lambert * (LIGHT_DISTANCE**2 + spread) / (squared + spread)
    at_middle = (conditions.light()[1] + wrap) / (1 + wrap)
    result: Floats = (AMBIENT + (1 - AMBIENT) * direct / at_middle).astype(np.float32)
    return result


def surface_middle(horizon: float) -> float:
    """Distance of the middle of the visible floor, camera heights."""
    return FOCAL / (VANISHING + horizon / 2)


def maps(conditions: BackdropConditions) -> Floats:
    """Everything about a frame that its conditions fix.

    Returns:
        (len(MAPS), SIDE, SIDE), float32, [0, 1]; the light is halved and cut at 1. Of a seamless
        style all maps but the noise are smooth.
    """
    where = geometry(conditions.horizon)
    edge = conditions.horizon - 1 + (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE
    edge = np.broadcast_to(edge[:, None], (SIDE, SIDE))
    surface = np.clip(edge * SIDE / (2 * _EDGE_PIXELS) + 0.5, 0, 1)
    seamless = 1 / (1 + np.exp(-edge / _SEAMLESS_WIDTH * 2))
    depth = np.where(where.surface, where.depth / WALL_DEPTH, 0)
    light = np.clip(irradiance(conditions, where) / 2, 0, 1)
    if conditions.style in SEAMLESS:
        # No map may have an edge that the picture shall not have.
        surface = seamless
        depth, light = (gaussian_filter(m, BEND * SIDE, mode="nearest") for m in (depth, light))
    lie = placing(conditions.seed)
    noise = sample(*texture_coordinates(where, lie), where.footprint / np.float32(lie.scale))
    planes = (surface, seamless, depth, light, *np.moveaxis(noise, -1, 0), discs(conditions))
    return np.stack(planes).astype(np.float32)


def discs(conditions: BackdropConditions) -> Floats:
    """Lights out of focus behind the surface, (SIDE, SIDE), float32, [0, 1]."""
    rng = np.random.default_rng((conditions.seed, _DISCS_STREAM))
    at = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE
    result = np.zeros((SIDE, SIDE), np.float32)
    lowest = 1 - conditions.horizon
    radius = float(rng.uniform(0.025, 0.08))
    for _ in range(int(rng.integers(-10, 14))):
        x, y = float(rng.uniform(0, 1)), float(rng.uniform(-0.05, lowest))
        size, strength = radius * float(rng.uniform(0.8, 1.2)), float(rng.uniform(0.1, 0.8))
        distance = np.sqrt((at[None, :] - x) ** 2 + (at[:, None] - y) ** 2)
        inside = np.clip((size - distance) * SIDE / 6 + 0.5, 0, 1)
        result += strength * inside * (0.75 + 0.25 * np.clip(distance / size, 0, 1))
    edge = np.clip((lowest - at) * SIDE / 3, 0, 1)[:, None]
    return np.clip(result * edge, 0, 1).astype(np.float32)
