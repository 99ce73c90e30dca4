"""Trains the net that tells which kernel has blurred a picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from enhancer_worker.nets.blur_kernels import (
    Kernel,
    disk_kernel,
    gaussian_kernel,
    motion_kernel,
    transfer,
)
from enhancer_worker.nets.zoo import zoo_entry
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
    SUBSAMPLINGS,
    add_gaussian_noise,
    add_poisson_noise,
    compress_jpeg,
    to_float,
)
from enhancer_worker.training.loop import HeldOut, TrainingModule
from enhancer_worker.training.runs import run, warm_start

NAME = "blur_s"
HELD_OUT_CROPS = 240
SHARP = 0.25
"""Share of crops that nothing has blurred."""
COMPRESSED = 0.4
"""Share of crops that were compressed, by quality 75 to 98."""
STRONGEST_NOISE = 5.0
"""Standard deviation, of 255."""


@dataclass(frozen=True, kw_only=True)
class BlurArgs(TrainingArgs):
    """A run of the net that tells kernels."""

    patch: int = 128
    """Side of one crop, pixels, a multiple of 8."""
    last_patch: int = 128
    """Side of one crop in the last part of the run, pixels, a multiple of 8."""
    last_loss: str = "l1"
    """Loss of the last part of the run."""

    def _mistakes(self) -> tuple[tuple[bool, str], ...]:
        uneven = bool(self.patch % 8 or self.last_patch % 8)
        return (
            *super()._mistakes(),
            (uneven, "patch and last-patch are multiples of 8"),
        )


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


class BlurCrops:
    """Crops with what a known kernel has left of them.

    Args:
        photos: each (H, W, 3), uint8.
        batch: crops per step.
    """

    def __init__(self, photos: Sequence[Tile], batch: int) -> None:
        self._photos = photos
        self._batch = batch

    def __call__(self, rng: np.random.Generator, patch: int) -> Pair:
        """Draw (B, 3, patch, patch), float32, [0, 1], and transfers, (B, 48), float32."""
        drawn = [self.draw(rng, patch) for _ in range(self._batch)]
        crops = to_tensor([crop for crop, _ in drawn])
        return crops, torch.from_numpy(np.stack([values for _, values in drawn]))

    def draw(self, rng: np.random.Generator, patch: int) -> tuple[FloatImage, FloatImage]:
        """Draw one crop, (patch, patch, 3), and the transfer of its kernel, (48,)."""
        photo = self._photos[int(rng.integers(len(self._photos)))]
        side = patch + 2 * MARGIN_PIXELS
        top, left = (int(rng.integers(length - side + 1)) for length in photo.shape[:2])
        image = to_float(random_turn(rng)(photo[top : top + side, left : left + side]))
        kernel = random_kernel(rng)
        if kernel is not None:
            image = blur(image, kernel)
        inner = image[MARGIN_PIXELS:-MARGIN_PIXELS, MARGIN_PIXELS:-MARGIN_PIXELS]
        known = np.ones(48, np.float32) if kernel is None else transfer(kernel)
        return stored(inner, rng), known


def stored(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Add the slight noise of a camera, and compression at times, to (H, W, 3) in [0, 1]."""
    sigma = float(rng.uniform(0, STRONGEST_NOISE) * rng.random()) / 255
    if sigma and rng.random() < 0.5:
        image = add_gaussian_noise(image, rng, sigma)
    elif sigma:
        mean = max(float(image.mean()), 0.05)
        image = add_poisson_noise(image, rng, mean / sigma**2)
    if rng.random() < COMPRESSED:
        subsampling = list(SUBSAMPLINGS)[int(rng.integers(len(SUBSAMPLINGS)))]
        return compress_jpeg(image, int(rng.integers(75, 99)), subsampling)
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.float32) / np.float32(255)


def score(result: Tensor, known: Tensor) -> dict[str, float]:
    """Mean absolute error over all frequencies."""
    return {"transfer_error": float((result - known).abs().mean())}


def fit(args: BlurArgs) -> TrainingModule:
    """Run one training and write `blur_s.safetensors`."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    training, held_out = split_photos(find_photos(args.data))

    def build(clock: RunClock) -> TrainingModule:
        return TrainingModule(warm_start(zoo_entry(NAME).build(), args), score, args, clock)

    crops = BlurCrops(read_tiles(training), args.batch)
    return run(NAME, build, crops, held_out_crops(read_tiles(held_out), args.patch), args)


def held_out_crops(photos: Sequence[Tile], patch: int) -> list[HeldOut]:
    """The same held-out crops each time, with what is left of their frequencies as truth."""
    crops = BlurCrops(photos, 1)
    drawn = [crops(np.random.default_rng(number), patch) for number in range(HELD_OUT_CROPS)]
    return [HeldOut("crops", crop, known) for crop, known in drawn]
