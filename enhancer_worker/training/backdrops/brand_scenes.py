"""Training pictures of a shop's own style, made of its photographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.nets.backdrop_maps import SIDE
from enhancer_worker.nets.backdrop_scenery import CELL, PANEL
from enhancer_worker.training.backdrops.materials import random_conditions
from enhancer_worker.training.backdrops.photo_scenes import filled, laid, panel_of
from enhancer_worker.training.backdrops.photographs import (
    is_held_out,
    measure_azimuth,
    measure_horizon,
    out_of_focus,
    read_square,
    resized,
)
from enhancer_worker.training.backdrops.scenes import (
    MIXED,
    PANEL_ONLY,
    SURFACED,
    Scene,
    finished,
)
from enhancer_worker.training.backdrops.shading import Light, Materials, encoded, shade
from enhancer_worker.training.backdrops.surfaces import (
    flattened,
    is_bare,
    measure_colours,
    nearest_material,
    surface_of,
)
from shopimg.contract.steps.scene import BRAND

Floats = NDArray[np.float32]

PHOTO_SIDE = 512
PHOTOGRAPHED_SHARE = 0.4
"""Of the scenes of a bare surface, those that show it as it was photographed; others are drawn."""
STUFF_SIDE = 288
LONGEST_LENS = 1.5
"""How much nearer what is behind a surface is seen than in the photograph, at most."""
_DARKEST = 0.02
_BLUR_ROWS = 16


@dataclass(frozen=True, slots=True)
class Setting:
    """A photograph of what a shop sets its products before."""

    picture: Floats
    """Its middle square, (PHOTO_SIDE, PHOTO_SIDE, 3), float32, [0, 1], sRGB."""
    horizon: float
    """Where the surface ends, share of the square from its bottom, as measured."""
    is_held_out: bool
    """Whether it only judges."""
    colours: tuple[Light, Light]
    """Of the surface: its mean, and that of its pattern; linear."""
    stuff: Floats | None
    """The surface without light, (STUFF_SIDE, STUFF_SIDE, 3), linear; None where things lie on
    it."""

    @classmethod
    def read(cls, path: Path) -> Setting:
        """Decode and measure one."""
        picture = read_square(path, PHOTO_SIDE)
        horizon = measure_horizon(picture)
        surface = surface_of(picture, horizon)
        stuff = None
        if is_bare(surface):
            stuff = resized(flattened(surface), STUFF_SIDE, STUFF_SIDE)
        return cls(
            picture,
            horizon,
            is_held_out(path.stem),
            measure_colours(surface),
            stuff,
        )

    def behind(self, rows: int, rng: np.random.Generator) -> Floats:
        """What is above the horizon, out of focus, mirrored half of the time.

        Returns:
            (rows, SIDE, 3), float32, linear light.
        """
        above = self.picture[: round(PHOTO_SIDE * (1 - self.horizon))]
        scale = max((rows + _BLUR_ROWS) / len(above), SIDE / PHOTO_SIDE)
        scale *= float(rng.uniform(1, LONGEST_LENS))
        tall, wide = (round(length * scale) for length in above.shape[:2])
        at_left = int(rng.integers(0, wide - SIDE + 1))
        part = resized(above, wide, tall)[-rows - _BLUR_ROWS :, at_left : at_left + SIDE]
        part = part[:, ::-1] if rng.random() < 0.5 else part
        light = out_of_focus(part, float(rng.uniform(7, 14)))[-rows:]
        lit: Floats = (light * float(rng.uniform(0.85, 1.15))).astype(np.float32)
        return np.maximum(lit, _DARKEST)


def material_of(settings: Sequence[Setting]) -> str:
    """The style whose pattern the surfaces of most photographs have."""
    surfaces = [surface_of(s.picture, s.horizon) for s in settings]
    shrunk = [resized(s, SIDE, round(SIDE * len(s) / PHOTO_SIDE)) for s in surfaces]
    return nearest_material(shrunk)


class BrandScenes:
    """Makes scenes of photographs.

    Args:
        settings: at least one.
        material: the style whose pattern drawn surfaces have.
    """

    def __init__(self, settings: Sequence[Setting], material: str) -> None:
        self._settings = settings
        self._material = material

    def scene(self, number: int, rng: np.random.Generator) -> Scene:
        """A surface as in one photograph, before what is behind that in another."""
        chosen = self._settings[number % len(self._settings)]
        alike = [s for s in self._settings if s.is_held_out == chosen.is_held_out]
        other = alike[int(rng.integers(len(alike)))] if rng.random() < 0.5 else chosen
        conditions = random_conditions(BRAND, rng)
        light = other.behind(round(SIDE * (1 - conditions.horizon)), rng)
        conditions = replace(conditions, azimuth=measure_azimuth(encoded(light)))
        base, accent = chosen.colours
        exposure = float(rng.uniform(0.8, 1.1))
        materials = Materials(self._material, base, base, accent, exposure=exposure)
        stuff = None
        if chosen.stuff is not None and rng.random() < PHOTOGRAPHED_SHARE:
            stuff = laid(chosen.stuff, conditions)
        picture = shade(conditions, materials, filled(light), stuff)
        source = MIXED if stuff is None else SURFACED
        made = finished(
            f"brand-{number:05d}", picture, conditions, source, is_held_out=chosen.is_held_out
        )
        return replace(made, is_paired=stuff is None, behind=panel_of(exposure * light))

    def panel(self, number: int, rng: np.random.Generator) -> Scene:
        """What is behind the surface of one photograph, and nothing before it."""
        chosen = self._settings[number % len(self._settings)]
        light = chosen.behind(PANEL[0] * CELL, rng)
        picture = panel_of(float(rng.uniform(0.8, 1.1)) * light)
        red, green, blue = (round(float(level)) for level in picture.mean((0, 1)))
        conditions = replace(
            random_conditions(BRAND, rng),
            palette=((red, green, blue),) * 3,
            azimuth=measure_azimuth(encoded(light)),
        )
        return Scene(
            f"panel-{number:05d}",
            picture,
            conditions,
            PANEL_ONLY,
            is_paired=False,
            is_held_out=chosen.is_held_out,
        )
