"""A shop's own photographs, turned into training pictures of the style `brand`."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from enhancer_worker.training.backdrops.brand_scenes import BrandScenes, Setting
from enhancer_worker.training.backdrops.samples import PANELS, Sample
from enhancer_worker.training.backdrops.surfaces import nearest_material
from enhancer_worker.training.backdrops.writing import counted, scenes_of, write_scenes
from enhancer_worker.training.catalogue import SUFFIXES, TooFewPhotosError, UnfitPhotoError

logger = logging.getLogger(__name__)

FEWEST_PHOTOS = 12
SCENES, PANEL_SCENES = 480, 1200
"""How many are made of all photographs."""
MOST_PALETTES = 16
TOLD_NAME = "brand.json"
"""File beside the folder of prepared pictures: what they were made of."""


def is_prepared(folder: Path) -> bool:
    """Whether `prepare-backdrops` has written a folder."""
    return any('"is_held_out"' in path.read_text() for path in folder.glob("*.json"))


def prepare_brand(photos: Path, out: Path, seed: int) -> str:
    """Make training pictures of a flat folder of photographs, unless they are there.

    Args:
        photos: at least twelve.
        out: folder to write to, as `prepare-backdrops` does.
        seed: of all random numbers.

    Returns:
        The style whose pattern their surfaces have.

    Raises:
        TooFewPhotosError: there are fewer that can be read.
    """
    files = sorted(path for path in photos.glob("*") if path.suffix.lower() in SUFFIXES)
    made_of = {"seed": seed, "photographs": {path.name: path.stat().st_size for path in files}}
    told = out.with_name(TOLD_NAME)
    known = json.loads(told.read_text()) if told.exists() and out.exists() else {}
    if made_of.items() <= known.items():
        material: str = known["material"]
        return material
    settings = _read(files)
    if len(settings) < FEWEST_PHOTOS:
        raise TooFewPhotosError(
            f"{len(settings)} usable photographs in {photos}: a style needs {FEWEST_PHOTOS}, "
            "better 50 to 200"
        )
    told.unlink(missing_ok=True)  # before anything: a set that is half written is not whole
    shutil.rmtree(out, ignore_errors=True)
    material = nearest_material([setting.pattern for setting in settings])
    logger.info("%d photographs, most surfaces like %s", len(settings), material)
    scenes = BrandScenes(settings, material)
    kinds = (
        (scenes.scene, SCENES, out, "Scenes"),
        (scenes.panel, PANEL_SCENES, out / PANELS, "Panels"),
    )
    for stream, (make, count, folder, label) in enumerate(kinds):
        write_scenes(
            counted(scenes_of(make, settings, count, (seed, stream)), count, label), folder
        )
    told.write_text(json.dumps({"material": material, **made_of}))
    return material


def usual_palettes(samples: Sequence[Sample], rng: np.random.Generator) -> str:
    """Palettes of some pictures, as `BackdropArgs.palettes` has them."""
    known = [sample.conditions.palette for sample in samples if sample.is_paired]
    chosen = [known[index] for index in rng.permutation(len(known))[:MOST_PALETTES]]
    return ", ".join(" ".join(bytes(colour).hex() for colour in palette) for palette in chosen)


def _read(files: Sequence[Path]) -> list[Setting]:
    """Those that can be read; the log tells why the others cannot."""
    settings = []
    with click.progressbar(files, label="Reading", file=sys.stderr) as bar:
        for path in bar:
            try:
                settings.append(Setting.read(path))
            except UnfitPhotoError as err:
                logger.warning("%s is left out: %s", path.name, err)
    return settings
