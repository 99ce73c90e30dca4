"""Trains the net that tells which kernel has blurred a picture."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from enhancer_worker.nets.blur_kernels import (
    FREQUENCIES,
    Kernel,
    disk_kernel,
    gaussian_kernel,
    motion_kernel,
    transfer,
)
from enhancer_worker.nets.zoo import zoo_entry
from enhancer_worker.training.blurring import FloatImage, blur
from enhancer_worker.training.degradations import (
    MARGIN_PIXELS,
    SUBSAMPLINGS,
    add_noise,
    as_eight_bits,
    compress_jpeg,
)
from enhancer_worker.training.known_crops import CropArgs, fit_on_crops
from enhancer_worker.training.loop import TrainingModule

NAME = "blur_s"
HELD_OUT_CROPS = 240
SHARP = 0.25
"""Share of crops that nothing has blurred."""
COMPRESSED = 0.4
"""Share of crops that were compressed, by quality 75 to 98."""
STRONGEST_NOISE = 5.0
"""Standard deviation, of 255."""


@dataclass(frozen=True, kw_only=True)
class BlurArgs(CropArgs):
    """A run of the net that tells kernels."""

    patch: int = 128
    """Side of one crop, pixels, a multiple of 8."""


def random_kernel(rng: np.random.Generator) -> Kernel | None:
    """Draw one of a lens, its defocus, or a hand; None for a sharp picture.

    Motion is drawn twice as often as either: its direction has to be learned too.
    """
    if rng.random() < SHARP:
        return None
    kind = int(rng.integers(4))
    if kind == 0:
        sigma = float(rng.uniform(0.4, 2.0))
        ratio = 1.0 if rng.random() < 0.5 else float(rng.uniform(0.4, 1.0))
        return gaussian_kernel(sigma, max(0.2, sigma * ratio), float(rng.uniform(0, math.pi)))
    if kind == 1:
        return disk_kernel(float(rng.uniform(0.7, 3.0)))
    return motion_kernel(float(rng.uniform(2, 9)), float(rng.uniform(0, math.pi)))


def blurred(image: FloatImage, rng: np.random.Generator) -> tuple[FloatImage, Tensor]:
    """Blur a picture by a kernel of chance, or not at all; see `known_crops.Known`.

    Returns:
        The picture without its border, and what the kernel leaves of each frequency, (48,).
    """
    kernel = random_kernel(rng)
    if kernel is not None:
        image = blur(image, kernel)
    inner = image[MARGIN_PIXELS:-MARGIN_PIXELS, MARGIN_PIXELS:-MARGIN_PIXELS]
    left = torch.ones(FREQUENCIES) if kernel is None else torch.from_numpy(transfer(kernel))
    return stored(inner, rng), left


def stored(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Add the slight noise of a camera, and compression at times, to (H, W, 3) in [0, 1]."""
    sigma = float(rng.uniform(0, STRONGEST_NOISE) * rng.random()) / 255
    if sigma:
        image = add_noise(image, rng, sigma)
    if rng.random() < COMPRESSED:
        subsampling = list(SUBSAMPLINGS)[int(rng.integers(len(SUBSAMPLINGS)))]
        return compress_jpeg(image, int(rng.integers(75, 99)), subsampling)
    return as_eight_bits(image)


def score(result: Tensor, known: Tensor) -> dict[str, float]:
    """Mean absolute error over all frequencies."""
    return {"transfer_error": float((result - known).abs().mean())}


def fit(args: BlurArgs) -> TrainingModule:
    """Run one training and write `blur_s.safetensors`."""
    return fit_on_crops(NAME, zoo_entry(NAME).build, blurred, score, args, HELD_OUT_CROPS)
