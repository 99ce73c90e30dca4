"""Makes the training pictures of backdrops: drawn, photographed, or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from enhancer_worker.nets.backdrop_conditions import LATENT, BackdropConditions
from enhancer_worker.nets.backdrop_maps import SIDE, discs
from enhancer_worker.training.backdrops.materials import random_conditions, random_materials
from enhancer_worker.training.backdrops.palettes import measure_palette
from enhancer_worker.training.backdrops.photographs import (
    Photograph,
    measure_azimuth,
    measure_horizon,
    out_of_focus,
    read_square,
)
from enhancer_worker.training.backdrops.shading import encoded, shade

Floats = NDArray[np.float32]

DRAWN, MIXED, PHOTOGRAPH, PATH_TRACED = "drawn", "mixed", "photograph", "path_traced"
"""What made a picture: closed form; closed form before a photograph; a lens; Mitsuba."""
LAYOUT_SIZE = (16, 8)
"""Width and height to which what is behind a table is shrunk to be described."""
PRINCIPAL = 32
"""Numbers that describe it, the first of the latent ones."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One training picture with its conditions."""

    name: str
    """File name without suffix."""
    picture: NDArray[np.uint8]
    """(SIDE, SIDE, 3), uint8, sRGB."""
    conditions: BackdropConditions
    """What it shows; the palette was measured."""
    source: str
    """What made it."""
    is_paired: bool
    """Whether conditions and seed tell the picture pixel by pixel."""
    is_held_out: bool
    """Whether it only judges."""
    layout: Floats | None = None
    """What is behind the table, shrunk; None where that is a plain wall."""

    def to_plain(self, latent: Sequence[float] | None = None) -> dict[str, Any]:
        """Plain values for JSON, with the latent numbers that describe what is behind."""
        told = {name: getattr(self, name) for name in ("source", "is_paired", "is_held_out")}
        return {**self.conditions.to_plain(), **told, "latent": latent}


def drawn(name: str, style: str, rng: np.random.Generator, *, is_held_out: bool) -> Scene:
    """Draw one in closed form."""
    conditions = random_conditions(style, rng)
    picture = shade(conditions, random_materials(style, rng))
    return finished(name, picture, conditions, DRAWN, is_held_out=is_held_out)


def mixed(name: str, view: Photograph, rng: np.random.Generator) -> Scene:
    """Draw a table before a photograph that is out of focus."""
    conditions = random_conditions(view.style, rng)
    behind, layout = backdrop_of(view, conditions, rng)
    conditions = replace(conditions, azimuth=measure_azimuth(encoded(behind)))
    picture = shade(conditions, random_materials(view.style, rng), behind)
    scene = finished(name, picture, conditions, MIXED, is_held_out=view.is_held_out)
    return replace(scene, layout=layout)


def photographed(name: str, view: Photograph, rng: np.random.Generator) -> Scene:
    """Take a photograph as it is, slightly out of focus."""
    picture = read_square(view.path)
    if rng.random() < 0.5:
        picture = picture[:, ::-1]
    blurred = encoded(out_of_focus(picture, float(rng.uniform(4, 9))))
    conditions = replace(
        random_conditions(view.style, rng),
        horizon=measure_horizon(picture),
        azimuth=measure_azimuth(picture),
        light_size=0.8,
    )
    scene = finished(name, blurred, conditions, PHOTOGRAPH, is_held_out=view.is_held_out)
    return replace(scene, is_paired=False)


def backdrop_of(
    view: Photograph, conditions: BackdropConditions, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """A photograph, blurred, above the horizon, with lights where the seed has them.

    Returns:
        (SIDE, SIDE, 3), float32, linear light; and how it looks shrunk, without its mean,
        (height * width * 3,), float32.
    """
    rows = round(SIDE * (1 - conditions.horizon))
    square = read_square(view.path, side=SIDE + 64)
    top, left = int(rng.integers(0, 40)), int(rng.integers(0, 65))
    panel = square[top : top + min(rows + 24, SIDE + 24), left : left + SIDE]
    panel = panel[:, ::-1] if rng.random() < 0.5 else panel
    light = out_of_focus(panel, float(rng.uniform(7, 14)))[:rows]
    light = light * float(rng.uniform(0.75, 1.2)) * 0.35 / max(float(light.mean()), 0.08)
    colour = np.array([1.0, 0.82, 0.6]) if "interior" in view.style else np.array([1.0, 0.97, 0.88])
    spots = discs(conditions)[:rows, :, None] * colour.astype(np.float32)
    lit = light + 0.9 * spots * (0.35 + light.mean(axis=2, keepdims=True))
    behind = np.zeros((SIDE, SIDE, 3), np.float32)
    behind[:rows] = lit
    behind[rows:] = lit[-1:]
    return behind, layout_of(encoded(light))


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


def principal_latents(layouts: Sequence[Floats], rng: np.random.Generator) -> list[list[float]]:
    """Describe what is behind tables by whitened principal components.

    A network that learns to draw the photographs from these numbers draws new ones from random
    numbers of the same distribution (GLO, arXiv 1707.05776, which begins so and goes on to train
    the numbers; here they stay).

    Args:
        layouts: of one style.
        rng: fills up the numbers that describe nothing.

    Returns:
        LATENT numbers for each, about standard normal.
    """
    data = np.stack(layouts)
    centred = data - data.mean(axis=0)
    left, strengths, _ = np.linalg.svd(centred, full_matrices=False)
    kept = min(PRINCIPAL, int((strengths > 1e-6 * strengths[:1]).sum()))
    latents = rng.standard_normal((len(data), LATENT))
    latents[:, :kept] = left[:, :kept] * np.sqrt(len(data))
    return [[round(float(v), 4) for v in row] for row in np.clip(latents, -3, 3)]


def layout_of(picture: Floats) -> Floats:
    """A picture shrunk to `LAYOUT_SIZE`, without its mean colour, (height * width * 3,)."""
    image = Image.fromarray(np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8))
    small = np.asarray(image.resize(LAYOUT_SIZE, Image.Resampling.BOX), np.float32) / 255
    flat: Floats = (small - small.mean(axis=(0, 1))).ravel()
    return flat
