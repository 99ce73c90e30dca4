"""Chooses the crops of a picture by which it is judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from enhancer_worker.pipeline.white_ground import WHITE_LEVEL, product_part

CROP_PIXELS = 128
_GRID = 5
_CROPS = 9
_EVERY = 3
_FEWEST = 3
_MOST_UNIFORM = 0.5
_MOST_WHITE = 0.1
_APART = 32
_BLOCK_PIXELS = 8
_LEVELS = 256
_POWERS = np.arange(_LEVELS, dtype=np.float64)[:, None] ** (1, 2)
_FLAT_DEVIATION = 1.5

Crop = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Crops:
    """What is looked at of a picture: (128, 128, 3), uint8, RGB each, on the grid of JPEG."""

    detailed: list[Crop]
    """Those with the most detail, up to nine; none where all is flat."""
    quiet: list[Crop]
    """Some of the others, in which noise can be seen."""
    edges: list[Crop]
    """Of what stands before white: those with the strongest edges to it, up to nine."""


def choose_crops(pixels: NDArray[np.uint8]) -> Crops:
    """Choose by detail; before white, within the product.

    An edge to white deviates more than any detail does, and says nothing of what was cut out.

    Args:
        pixels: (H, W, 3), uint8, RGB; a picture smaller than a crop is mirrored at its edges.
    """
    part = product_part(pixels, CROP_PIXELS, _BLOCK_PIXELS)
    if part is None:
        return Crops(*_by_detail(_on_grid(pixels)), [])
    crops = _on_grid(pixels[part])
    detailed, quiet = _by_detail(_least_white(crops))
    edges, _ = _by_detail(crops)
    return Crops(detailed, quiet, edges)


def detailed_crops(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut the crops with the most detail, (N, 128, 128, 3), uint8; see ``choose_crops``."""
    found = choose_crops(pixels).detailed
    return np.array(found, np.uint8).reshape(-1, CROP_PIXELS, CROP_PIXELS, 3)


def _by_detail(crops: list[Crop]) -> tuple[list[Crop], list[Crop]]:
    deviations = [_deviation(crop) for crop in crops]
    order = sorted(range(len(crops)), key=deviations.__getitem__, reverse=True)
    detailed = [crops[i] for i in order[:_CROPS] if deviations[i] >= _FLAT_DEVIATION]
    quiet = [crops[i] for i in order[_CROPS:] if not _is_uniform(crops[i])]
    return detailed, quiet[::_EVERY] if len(quiet) >= _FEWEST else []


def _least_white(crops: list[Crop]) -> list[Crop]:
    """Keep the crops that show hardly any white, or the few that show the least."""
    shares = [float((crop.min(axis=2) >= WHITE_LEVEL).mean()) for crop in crops]
    kept = [crop for crop, share in zip(crops, shares, strict=True) if share <= _MOST_WHITE]
    if len(kept) >= _FEWEST:
        return kept
    return [crops[i] for i in sorted(range(len(crops)), key=shares.__getitem__)[:_FEWEST]]


def _on_grid(pixels: NDArray[np.uint8]) -> list[Crop]:
    height, width = pixels.shape[:2]
    short = [max(0, CROP_PIXELS - side) for side in (height, width)]
    if any(short):
        padding = ((0, short[0]), (0, short[1]), (0, 0))
        pixels = np.pad(pixels, padding, mode="symmetric")
        height, width = pixels.shape[:2]
    return [
        pixels[top : top + CROP_PIXELS, left : left + CROP_PIXELS]
        for top in _starts(height)
        for left in _starts(width)
    ]


def _is_uniform(crop: Crop) -> bool:
    """Whether most of a crop is of one colour, as paper that is burnt out or was put behind.

    Neither noise nor an encoder leaves anything there.
    """
    near = crop[:-_APART, :-_APART]
    same = (near == crop[_APART:, :-_APART]) & (near == crop[:-_APART, _APART:])
    return bool(same.all(axis=2).mean() > _MOST_UNIFORM)


def _deviation(crop: NDArray[np.uint8]) -> float:
    """Largest standard deviation of a channel; by histograms, several times as fast as NumPy's."""
    counts = np.array(Image.fromarray(crop).histogram(), np.float64).reshape(-1, _LEVELS)
    moments = counts @ _POWERS / (crop.shape[0] * crop.shape[1])
    return float(np.sqrt((moments[:, 1] - moments[:, 0] ** 2).max()))


def _starts(length: int) -> list[int]:
    """Evenly spread starts of crops along one side, on multiples of eight.

    >>> _starts(128), _starts(200), _starts(1000)
    ([0], [0, 16, 32, 48, 72], [0, 216, 432, 648, 872])
    """
    last = (length - CROP_PIXELS) // _BLOCK_PIXELS
    return sorted({last * i // (_GRID - 1) * _BLOCK_PIXELS for i in range(_GRID)})
