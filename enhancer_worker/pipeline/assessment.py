"""Tells how much an upload needs restoring: noise, compression and blur, from a few crops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from enhancer_worker.engine.session import LoadedNet

CROP_PIXELS = 128
_GRID = 5
_CROPS = 9
_EVERY = 3
_FEWEST_QUIET = 3
_MOST_UNIFORM = 0.5
_APART = 32
_BLOCK_PIXELS = 8
_LEVELS = 256
_POWERS = np.arange(_LEVELS, dtype=np.float64)[:, None] ** (1, 2)
_FLAT_DEVIATION = 1.5
_UNITS = (25.0, 50.0, 1.0)
_CLEAN_NOISE = 2.5
_CLEAN_JPEG_QUALITY = 86.0
_CLEAN_BLUR = 0.4
_MOST_NOISE_OF_BLURRED = 4.0
_MOST_NOISE_OF_FAITHFUL = 3.0
_FAITHFUL_JPEG_QUALITY = 92.0


_Crop = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Assessment:
    """Estimated damage of a picture."""

    noise: float
    """Standard deviation of the noise, of 255; about 0 to 50."""
    jpeg_quality: float
    """Quality of the strongest compression, about 10 to 100 (none)."""
    blur: float
    """Standard deviation of the blur, pixels; about 0 to 2."""

    @property
    def looks_clean(self) -> bool:
        """Whether restoring could hardly help.

        92 of 100 photographs of B100 and all 29 of LIVE1 pass; with noise of 4 of 255, 46 and 13
        do, with JPEG of quality 85, 61 and 20; with noise of 8, 4 and 2; with a blur of one pixel,
        1 and none; with JPEG of quality 75, none.
        """
        return (
            self.noise < _CLEAN_NOISE
            and self.jpeg_quality > _CLEAN_JPEG_QUALITY
            and self.blur < _CLEAN_BLUR
        )

    @property
    def is_only_blurred(self) -> bool:
        """Whether a blur can be divided out: noise and the blocks of JPEG would grow with it."""
        return (
            self.blur >= _CLEAN_BLUR
            and self.noise < _MOST_NOISE_OF_BLURRED
            and self.jpeg_quality > _CLEAN_JPEG_QUALITY
        )

    @property
    def suits_faithful(self) -> bool:
        """Whether to enlarge exactly what is there gains more than to repair it on the way.

        Of 20 held-out photographs, shrunk, damaged in up to 8 ways and enlarged two (four) times,
        those that pass are 0.19 (0.21) dB better by the faithful network than by the photo network;
        by the better one in every case all would be 0.17 (0.15) dB better, by this rule they are
        0.09 (0.10) dB. At JPEG quality 90 both networks are alike.
        """
        return self.noise < _MOST_NOISE_OF_FAITHFUL and self.jpeg_quality > _FAITHFUL_JPEG_QUALITY

    def figures(self) -> dict[str, float]:
        """Return what is stored on the variant."""
        return {
            "estimated_noise": round(self.noise, 2),
            "estimated_jpeg_quality": round(self.jpeg_quality, 1),
            "estimated_blur": round(self.blur, 2),
        }


NOTHING_TO_SEE = Assessment(noise=0.0, jpeg_quality=100.0, blur=0.0)
"""Of a picture without any detail to judge by."""


def assess(net: LoadedNet, pixels: NDArray[np.uint8]) -> Assessment:
    """Estimate the damage of a picture.

    Noise and compression are medians over the crops with the most detail or, where that is less,
    over quieter ones: a camera and an encoder damage all of a picture, and what only the detail
    shows is linen, rust or hair. Blur is the lower quartile: out of focus is often only the
    background, and a soft crop of a sharp picture is no fault.

    Args:
        net: the estimator.
        pixels: (H, W, 3), uint8, RGB.
    """
    detailed, quiet = _crops_to_judge(pixels)
    if not detailed:
        return NOTHING_TO_SEE
    amounts = judge_crops(net, np.array(detailed + quiet)) * _UNITS
    noise, jpeg = np.median(amounts[: len(detailed), :2], axis=0)
    if quiet:
        noise, jpeg = np.minimum((noise, jpeg), np.median(amounts[len(detailed) :, :2], axis=0))
    blur = np.quantile(amounts[: len(detailed), 2], 0.25)
    return Assessment(
        noise=max(0.0, float(noise)),
        jpeg_quality=min(100.0, max(1.0, 100.0 - float(jpeg))),
        blur=max(0.0, float(blur)),
    )


def judge_crops(net: LoadedNet, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Ask a network that gives a few numbers per crop.

    Args:
        net: the network.
        crops: (N, H, W, 3), uint8, RGB, at least one.

    Returns:
        (N, numbers), float32.
    """
    batch = np.ascontiguousarray(crops.transpose(0, 3, 1, 2), np.float32) / np.float32(255)
    # One by one: a session keeps one compiled graph per batch size.
    return np.concatenate([net.session(crop[None]).copy() for crop in batch])


def detailed_crops(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut the crops with the most detail, on the grid of JPEG's blocks.

    Args:
        pixels: (H, W, 3), uint8; a picture smaller than a crop is mirrored at its edges.

    Returns:
        (N, 128, 128, 3), uint8, N from 0 (nothing but flat areas) to 9.
    """
    detailed, _ = _crops_to_judge(pixels)
    return np.array(detailed, np.uint8).reshape(-1, CROP_PIXELS, CROP_PIXELS, 3)


def _crops_to_judge(pixels: NDArray[np.uint8]) -> tuple[list[_Crop], list[_Crop]]:
    """Return the crops with the most detail, and some of the others, in which noise can be seen."""
    height, width = pixels.shape[:2]
    short = [max(0, CROP_PIXELS - side) for side in (height, width)]
    if any(short):
        padding = ((0, short[0]), (0, short[1]), (0, 0))
        pixels = np.pad(pixels, padding, mode="symmetric")
        height, width = pixels.shape[:2]
    crops = [
        pixels[top : top + CROP_PIXELS, left : left + CROP_PIXELS]
        for top in _starts(height)
        for left in _starts(width)
    ]
    deviations = [_deviation(crop) for crop in crops]
    order = sorted(range(len(crops)), key=deviations.__getitem__, reverse=True)
    detailed = [crops[i] for i in order[:_CROPS] if deviations[i] >= _FLAT_DEVIATION]
    quiet = [crops[i] for i in order[_CROPS:] if not _is_uniform(crops[i])]
    return detailed, quiet[::_EVERY] if len(quiet) >= _FEWEST_QUIET else []


def _is_uniform(crop: _Crop) -> bool:
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
