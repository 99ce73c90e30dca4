"""A shop's own photographs as training pictures of one style."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from enhancer_worker.training.args import TrainingArgsError
from enhancer_worker.training.backdrops.materials import random_conditions
from enhancer_worker.training.backdrops.palettes import measure_palette
from enhancer_worker.training.backdrops.photographs import (
    is_held_out,
    measure_azimuth,
    measure_horizon,
    read_square,
)
from enhancer_worker.training.backdrops.samples import Sample, read_samples
from enhancer_worker.training.backdrops.scenes import (
    PHOTOGRAPH,
    layout_of,
    principal_latents,
)
from enhancer_worker.training.catalogue import SUFFIXES, TooFewPhotosError

FEWEST_PHOTOS = 12


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
        numbers = np.asarray(latent, np.float32)
        samples.append(Sample(pixels, conditions, PHOTOGRAPH, is_paired=True, latent=numbers))
    held = [is_held_out(path.stem) for path in files]
    training = [s for s, is_out in zip(samples, held, strict=True) if not is_out]
    judging = [s for s, is_out in zip(samples, held, strict=True) if is_out]
    return training, judging or training[-1:]
