"""A shop's own photographs as training data: which are fit for it, and which judge the result."""

import math
import sys
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from enhancer_worker.folder import find_pictures
from enhancer_worker.training.data import MOST_VIEWS, UNREADABLE, Tile

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".avif", ".bmp", ".tif", ".tiff"})
LOWEST_JPEG_QUALITY = 75
LEAST_SHARPNESS = 0.1
"""Of `sharpness`. Real photographs measure 0.11 to 2.6, the same enlarged twofold 0.03 to 0.09."""
CELL_PIXELS = 32
THUMBNAIL_SIDE = 24
LARGEST_DUPLICATE_DISTANCE = 4.0
"""Root mean square difference of two thumbnails, of 255."""
HELD_OUT_SHARE = 0.2


class TooFewPhotosError(ValueError):
    """A folder has too few fit photographs to learn from and to judge by."""


class UnfitPhotoError(ValueError):
    """A photograph is not used; the message says why."""


@dataclass(frozen=True)
class Fitness:
    """What a photograph must be to train on."""

    smallest_side: int = 200
    """Pixels of the shorter side, after shrinking."""
    longest_side: int = 1600
    """Larger photographs are shrunk to this, pixels: it also removes noise and JPEG traces."""


@dataclass
class Catalogue:
    """The photographs of one folder."""

    photos: dict[Path, Tile] = field(default_factory=dict)
    """Fit photographs, (H, W, 3), uint8, RGB, by file."""
    skipped: dict[Path, str] = field(default_factory=dict)
    """Why each of the others is not used, by file."""

    def reasons(self) -> dict[str, int]:
        """How many photographs were skipped for each reason."""
        return dict(Counter(reason.partition(":")[0] for reason in self.skipped.values()))


def read_catalogue(folder: Path, fitness: Fitness) -> Catalogue:
    """Read all fit photographs below a folder, in any layout, with a progress bar.

    Args:
        folder: searched with all folders below it.
        fitness: what a photograph must be.

    Raises:
        TooFewPhotosError: there is no picture at all, or no such folder.
    """
    found = find_pictures(folder, SUFFIXES)
    if not found:
        raise TooFewPhotosError(f"no photographs below {folder}")
    catalogue, thumbnails = Catalogue(), _Thumbnails()
    with click.progressbar(found, label="Reading photographs", file=sys.stderr) as bar:
        for path in bar:
            try:
                photo = read_photo(path, fitness)
                thumbnails.add(path, photo)
            except UnfitPhotoError as err:
                catalogue.skipped[path] = str(err)
            else:
                catalogue.photos[path] = photo
    return catalogue


def read_photo(path: Path, fitness: Fitness) -> Tile:
    """Read one photograph upright, on white where it is transparent, shrunk to the longest side.

    Its colour profile is ignored: a pair's two sides come from the same numbers.

    Raises:
        UnfitPhotoError: it cannot be read, is too small, too compressed or has no fine detail.
    """
    flat, quality = read_upright(path)
    shrinkage = max(flat.size) / fitness.longest_side
    if quality is not None and quality < LOWEST_JPEG_QUALITY and shrinkage < 2:
        raise UnfitPhotoError(f"low quality: JPEG {quality}, not {LOWEST_JPEG_QUALITY}")
    if shrinkage > 1:
        flat.thumbnail((fitness.longest_side, fitness.longest_side), Image.Resampling.LANCZOS)
    if min(flat.size) < fitness.smallest_side:
        raise UnfitPhotoError(f"too small: {flat.width}x{flat.height} pixels")
    photo = np.asarray(flat)
    if sharpness(flat) < LEAST_SHARPNESS:
        raise UnfitPhotoError(f"no fine detail: blurred or enlarged ({sharpness(flat):.3f})")
    return photo


def read_upright(path: Path) -> tuple[Image.Image, int | None]:
    """Decode a photograph upright, on white where it is transparent.

    Returns:
        In mode RGB; its JPEG quality, None of other formats.

    Raises:
        UnfitPhotoError: it cannot be read.
    """
    try:
        with Image.open(path) as image:
            return _on_white(ImageOps.exif_transpose(image)), jpeg_quality(image)
    except UNREADABLE as err:
        raise UnfitPhotoError(f"cannot be read: {err}") from err


def jpeg_quality(image: Image.Image) -> int | None:
    """Quality by which libjpeg would have written the luma table; None if it is no JPEG."""
    tables: dict[int, list[int]] | None = getattr(image, "quantization", None)
    if not tables:
        return None
    # The mean of libjpeg's luma table at quality 50 is 57.6.
    percent = 100 * float(np.mean(tables[min(tables)])) / 57.625
    quality = (200 - percent) / 2 if percent <= 100 else 5000 / percent
    return max(1, min(100, round(quality)))


