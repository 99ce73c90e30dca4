"""A training picture of a backdrop, and the plainest kind: drawn in closed form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.nets.backdrop_conditions import BackdropConditions
from enhancer_worker.training.backdrops.materials import random_conditions, random_materials
from enhancer_worker.training.backdrops.palettes import measure_palette
from enhancer_worker.training.backdrops.shading import shade

Floats = NDArray[np.float32]

DRAWN, MIXED, SURFACED, PATH_TRACED = "drawn", "mixed", "surfaced", "path_traced"
"""What made a picture: closed form, alone, before a photograph or with a photographed surface;
Mitsuba."""
PANEL_ONLY = "panel"
"""What is behind a table, alone."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One training picture with its conditions."""

    name: str
    """File name without suffix."""
    picture: NDArray[np.uint8]
    """(SIDE, SIDE, 3), or (*PANEL, 3) of a panel, uint8, sRGB."""
    conditions: BackdropConditions
    """What it shows; the palette was measured."""
    source: str
    """What made it."""
    is_paired: bool
    """Whether conditions and seed tell the picture pixel by pixel, before what is behind."""
    is_held_out: bool
    """Whether it only judges."""
    behind: NDArray[np.uint8] | None = None
    """What is behind the table, without lights, (*PANEL, 3), sRGB; None where that is a wall."""

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON."""
        told = {name: getattr(self, name) for name in ("source", "is_paired", "is_held_out")}
        return {**self.conditions.to_plain(), **told}


def drawn(name: str, style: str, rng: np.random.Generator, *, is_held_out: bool) -> Scene:
    """Draw one in closed form."""
    conditions = random_conditions(style, rng)
    picture = shade(conditions, random_materials(style, rng))
    return finished(name, picture, conditions, DRAWN, is_held_out=is_held_out)


def finished(
    name: str,
    picture: Floats,
    conditions: BackdropConditions,
    source: str,
    *,
    is_held_out: bool,
) -> Scene:
    """Round a picture and measure its palette."""
    palette = measure_palette(picture, conditions.horizon)
    return Scene(
        name,
        np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8),
        replace(conditions, palette=palette),
        source,
        is_paired=True,
        is_held_out=is_held_out,
    )
