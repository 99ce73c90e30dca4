"""A shop's own photographs as training pictures of one style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from enhancer_worker.nets.backdrop_conditions import LATENT
from enhancer_worker.training.args import TrainingArgsError
from enhancer_worker.training.backdrops.materials import random_conditions
from enhancer_worker.training.backdrops.palettes import measure_palette
from enhancer_worker.training.backdrops.photographs import (
    is_held_out,
    measure_azimuth,
    measure_horizon,
    read_square,
)
from enhancer_worker.training.backdrops.samples import PHOTOGRAPH, Sample, read_samples
from enhancer_worker.training.catalogue import SUFFIXES, TooFewPhotosError

Floats = NDArray[np.float32]

FEWEST_PHOTOS = 12
LAYOUT_SIZE = (16, 8)
"""Width and height to which a photograph is shrunk to be described."""
PRINCIPAL = 32
"""Numbers that describe it, the first of the latent ones."""


def is_prepared(folder: Path) -> bool:
    """Whether `prepare-backdrops` has written a folder."""
    return next(folder.glob("*.json"), None) is not None


def read_any(folder: Path, style: str) -> tuple[list[Sample], list[Sample]]:
    """Read what `prepare-backdrops` has written, or a flat folder of photographs.

    Args:
        folder: of either kind.
        style: what photographs are taken for.

    Returns:
        (training, held out).

    Raises:
        NoTrainingImagesError: there is nothing to train on.
        TooFewPhotosError: there are photographs, but fewer than twelve.
        TrainingArgsError: there are photographs, and no style is named.
    """
    if is_prepared(folder):
        return read_samples(folder)
    if not style:
        raise TrainingArgsError(f"photographs in {folder}: say which --style they are, as brand")
    files = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    if len(files) < FEWEST_PHOTOS:
        raise TooFewPhotosError(
            f"{len(files)} photographs in {folder}: a style needs {FEWEST_PHOTOS}, better 50 to 200"
        )
    return read_photographs(files, style)


def read_photographs(files: list[Path], style: str) -> tuple[list[Sample], list[Sample]]:
    """Measure photographs, and describe each by numbers that the network learns to draw it from.

    Palette, horizon and side of the light are measured; elevation and size of the light cannot be,
    and are those of a large window.
    """
    pictures = [read_square(path) for path in files]
    latents = principal_latents(
        [layout_of(picture) for picture in pictures], np.random.default_rng(0)
    )
    samples = []
    for number, (picture, latent) in enumerate(zip(pictures, latents, strict=True)):
        horizon = measure_horizon(picture)
        conditions = replace(
            random_conditions(style, np.random.default_rng(number)),
            palette=measure_palette(picture, horizon),
            horizon=horizon,
            azimuth=measure_azimuth(picture),
            elevation=45.0,
            light_size=0.8,
        )
        pixels = np.rint(picture * 255).astype(np.uint8)
        samples.append(Sample(pixels, conditions, PHOTOGRAPH, is_paired=True, latent=latent))
    held = [is_held_out(path.stem) for path in files]
    training = [s for s, is_out in zip(samples, held, strict=True) if not is_out]
    judging = [s for s, is_out in zip(samples, held, strict=True) if is_out]
    return training, judging or training[-1:]


def principal_latents(layouts: Sequence[Floats], rng: np.random.Generator) -> Floats:
    """Describe photographs by whitened principal components.

    A network that learns to draw the photographs from these numbers draws new ones from random
    numbers of the same distribution (GLO, arXiv 1707.05776, which begins so and goes on to train
    the numbers; here they stay).

    Args:
        layouts: of one shop.
        rng: fills up the numbers that describe nothing.

    Returns:
        (N, LATENT), float32, about standard normal.
    """
    data = np.stack(layouts)
    centred = data - data.mean(axis=0)
    left, strengths, _ = np.linalg.svd(centred, full_matrices=False)
    kept = min(PRINCIPAL, int((strengths > 1e-6 * strengths[:1]).sum()))
    latents = rng.standard_normal((len(data), LATENT))
    latents[:, :kept] = left[:, :kept] * np.sqrt(len(data))
    return np.clip(latents, -3, 3).astype(np.float32)


def layout_of(picture: Floats) -> Floats:
    """A picture shrunk to `LAYOUT_SIZE`, without its mean colour, (height * width * 3,)."""
    image = Image.fromarray(np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8))
    small = np.asarray(image.resize(LAYOUT_SIZE, Image.Resampling.BOX), np.float32) / 255
    flat: Floats = (small - small.mean(axis=(0, 1))).ravel()
    return flat