def sharpness(photo: Image.Image) -> float:
    """Energy of the finest octave over that of the next one, in the liveliest tenth of a picture.

    Product photographs are mostly empty, so a mean over the whole picture would say nothing.

    Args:
        photo: at least `CELL_PIXELS` wide and high.
    """
    grey = photo.convert("L").convert("F")
    fine, half, quarter = (_without_octaves(grey, octaves) for octaves in (0, 1, 2))
    finest, next_one = _cell_energies(fine - half), _cell_energies(half - quarter)
    lively = np.argsort(next_one)[-max(1, len(next_one) // 10) :]
    return float(finest[lively].sum() / max(next_one[lively].sum(), 1e-3))


def split_catalogue(
    photos: Sequence[Path], fewest: int, share: float = HELD_OUT_SHARE, parts: int = 2
) -> tuple[list[Path], list[Path]]:
    """Hold a share of the photographs out; files `shirt_1` and `shirt_2` stay together.

    Args:
        photos: files of fit photographs.
        fewest: photographs that are needed in all, units.
        share: how many to hold out, fraction, rounded up; a product that has more is held out
            only where all others have even more.
        parts: into how many the photographs will be divided in all; every one gets a product.

    Returns:
        (training, validation), each sorted; the same for the same names.

    Raises:
        TooFewPhotosError: fewer than `fewest` photographs, or fewer than `parts` products.
    """
    groups = _products(photos)
    if len(photos) < fewest or len(groups) < parts:
        raise TooFewPhotosError(
            f"{len(photos)} fit photographs of {len(groups)} products; "
            f"at least {fewest} of {parts} products are needed"
        )
    wanted = math.ceil(share * len(photos))
    names = sorted(groups, key=lambda name: (zlib.crc32(name.encode()), name))
    held_out: list[Path] = []
    spare = len(groups) - parts + 1
    for name in names:
        if spare and len(held_out) + len(groups[name]) <= wanted:
            held_out += groups[name]
            spare -= 1
    kept = set(held_out or groups[min(names, key=lambda name: len(groups[name]))])
    return [path for path in sorted(photos) if path not in kept], sorted(kept)


def split_in_three(
    photos: Sequence[Path], fewest: int
) -> tuple[list[Path], list[Path], list[Path]]:
    """Divide photographs into those to learn from, to select weights by, and to judge by.

    Half of what is held out selects, the other half judges: who is chosen by photographs always
    looks good on them.

    Raises:
        TooFewPhotosError: fewer than `fewest` photographs, or of fewer than three products.
    """
    judging_share = HELD_OUT_SHARE / 2
    rest, judging = split_catalogue(photos, fewest, judging_share, parts=3)
    training, selecting = split_catalogue(rest, 2, judging_share / (1 - judging_share))
    return training, selecting, judging


class _Thumbnails:
    """Finds photographs that look like one that was seen before."""

    def __init__(self) -> None:
        self._seen: list[Path] = []
        self._pixels: NDArray[np.float32] = np.zeros((0, THUMBNAIL_SIDE**2 * 3), np.float32)
        self._count = 0

    def add(self, path: Path, photo: Tile) -> None:
        size = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
        small = Image.fromarray(photo).resize(size, Image.Resampling.BOX)
        pixels = np.asarray(small, np.float32).reshape(-1)
        if self._count:
            distances = np.sqrt(((self._pixels[: self._count] - pixels) ** 2).mean(1))
            nearest = int(distances.argmin())
            if distances[nearest] <= LARGEST_DUPLICATE_DISTANCE:
                raise UnfitPhotoError(f"near-duplicate: of {self._seen[nearest].name}")
        if self._count == len(self._pixels):
            self._pixels = np.concatenate([self._pixels, np.zeros_like(self._pixels)])
        if not len(self._pixels):
            self._pixels = np.zeros((64, pixels.size), np.float32)
        self._pixels[self._count] = pixels
        self._count += 1
        self._seen.append(path)


def _products(photos: Sequence[Path]) -> dict[str, list[Path]]:
    """Files by product; numbers that run on and on are a camera's, not views of a product."""
    stems: dict[str, list[Path]] = {}
    for path in sorted(photos):
        stems.setdefault(_stem_of(path), []).append(path)
    products: dict[str, list[Path]] = {}
    for stem, paths in stems.items():
        if len(paths) <= MOST_VIEWS:
            products[stem] = paths
        else:
            products |= {str(path): [path] for path in paths}
    return products


def _stem_of(path: Path) -> str:
    name, _, number = path.stem.rpartition("_")
    return str(path.parent / name) if name and number.isdigit() else str(path.with_suffix(""))


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    layered = image.convert("RGBA")
    white = Image.new("RGBA", layered.size, "white")
    return Image.alpha_composite(white, layered).convert("RGB")


def _without_octaves(grey: Image.Image, octaves: int) -> NDArray[np.float32]:
    """Remove the finest structure of a picture, mode F: (H, W), float32."""
    small = (grey.width >> octaves, grey.height >> octaves)
    resampling = Image.Resampling.LANCZOS
    return np.asarray(grey.resize(small, resampling).resize(grey.size, resampling))


def _cell_energies(band: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean square of each whole cell of (H, W)."""
    rows, columns = (side // CELL_PIXELS for side in band.shape)
    cut = band[: rows * CELL_PIXELS, : columns * CELL_PIXELS]
    cells = (cut**2).reshape(rows, CELL_PIXELS, columns, CELL_PIXELS)
    energies: NDArray[np.float32] = cells.mean((1, 3)).reshape(-1)
    return energies
