"""Crops of photographs that something known was done to, for nets that tell what it was."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from enhancer_worker.training.args import TrainingArgs
from enhancer_worker.training.blurring import FloatImage
from enhancer_worker.training.data import (
    Pair,
    RunClock,
    Tile,
    find_photos,
    large_enough,
    random_turn,
    read_tiles,
    split_photos,
    to_tensor,
)
from enhancer_worker.training.degradations import MARGIN_PIXELS, to_float
from enhancer_worker.training.loop import HeldOut, Score, TrainingModule
from enhancer_worker.training.runs import run, warm_start

Known = Callable[[FloatImage, np.random.Generator], tuple[FloatImage, Tensor]]
"""Does something to (H, W, 3), float32, [0, 1]; gives it back without its border of
`MARGIN_PIXELS`, in eight-bit levels, and what was done, (N,)."""


@dataclass(frozen=True, kw_only=True)
class CropArgs(TrainingArgs):
    """A run of a net that judges crops."""

    patch: int = 96
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


class KnownCrops:
    """Crops, and what was done to them.

    Args:
        photos: each (H, W, 3), uint8.
        batch: crops per step.
        known: does it.
        largest_patch: largest crop that will be drawn, pixels; smaller photographs are left out.

    Raises:
        NoTrainingImagesError: no photograph is large enough.
    """

    def __init__(
        self, photos: Sequence[Tile], batch: int, known: Known, largest_patch: int = 0
    ) -> None:
        self._photos = large_enough(photos, largest_patch + 2 * MARGIN_PIXELS)
        self._batch = batch
        self._known = known

    def __call__(self, rng: np.random.Generator, patch: int) -> Pair:
        """Draw (B, 3, patch, patch), float32, [0, 1], and what was done, (B, N), float32."""
        drawn = [self._draw(rng, patch) for _ in range(self._batch)]
        return to_tensor([crop for crop, _ in drawn]), torch.stack([done for _, done in drawn])

    def _draw(self, rng: np.random.Generator, patch: int) -> tuple[FloatImage, Tensor]:
        photo = self._photos[int(rng.integers(len(self._photos)))]
        side = patch + 2 * MARGIN_PIXELS
        top, left = (int(rng.integers(length - side + 1)) for length in photo.shape[:2])
        turned = random_turn(rng)(photo[top : top + side, left : left + side])
        return self._known(to_float(turned), rng)


def held_out_crops(photos: Sequence[Tile], patch: int, known: Known, count: int) -> list[HeldOut]:
    """The same held-out crops each time, with what was done to them as truth."""
    crops = KnownCrops(photos, 1, known, patch)
    drawn = [crops(np.random.default_rng(number), patch) for number in range(count)]
    return [HeldOut("crops", crop, done) for crop, done in drawn]


def fit_on_crops(
    name: str, net: Callable[[], nn.Module], known: Known, score: Score, args: CropArgs, judged: int
) -> TrainingModule:
    """Run one training and write `NAME.safetensors`.

    Args:
        name: weight name.
        net: makes it with fresh weights.
        known: what is done to the crops.
        score: validation figures of (result, truth), by name.
        args: the run's arguments.
        judged: held-out crops.
    """
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    training, held_out = split_photos(find_photos(args.data))

    def build(clock: RunClock) -> TrainingModule:
        return TrainingModule(warm_start(net(), args), score, args, clock)

    largest = max(args.patch, args.last_patch)
    crops = KnownCrops(read_tiles(training), args.batch, known, largest)
    judging = held_out_crops(read_tiles(held_out), args.patch, known, judged)
    return run(name, build, crops, judging, args)
