"""Sorts photographs into styles and measures their horizon and light."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.signal import fftconvolve

from enhancer_worker.nets.backdrop_maps import SIDE
from enhancer_worker.training.backdrops.shading import linear
from enhancer_worker.training.data import NoTrainingImagesError

Floats = NDArray[np.float32]

HELD_OUT_ONE_IN = 5
CHOSEN = Path(__file__).with_name("chosen_photos.csv")
"""Tiles of `photos/`, picked by eye, and the style that each can serve."""
_HORIZONS = (0.25, 0.75)
_STRONGEST_TURN = 90.0

OUTDOORS = frozenset(
    (
        "aristea_wreck_puresky_1k",
        "chinese_garden_1k",
        "city",
        "dawn",
        "esplanade",
        "forest",
        "hilly_terrain_01_1k",
        "kloppenheim_05_1k",
        "leadenhall_market_1k",
        "modern_buildings_2_1k",
        "narrow_moonlit_road_1k",
        "night",
        "noon_grass_1k",
        "park",
        "phalzer_forest_01_1k",
        "rainforest_trail_1k",
        "sky",
        "st_peters_square_night_1k",
        "sunrise",
        "sunset",
        "venice",
    )
)
"""Panoramas of `backdrops` under the sky; all others are rooms."""
UNFIT = frozenset(
    (
        "aerodynamics_workshop_1k",
        "aristea_wreck_puresky_1k",
        "circus_arena_1k",
        "sky",
        "studio",
        "studio_small_05_1k",
    )
)
"""Panoramas that are nobody's backdrop: nothing but sky, or lamps and stands."""


@dataclass(frozen=True, slots=True)
class Photograph:
    """One photograph that can stand behind a product, or lie under it."""

    path: Path
    """Its file."""
    style: str
    """One of `STYLES`."""
    is_held_out: bool
    """Whether it only judges."""


def panorama_of(path: Path) -> str:
    """What a view was taken from.

    >>> panorama_of(Path("narrow_moonlit_road_1k-3.jpg"))
    'narrow_moonlit_road_1k'
    """
    return path.stem.rpartition("-")[0] or path.stem


def find_views(root: Path) -> list[Photograph]:
    """The usable files of `backdrops/`, sorted; views of one panorama are held out together.

    Raises:
        NoTrainingImagesError: there are none.
    """
    found = []
    for path in sorted((root / "backdrops").glob("*.jpg")):
        name = panorama_of(path)
        if name not in UNFIT:
            style = "outdoor_bokeh" if name in OUTDOORS else "interior_bokeh"
            found.append(Photograph(path, style, is_held_out(name)))
    if not found:
        raise NoTrainingImagesError(f"no pictures in {root / 'backdrops'}")
    return found


def find_chosen(root: Path, styles: Collection[str]) -> list[Photograph]:
    """The tiles of `photos/` that were picked for some styles; none where there are no `photos/`.

    Tiles of one photograph are held out together.
    """
    with CHOSEN.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["style"] in styles]
    paths = {root / "photos" / row["file"]: row["style"] for row in rows}
    return [
        Photograph(path, style, is_held_out(path.stem.rpartition("_")[0]))
        for path, style in paths.items()
        if path.exists()
    ]


def is_held_out(name: str) -> bool:
    """Whether a panorama, or any other subject, only judges."""
    return zlib.crc32(name.encode(errors="surrogateescape")) % HELD_OUT_ONE_IN == 0


def read_square(path: Path, side: int = SIDE) -> Floats:
    """Decode and cut the middle square: (side, side, 3), float32, [0, 1], sRGB."""
    with Image.open(path) as image:
        return middle_square(image.convert("RGB"), side)


def middle_square(rgb: Image.Image, side: int) -> Floats:
    """The middle of a picture, (side, side, 3), float32, [0, 1], sRGB."""
    short = min(rgb.size)
    left, top = ((length - short) // 2 for length in rgb.size)
    box = (left, top, left + short, top + short)
    square = rgb.resize((side, side), Image.Resampling.LANCZOS, box)
    return (np.asarray(square) / 255).astype(np.float32)


def resized(picture: Floats, wide: int, tall: int) -> Floats:
    """Resample (H, W, 3), float32, to (tall, wide, 3)."""
    size, how = (wide, tall), Image.Resampling.LANCZOS
    planes = [Image.fromarray(plane).resize(size, how) for plane in np.moveaxis(picture, -1, 0)]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)


def out_of_focus(picture: Floats, radius: float) -> Floats:
    """Blur light with a disc, as a wide open lens does; bright spots become discs.

    Args:
        picture: (H, W, 3), float32, [0, 1], sRGB.
        radius: of the disc, pixels.

    Returns:
        The same shape, linear light. What was clipped white counts up to four times as much.
    """
    light = linear(picture)
    brightest = light.max(axis=2, keepdims=True)
    light = (light * (1 + 3 * np.clip((brightest - 0.8) / 0.2, 0, 1) ** 2)).astype(np.float32)
    pad = int(np.ceil(radius)) + 1
    at = np.arange(-pad, pad + 1)
    disc = np.clip(radius + 0.5 - np.hypot(at[None, :], at[:, None]), 0, 1)
    kernel = (disc / disc.sum())[..., None].astype(np.float32)
    padded = np.pad(light, ((pad, pad), (pad, pad), (0, 0)), mode="reflect")
    blurred: Floats = fftconvolve(padded, kernel, mode="valid", axes=(0, 1)).astype(np.float32)
    return blurred.clip(min=0)


def measure_horizon(picture: Floats) -> float:
    """Where the strongest level edge is, share of the frame from its bottom.

    Args:
        picture: (H, W, 3), [0, 1].
    """
    rows = gaussian_filter(picture, (picture.shape[0] / 64, 0, 0)).mean(axis=1)
    change = np.abs(np.diff(rows, axis=0)).sum(axis=1)
    first, last = (int(share * len(change)) for share in _HORIZONS)
    row = first + int(np.argmax(change[first:last]))
    return float(1 - (row + 1) / picture.shape[0])


def measure_azimuth(picture: Floats) -> float:
    """Where the light comes from by what side is brighter, degrees, -90 to 90."""
    luma = picture.mean(axis=2)
    at = np.linspace(-1, 1, luma.shape[1])
    slope = float((luma * at).mean() / max(luma.mean(), 1e-3))
    return float(np.clip(slope * 4 * _STRONGEST_TURN, -_STRONGEST_TURN, _STRONGEST_TURN))
