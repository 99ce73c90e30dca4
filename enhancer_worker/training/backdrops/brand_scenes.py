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
from enhancer_worker.training.backdrops.photo_scenes import filled, laid, panel_of, panel_scene
from enhancer_worker.training.backdrops.photographs import (
    is_held_out,
    measure_azimuth,
    measure_horizon,
    middle_square,
    out_of_focus,
    resized,
)
from enhancer_worker.training.backdrops.scenes import (
    MIXED,
    SURFACED,
    Scene,
    finished,
)
from enhancer_worker.training.backdrops.shading import Light, Materials, encoded, linear, shade
from enhancer_worker.training.backdrops.surfaces import (
    flattened,
    is_bare,
    measure_colours,
    measure_pattern,
    surface_of,
)
from enhancer_worker.training.catalogue import UnfitPhotoError, read_upright
from enhancer_worker.training.data import Tile
from shopimg.contract.steps.scene import BRAND

Floats = NDArray[np.float32]

SQUARE_SIDE = 512
"""To which the middle of a photograph is shrunk, pixels."""
SMALLEST_SIDE = 200
"""Of a photograph, pixels."""
PHOTOGRAPHED_SHARE = 0.4
"""Of the scenes of a bare surface, those that show it as it was photographed; others are drawn."""
STUFF_SIDE = 288
LONGEST_LENS = 1.5
"""How much nearer what is behind a surface is seen than needed to fill the frame, at most."""
EXPOSURES = (0.9, 1.05)
"""Least and most light of a scene, times that of its photographs."""
EVEN_AZIMUTH = 15.0
"""Degrees: what is lit no more from one side may stand in a light from any."""
_BLUR_ROWS = 16


@dataclass(frozen=True, slots=True)
class Setting:
    """A photograph of what a shop sets its products before."""

    above: Tile
    """What is above its horizon, (rows, SQUARE_SIDE, 3), uint8."""
    is_held_out: bool
    """Whether it only judges."""
    colours: tuple[Light, Light]
    """Of the surface: its mean, and that of its pattern; linear."""
    pattern: Floats
    """Of the surface, by `measure_pattern`."""
    stuff: Floats | None
    """The surface without light, squeezed to (STUFF_SIDE, STUFF_SIDE, 3), linear; None where things
    lie on it."""

    @classmethod
    def read(cls, path: Path) -> Setting:
        """Decode and measure one.

        Raises:
            UnfitPhotoError: it cannot be read or is too small.
        """
        image, _ = read_upright(path)
        if min(image.size) < SMALLEST_SIDE:
            raise UnfitPhotoError(f"too small: {image.width}x{image.height} pixels")
        picture = middle_square(image, SQUARE_SIDE)
        horizon = measure_horizon(picture)
        above = picture[: round(SQUARE_SIDE * (1 - horizon))]
        surface = surface_of(picture, horizon)
        stuff = resized(flattened(surface), STUFF_SIDE, STUFF_SIDE) if is_bare(surface) else None
        shrunk = resized(surface, SIDE, round(len(surface) * SIDE / SQUARE_SIDE))
        return cls(
            np.rint(above * 255).astype(np.uint8),
            is_held_out(path.stem),
            measure_colours(surface),
            measure_pattern(shrunk),
            stuff,
        )

    def behind(self, rows: int, rng: np.random.Generator) -> Floats:
        """What is above the horizon, out of focus, mirrored half of the time.

        Returns:
            (rows, SIDE, 3), float32, linear light, of about the photograph's mean colour.
        """
        above = (self.above / 255).astype(np.float32)
        scale = max((rows + _BLUR_ROWS) / len(above), SIDE / SQUARE_SIDE)
        scale *= float(rng.uniform(1, LONGEST_LENS))
        tall, wide = (round(length * scale) for length in above.shape[:2])
        at_left = int(rng.integers(0, wide - SIDE + 1))
        part = resized(above, wide, tall)[-rows - _BLUR_ROWS :, at_left : at_left + SIDE]
        part = part[:, ::-1].clip(0, 1) if rng.random() < 0.5 else part.clip(0, 1)
        light = out_of_focus(part, float(rng.uniform(7, 14)))
        # Highlights were made stronger than they are; the colour as a whole stays.
        light *= linear(part).mean((0, 1)) / np.maximum(light.mean((0, 1)), 1e-4)
        return light[-rows:] * np.float32(rng.uniform(0.95, 1.05))


class BrandScenes:
    """Makes scenes of photographs.

    Args:
        settings: at least one.
        material: the style whose pattern drawn surfaces have.
    """

    def __init__(self, settings: Sequence[Setting], material: str) -> None:
        self._settings = settings
        self._material = material

    def scene(self, name: str, chosen: Setting, rng: np.random.Generator) -> Scene:
        """A surface as in one photograph, before what is behind that or another."""
        alike = [s for s in self._settings if s.is_held_out == chosen.is_held_out]
        other = alike[int(rng.integers(len(alike)))] if rng.random() < 0.5 else chosen
        conditions = random_conditions(BRAND, rng)
        light = other.behind(round(SIDE * (1 - conditions.horizon)), rng)
        azimuth = measure_azimuth(encoded(light))
        if abs(azimuth) > EVEN_AZIMUTH:
            conditions = replace(conditions, azimuth=azimuth)
        base, accent = chosen.colours
        exposure = float(rng.uniform(*EXPOSURES))
        materials = Materials(self._material, base, base, accent, exposure=exposure)
        stuff = None
        if chosen.stuff is not None and rng.random() < PHOTOGRAPHED_SHARE:
            stuff = laid(chosen.stuff, conditions)
        picture = shade(conditions, materials, filled(light), stuff)
        source = MIXED if stuff is None else SURFACED
        made = finished(name, picture, conditions, source, is_held_out=chosen.is_held_out)
        return replace(made, is_paired=stuff is None, behind=panel_of(exposure * light))

    def panel(self, name: str, chosen: Setting, rng: np.random.Generator) -> Scene:
        """What is behind the surface of one photograph, and nothing before it."""
        light = chosen.behind(PANEL[0] * CELL, rng)
        exposure = float(rng.uniform(*EXPOSURES))
        return panel_scene(name, BRAND, light, exposure, rng, is_held_out=chosen.is_held_out)
