"""Trains the estimator of noise, JPEG quality and blur on photographs damaged by known amounts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from enhancer_worker.nets.blur_kernels import gaussian_kernel
from enhancer_worker.nets.estimator import Estimator, EstimatorConfig
from enhancer_worker.training.args import TrainingArgs
from enhancer_worker.training.blurring import FloatImage, blur
from enhancer_worker.training.data import (
    Pair,
    RunClock,
    Tile,
    find_photos,
    random_turn,
    read_tiles,
    split_photos,
    to_tensor,
)
from enhancer_worker.training.degradations import (
    MARGIN_PIXELS,
    add_gaussian_noise,
    add_poisson_noise,
    compress_jpeg,
    compress_shifted,
    to_float,
)
from enhancer_worker.training.loop import HeldOut, TrainingModule
from enhancer_worker.training.runs import run, warm_start

NAME = "estimate_s"
HELD_OUT_CROPS = 200
FIGURES = ("noise", "jpeg", "blur")
UNITS = (25.0, 50.0, 1.0)
"""Sigma of 255, steps of quality below 100, sigma in pixels: what 1.0 stands for."""


@dataclass(frozen=True, kw_only=True)
class EstimatorArgs(TrainingArgs):
    """A run of the estimator."""

    patch: int = 96
    """Side of one crop, pixels, a multiple of 8."""
    last_patch: int = 128
    """Side of one crop in the last part of the run, pixels, a multiple of 8."""
    last_loss: str = "l1"
    """Loss of the last part of the run."""

    def _mistakes(self) -> tuple[tuple[bool, str], ...]:
        return (
            *super()._mistakes(),
            (
                bool(self.patch % 8 or self.last_patch % 8),
                "patch and last-patch are multiples of 8",
            ),
        )


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
        image = _add_noise(image, damage.noise / 255, rng)
    quality = round(100 - damage.jpeg)
    if damage.jpeg and rng.random() < 0.3:
        image = compress_shifted(image, rng, int(rng.integers(quality, 98)))
    inner = image[MARGIN_PIXELS:-MARGIN_PIXELS, MARGIN_PIXELS:-MARGIN_PIXELS]
    if damage.jpeg:
        return compress_jpeg(inner, quality, ("4:4:4", "4:2:0")[int(rng.integers(2))])
    return np.rint(np.clip(inner, 0, 1) * 255).astype(np.float32) / np.float32(255)


def _add_noise(image: FloatImage, sigma: float, rng: np.random.Generator) -> FloatImage:
    if rng.random() < 0.5:
        return add_gaussian_noise(image, rng, sigma)
    mean = max(float(image.mean()), 0.05)
    return add_poisson_noise(image, rng, mean / sigma**2)


class EstimatorCrops:
    """Crops with known damage.

    Args:
        photos: each (H, W, 3), uint8.
        batch: crops per step.
    """

    def __init__(self, photos: Sequence[Tile], batch: int) -> None:
        self._photos = photos
        self._batch = batch

    def __call__(self, rng: np.random.Generator, patch: int) -> Pair:
        """Draw (B, 3, patch, patch), float32, [0, 1], and its amounts, (B, 3), float32."""
        drawn = [self.draw(rng, patch) for _ in range(self._batch)]
        return to_tensor([crop for crop, _ in drawn]), torch.stack(
            [amounts for _, amounts in drawn]
        )

    def draw(self, rng: np.random.Generator, patch: int) -> tuple[FloatImage, Tensor]:
        """Draw one crop, (patch, patch, 3), and its amounts in `UNITS`, (3,)."""
        photo = self._photos[int(rng.integers(len(self._photos)))]
        side = patch + 2 * MARGIN_PIXELS
        top, left = (int(rng.integers(length - side + 1)) for length in photo.shape[:2])
        image = to_float(random_turn(rng)(photo[top : top + side, left : left + side]))
        damage = random_damage(rng)
        return apply_damage(image, damage, rng), torch.tensor(damage) / torch.tensor(UNITS)


def score(result: Tensor, amounts: Tensor) -> dict[str, float]:
    """Absolute errors in natural units: sigma of 255, steps of quality, pixels."""
    errors = (result - amounts).abs()[0] * torch.tensor(UNITS)
    return {f"{name}_error": float(error) for name, error in zip(FIGURES, errors, strict=True)}


def fit(args: EstimatorArgs) -> TrainingModule:
    """Run one training of the estimator and write `estimate_s.safetensors`."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    training, held_out = split_photos(find_photos(args.data))

    def build(clock: RunClock) -> TrainingModule:
        return TrainingModule(warm_start(Estimator(EstimatorConfig()), args), score, args, clock)

    crops = EstimatorCrops(read_tiles(training), args.batch)
    return run(NAME, build, crops, held_out_crops(read_tiles(held_out), args.patch), args)


def held_out_crops(photos: Sequence[Tile], patch: int) -> list[HeldOut]:
    """The same held-out crops each time, with their amounts as truth."""
    crops = EstimatorCrops(photos, 1)
    drawn = [crops(np.random.default_rng(number), patch) for number in range(HELD_OUT_CROPS)]
    return [HeldOut("crops", crop, amounts) for crop, amounts in drawn]
