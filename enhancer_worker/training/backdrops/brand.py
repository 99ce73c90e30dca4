"""A shop's own photographs, turned into training pictures of the style `brand`."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from enhancer_worker.training.backdrops.brand_scenes import BrandScenes, Setting, material_of
from enhancer_worker.training.backdrops.samples import PANELS, Sample
from enhancer_worker.training.backdrops.scenes import Scene
from enhancer_worker.training.backdrops.writing import counted, write_scenes
from enhancer_worker.training.catalogue import SUFFIXES, TooFewPhotosError

logger = logging.getLogger(__name__)

FEWEST_PHOTOS = 12
SCENES, PANEL_SCENES = 480, 1200
"""How many are made of all photographs."""
MOST_PALETTES = 16
BRAND_NAME = "brand.json"
"""File beside the folder of prepared pictures: what the photographs were found to show."""


def is_prepared(folder: Path) -> bool:
    """Whether `prepare-backdrops` has written a folder."""
    return next(folder.glob("*.json"), None) is not None


def prepare_brand(photos: Path, out: Path, seed: int) -> str:
    """Make training pictures of a flat folder of photographs, unless they are there.

    Args:
        photos: at least twelve.
        out: folder to write to, as `prepare-backdrops` does.
        seed: of all random numbers.

    Returns:
        The style whose pattern their surfaces have.

    Raises:
        TooFewPhotosError: there are fewer.
    """
    told = out.with_name(BRAND_NAME)
    if told.exists():
        material: str = json.loads(told.read_text())["material"]
        return material
    files = sorted(path for path in photos.glob("*") if path.suffix.lower() in SUFFIXES)
    if len(files) < FEWEST_PHOTOS:
        raise TooFewPhotosError(
            f"{len(files)} photographs in {photos}: a style needs {FEWEST_PHOTOS}, better 50 to 200"
        )
    settings = [Setting.read(path) for path in files]
    material = material_of(settings)
    logger.info("%d photographs, most surfaces like %s", len(files), material)
    scenes = BrandScenes(settings, material)
    for stream, (make, count, folder, label) in enumerate(
        (
            (scenes.scene, SCENES, out, "Scenes"),
            (scenes.panel, PANEL_SCENES, out / PANELS, "Panels"),
        )
    ):
        write_scenes(counted(_made(make, count, (seed, stream)), count, label), folder)
    told.write_text(json.dumps({"material": material, "photographs": len(files)}))
    return material


def usual_palettes(samples: Sequence[Sample]) -> str:
    """Palettes of some pictures, as `BackdropArgs.palettes` has them."""
    told = [sample.conditions.palette for sample in samples if sample.is_paired]
    chosen = told[:: max(1, len(told) // MOST_PALETTES)][:MOST_PALETTES]
    return ", ".join(" ".join(bytes(colour).hex() for colour in palette) for palette in chosen)


def _made(
    make: Callable[[int, np.random.Generator], Scene], count: int, stream: tuple[int, int]
) -> Iterator[Scene]:
    for number in range(count):
        yield make(number, np.random.default_rng((*stream, number)))
