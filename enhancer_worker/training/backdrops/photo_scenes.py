"""Makes training pictures of photographs: behind a drawn table, or as the surface itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from enhancer_worker.nets.backdrop_conditions import BackdropConditions
from enhancer_worker.nets.backdrop_maps import (
    SIDE,
    discs,
    geometry,
    placing,
    texture_coordinates,
)
from enhancer_worker.nets.backdrop_scenery import CELL, PANEL
from enhancer_worker.training.backdrops.materials import random_conditions, random_materials
from enhancer_worker.training.backdrops.photographs import (
    Photograph,
    measure_azimuth,
    out_of_focus,
    read_square,
)
from enhancer_worker.training.backdrops.scenes import (
    MIXED,
    PANEL_ONLY,
    SURFACED,
    Scene,
    finished,
)
from enhancer_worker.training.backdrops.shading import encoded, linear, shade

Floats = NDArray[np.float32]

SURFACES = ("wood_table", "concrete")
"""Styles of which there are photographed surfaces."""
PHOTO_SIDE = 384
RIM = 48
"""Pixels that are cut off all around: things lie at the edges of photographs."""
PHOTO_SPAN = 1.2
"""Side of what is left, surface units; the camera stands one unit above."""
SUPERSAMPLED = 3


def surfaced(name: str, photo: Photograph, rng: np.random.Generator) -> Scene:
    """Lay a photographed surface before a plain wall; its conditions do not tell it by pixels."""
    conditions = random_conditions(photo.style, rng)
    materials = replace(random_materials(photo.style, rng), wall_is_textured=False)
    middle = read_square(photo.path, PHOTO_SIDE)[RIM:-RIM, RIM:-RIM]
    stuff = laid(linear(middle), conditions)
    picture = shade(conditions, materials, stuff=stuff)
    scene = finished(name, picture, conditions, SURFACED, is_held_out=photo.is_held_out)
    return replace(scene, is_paired=False)


def laid(stuff: Floats, conditions: BackdropConditions) -> Floats:
    """A photograph as it lies on the floor, mirrored where it ends.

    Args:
        stuff: (side, side, 3), linear light.
        conditions: horizon and seed.

    Returns:
        (SIDE, SIDE, 3), float32, linear.
    """
    side = stuff.shape[0]
    where = geometry(conditions.horizon, SIDE * SUPERSAMPLED)
    at = np.stack(texture_coordinates(where, placing(conditions.seed))[::-1])
    channels = np.moveaxis(stuff, -1, 0)
    seen = [
        map_coordinates(one, at * (side / PHOTO_SPAN), order=1, mode="mirror") for one in channels
    ]
    fine = np.stack(seen, axis=-1).reshape(SIDE, SUPERSAMPLED, SIDE, SUPERSAMPLED, 3)
    result: Floats = fine.mean((1, 3)).astype(np.float32)
    return result


def mixed(name: str, view: Photograph, rng: np.random.Generator) -> Scene:
    """Draw a table before a photograph out of focus, with lights where the seed has them."""
    conditions = random_conditions(view.style, rng)
    materials = random_materials(view.style, rng)
    light = thrown_out_of_focus(view, round(SIDE * (1 - conditions.horizon)), rng)
    conditions = replace(conditions, azimuth=measure_azimuth(encoded(light)))
    shown = light + _spots(conditions, light, view.style)
    picture = shade(conditions, materials, behind=filled(shown))
    scene = finished(name, picture, conditions, MIXED, is_held_out=view.is_held_out)
    return replace(scene, behind=panel_of(materials.exposure * light))


def filled(light: Floats) -> Floats:
    """What is above a horizon, (rows, SIDE, 3), with its last row repeated below it."""
    return np.pad(light, ((0, SIDE - len(light)), (0, 0), (0, 0)), mode="edge")


def panel(name: str, view: Photograph, rng: np.random.Generator) -> Scene:
    """A photograph out of focus and nothing before it, as small as the network draws it."""
    light = thrown_out_of_focus(view, PANEL[0] * CELL, rng)
    exposure = random_materials(view.style, rng).exposure
    return panel_scene(name, view.style, light, exposure, rng, is_held_out=view.is_held_out)


def panel_scene(
    name: str,
    style: str,
    light: Floats,
    exposure: float,
    rng: np.random.Generator,
    *,
    is_held_out: bool,
) -> Scene:
    """A panel alone, of light (PANEL[0] * CELL, SIDE, 3), linear, times an exposure."""
    picture = panel_of(exposure * light)
    red, green, blue = (round(float(level)) for level in picture.mean((0, 1)))
    conditions = replace(
        random_conditions(style, rng),
        palette=((red, green, blue),) * 3,
        azimuth=measure_azimuth(encoded(light)),
    )
    return Scene(name, picture, conditions, PANEL_ONLY, is_paired=False, is_held_out=is_held_out)


def thrown_out_of_focus(view: Photograph, rows: int, rng: np.random.Generator) -> Floats:
    """Part of a photograph behind a wide open lens, mirrored half of the time.

    Returns:
        (rows, SIDE, 3), float32, linear light, of about the same mean for all photographs.
    """
    square = read_square(view.path, side=SIDE + 64)
    top, left = int(rng.integers(0, 40)), int(rng.integers(0, 65))
    part = square[top : top + min(rows + 24, SIDE + 24), left : left + SIDE]
    part = part[:, ::-1] if rng.random() < 0.5 else part
    light = out_of_focus(part, float(rng.uniform(7, 14)))[:rows]
    scaled: Floats = light * float(rng.uniform(0.75, 1.2)) * 0.35 / max(float(light.mean()), 0.08)
    return scaled.astype(np.float32)


def panel_of(light: Floats) -> NDArray[np.uint8]:
    """What ends at the horizon, shrunk to a panel; rows that it lacks are those of its top.

    Args:
        light: (rows, SIDE, 3), linear.

    Returns:
        (*PANEL, 3), uint8, sRGB.
    """
    wanted = PANEL[0] * CELL
    lacking = ((max(wanted - len(light), 0), 0), (0, 0), (0, 0))
    seen = np.pad(encoded(light), lacking, mode="edge")[-wanted:]
    small = seen.reshape(PANEL[0], CELL, PANEL[1], CELL, 3).mean((1, 3))
    levels: NDArray[np.uint8] = np.rint(small.clip(0, 1) * 255).astype(np.uint8)
    return levels


def _spots(conditions: BackdropConditions, light: Floats, style: str) -> Floats:
    colour = np.array([1.0, 0.82, 0.6] if "interior" in style else [1.0, 0.97, 0.88], np.float32)
    spots = discs(conditions)[: len(light), :, None] * colour
    lit: Floats = 0.9 * spots * (0.35 + light.mean(axis=2, keepdims=True))
    return lit
