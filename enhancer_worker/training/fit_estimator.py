"""Trains the estimator of noise, JPEG quality and blur on photographs damaged by known amounts."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from enhancer_worker.nets.blur_kernels import gaussian_kernel
from enhancer_worker.nets.damage import UNITS
from enhancer_worker.nets.zoo import zoo_entry
from enhancer_worker.training.blurring import FloatImage, blur
from enhancer_worker.training.degradations import (
    MARGIN_PIXELS,
    add_noise,
    as_eight_bits,
    compress_jpeg,
    compress_shifted,
)
from enhancer_worker.training.known_crops import CropArgs, fit_on_crops
from enhancer_worker.training.loop import TrainingModule

NAME = "estimate_s"
HELD_OUT_CROPS = 200
FIGURES = ("noise", "jpeg", "blur")


@dataclass(frozen=True, kw_only=True)
class EstimatorArgs(CropArgs):
    """A run of the estimator."""


class Damage(NamedTuple):
    """How much of each kind a crop has received."""

    noise: float
    """Standard deviation, of 255."""
    jpeg: float
    """100 minus the quality; 0 for no compression."""
    blur: float
    """Standard deviation of the Gaussian, pixels."""


def random_damage(rng: np.random.Generator) -> Damage:
    """Draw amounts; each kind is absent from a good part of the samples."""
    noise = float(rng.exponential(8)) if rng.random() < 0.6 else 0.0
    jpeg = float(100 - rng.integers(10, 97)) if rng.random() < 0.7 else 0.0
    softness = float(rng.uniform(0.4, 2.0)) if rng.random() < 0.4 else 0.0
    return Damage(min(noise, 50.0), jpeg, softness)


def apply_damage(image: FloatImage, damage: Damage, rng: np.random.Generator) -> FloatImage:
    """Blur, then noise, then compression, as a camera and a shop do.

    Args:
        image: (H, W, 3), float32, [0, 1], with a border of `MARGIN_PIXELS`.
        damage: how much; half of the noise is photon noise of the same mean deviation, and a
            compression of better quality on a shifted grid may precede the last one.
        rng: source of randomness.

    Returns:
        (h, w, 3) without the border, float32, eight-bit levels.
    """
    if damage.blur:
        image = blur(image, gaussian_kernel(damage.blur, damage.blur, 0.0))
    if damage.noise:
        image = add_noise(image, rng, damage.noise / 255)
    quality = round(100 - damage.jpeg)
    if damage.jpeg and rng.random() < 0.3:
        image = compress_shifted(image, rng, int(rng.integers(quality, 98)))
    inner = image[MARGIN_PIXELS:-MARGIN_PIXELS, MARGIN_PIXELS:-MARGIN_PIXELS]
    if damage.jpeg:
        return compress_jpeg(inner, quality, ("4:4:4", "4:2:0")[int(rng.integers(2))])
    return as_eight_bits(inner)


def damaged(image: FloatImage, rng: np.random.Generator) -> tuple[FloatImage, Tensor]:
    """Damage a picture by amounts of chance, told in `UNITS`, (3,); see `known_crops.Known`."""
    damage = random_damage(rng)
    return apply_damage(image, damage, rng), torch.tensor(damage) / torch.tensor(UNITS)


def score(result: Tensor, amounts: Tensor) -> dict[str, float]:
    """Absolute errors in natural units: sigma of 255, steps of quality, pixels."""
    errors = (result - amounts).abs()[0] * result.new_tensor(UNITS)
    return {f"{name}_error": float(error) for name, error in zip(FIGURES, errors, strict=True)}


def fit(args: EstimatorArgs) -> TrainingModule:
    """Run one training of the estimator and write `estimate_s.safetensors`."""
    return fit_on_crops(NAME, zoo_entry(NAME).build, damaged, score, args, HELD_OUT_CROPS)
