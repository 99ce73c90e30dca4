"""The pictures that cut-outs are judged on: held-out products, and photographs with masks."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.training.benchmarks import UnknownBenchmarkError
from enhancer_worker.training.catalogue import SUFFIXES
from enhancer_worker.training.data import Tile, read_tile
from enhancer_worker.training.fit_matting import read_scenery
from enhancer_worker.training.matting_data import MattingMix, MattingPairs, Sample
from enhancer_worker.training.matting_layers import (
    Layers,
    Scene,
    read_cutouts,
    read_mask,
    read_scenes,
    scene_layers,
)
from enhancer_worker.training.matting_scenery import Scenery
from enhancer_worker.training.matting_shapes import piece

MATTING_TEST = "matting-test"
EDGES = "edges"
SIDE = 512
COMPOSITES = 96
HELD_OUT_SEED = 4242
LONGEST_SIDE = 900
SMALLEST_SHARE = 0.04
"""Of a composite that its product takes: one that lies outside the frame cannot be judged."""
MOST_TRIES = 50
BORDER_PIXELS = 40
"""Of the photograph that is to be seen around a product whose edge is judged."""


@dataclass(frozen=True)
class Judged:
    """One picture and what is known about it."""

    kind: str
    """Figures are averaged per kind."""
    picture: Tile
    """(H, W, 3), uint8, RGB."""
    alpha: NDArray[np.uint8]
    """(H, W), uint8."""
    colour: Tile | None = None
    """(H, W, 3), uint8, RGB: of the product alone, also where it is half transparent."""


def matting_test(data: Path, renderings: Path | None, limit: int = 0) -> Iterator[Judged]:
    """Held-out products over held-out backgrounds, and renderings of held-out scans.

    Args:
        data: folder with `cutouts/` and backgrounds.
        renderings: what `render_scans --held-out` has written; None: without.
        limit: pictures per kind at most; 0: all.
    """
    scenery = read_scenery(data, held_out=True)
    products = read_cutouts(data / "cutouts", held_out=True, longest_side=LONGEST_SIDE)
    yield from composites("cutouts", products, scenery, limit or COMPOSITES)
    scenes = read_scenes(renderings) if renderings else []
    for scene in scenes[: limit or None]:
        yield Judged("renderings", scene.picture, scene.alpha)
    if scenes:
        lifted = [scene_layers(scene) for scene in scenes]
        yield from composites("scans", lifted, scenery, min(limit or COMPOSITES, 2 * len(scenes)))


def edges(data: Path, limit: int = 0) -> Iterator[Judged]:
    """Held-out products over held-out photographs and nothing else: their edges are known exactly.

    Args:
        data: folder with `cutouts/` and `photos/`.
        limit: pictures at most; 0: all.
    """
    photos = read_scenery(data, held_out=True).photos
    for number, product in enumerate(
        read_cutouts(data / "cutouts", held_out=True)[: limit or None]
    ):
        rng = np.random.default_rng((HELD_OUT_SEED, number))
        height, width = (side + 2 * BORDER_PIXELS for side in product.alpha.shape)
        inside = (slice(BORDER_PIXELS, -BORDER_PIXELS),) * 2
        alpha = np.zeros((height, width), np.uint8)
        colour = np.zeros((height, width, 3), np.uint8)
        alpha[inside], colour[inside] = product.alpha, product.colour
        behind = piece(rng, photos, max(height, width), least=0.5)[:height, :width]
        share = alpha[..., None] / np.float32(255)
        picture = np.rint(colour * share + behind * (1 - share)).astype(np.uint8)
        yield Judged(EDGES, picture, alpha, colour)


def composites(kind: str, products: list[Layers], scenery: Scenery, count: int) -> Iterator[Judged]:
    """The same composites each time; every product in turn."""
    mix = MattingMix(scenes=0, invented=0, stickers=0, several=0)
    for number in range(count):
        others: list[Scene] = []
        pairs = MattingPairs([products[number % len(products)]], others, scenery, 1, mix)
        sample = _visible(pairs, number)
        levels = [np.rint(plane * 255).astype(np.uint8) for plane in sample]
        yield Judged(kind, *levels)


def _visible(pairs: MattingPairs, number: int) -> Sample:
    """The first composite of a number in which the product is to be seen."""
    for attempt in range(MOST_TRIES):
        sample = pairs.draw(np.random.default_rng((HELD_OUT_SEED, number, attempt)), SIDE)
        if float(sample.alpha.mean()) >= SMALLEST_SHARE:
            return sample
    raise UnknownBenchmarkError(f"cut-out {number} is too small to be judged")


def masked_photographs(folder: Path, limit: int = 0) -> Iterator[Judged]:
    """Photographs in `images/` with a mask of the same name in `masks/`.

    Raises:
        UnknownBenchmarkError: there are none.
    """
    masks = {path.stem: path for path in (folder / "masks").glob("*")}
    images = sorted(p for p in (folder / "images").glob("*") if p.suffix.lower() in SUFFIXES)
    images = [path for path in images if path.stem in masks]
    if not images:
        raise UnknownBenchmarkError(f"no images/ with masks/ in {folder}")
    for path in images[: limit or None]:
        yield Judged(folder.name, read_tile(path), read_mask(masks[path.stem]))
