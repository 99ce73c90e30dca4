"""Tells how much an upload needs restoring: noise, compression and blur, from a few crops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.engine.session import LoadedNet
from enhancer_worker.nets.damage import UNITS
from enhancer_worker.pipeline.crops import choose_crops
from enhancer_worker.pipeline.drawn import is_drawn

_CLEAN_NOISE = 2.5
_CLEAN_JPEG_QUALITY = 86.0
_CLEAN_BLUR = 0.4
_MOST_NOISE_OF_BLURRED = 4.0
_MOST_NOISE_OF_FAITHFUL = 3.0
_FAITHFUL_JPEG_QUALITY = 92.0


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
"""Of a picture without any detail to judge by, or drawn and kept without loss."""


def assess(net: LoadedNet, pixels: NDArray[np.uint8]) -> Assessment:
    """Estimate the damage of a picture.

    Noise and compression are medians over the crops with the most detail or, where that is less,
    over quieter ones: a camera and an encoder damage all of a picture, and what only the detail
    shows is linen, rust or hair. Blur is the lower quartile: out of focus is often only the
    background, and a soft crop of a sharp picture is no fault. Of a product before white the edges
    to it count for the blur alone: they may be its only sharp ones, and who put it there has made
    them anew.

    Args:
        net: the estimator.
        pixels: (H, W, 3), uint8, RGB.
    """
    crops = choose_crops(pixels)
    if not crops.detailed or is_drawn([*crops.detailed, *crops.edges]):
        return NOTHING_TO_SEE
    detailed, quiet, edges = (
        judge_crops(net, np.array(some)) * UNITS if some else np.empty((0, 3))
        for some in (crops.detailed, crops.quiet, crops.edges)
    )
    noise, jpeg = np.median(detailed[:, :2], axis=0)
    if len(quiet):
        noise, jpeg = np.minimum((noise, jpeg), np.median(quiet[:, :2], axis=0))
    blur = np.quantile(np.append(detailed[:, 2], edges[:, 2]), 0.25)
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
