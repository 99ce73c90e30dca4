"""Trains the plain upscaler on photographs shrunk by antialiased bicubic."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from enhancer_worker.nets.srvgg import SRVGG, SRVGGConfig
from enhancer_worker.training.args import UpscalerArgs
from enhancer_worker.training.data import (
    Pair,
    RunClock,
    Tile,
    cut_to_multiple,
    find_photos,
    random_turn,
    read_tiles,
    split_photos,
    to_tensor,
)
from enhancer_worker.training.degradations import shrink
from enhancer_worker.training.loop import HeldOut, TrainingModule
from enhancer_worker.training.losses import l1
from enhancer_worker.training.metrics import luma_scores
from enhancer_worker.training.runs import run, warm_start

MOST_HELD_OUT = 24


class UpscalerPairs:
    """Whole photographs and their small versions, from which aligned patches are cut.

    Shrinking whole photographs once, not patches, keeps border effects out of the pairs.

    Args:
        photos: each (H, W, 3), uint8; cut to a multiple of `scale`.
        scale: output pixels per input pixel along one axis.
        batch: pairs per step.
    """

    def __init__(self, photos: Sequence[Tile], scale: int, batch: int) -> None:
        self._gt = [cut_to_multiple(photo, scale) for photo in photos]
        self._lq = [shrink_photo(photo, scale) for photo in self._gt]
        self._scale = scale
        self._batch = batch

    def __call__(self, rng: np.random.Generator, patch: int) -> Pair:
        """Draw a batch: lq (B, 3, patch, patch) and gt `scale` times larger, float32, [0, 1]."""
        pairs = [self._draw(rng, patch) for _ in range(self._batch)]
        return to_tensor([lq for lq, _ in pairs]), to_tensor([gt for _, gt in pairs])

    def _draw(self, rng: np.random.Generator, patch: int) -> tuple[Tile, Tile]:
        index = int(rng.integers(len(self._lq)))
        lq, gt, scale = self._lq[index], self._gt[index], self._scale
        top = int(rng.integers(lq.shape[0] - patch + 1))
        left = int(rng.integers(lq.shape[1] - patch + 1))
        turn = random_turn(rng)
        small = lq[top : top + patch, left : left + patch]
        large = gt[
            top * scale : (top + patch) * scale,
            left * scale : (left + patch) * scale,
        ]
        return turn(small), turn(large)


def shrink_photo(photo: Tile, scale: int) -> Tile:
    """Small version of (H, W, 3), uint8, rounded to eight bits as files are."""
    small = shrink(to_tensor([photo]), scale).clamp(0, 1)
    pixels = (small * 255).round().to(torch.uint8)
    return pixels[0].permute(1, 2, 0).contiguous().numpy()


def held_out_pairs(photos: Sequence[Tile], scale: int) -> list[HeldOut]:
    """Whole held-out photographs and their small versions."""
    pairs = []
    for photo in photos[:MOST_HELD_OUT]:
        gt = cut_to_multiple(photo, scale)
        lq = to_tensor([shrink_photo(gt, scale)])
        pairs.append(HeldOut(f"x{scale}", lq, to_tensor([gt])))
    return pairs


def fit(args: UpscalerArgs) -> TrainingModule:
    """Run one training of the upscaler and write `upscale_x{scale}_s.safetensors`."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    training, held_out = split_photos(find_photos(args.data))
    config = SRVGGConfig(args.scale, args.channels, args.convolutions)

    def score(result: Tensor, gt: Tensor) -> dict[str, float]:
        psnr_y, ssim_y = luma_scores(result, gt, args.scale)
        return {"psnr_y": psnr_y, "ssim_y": ssim_y}

    def build(clock: RunClock) -> TrainingModule:
        return TrainingModule(warm_start(SRVGG(config), args), l1, score, args, clock)

    pairs = UpscalerPairs(read_tiles(training), args.scale, args.batch)
    name = f"upscale_x{args.scale}_s"
    return run(name, build, pairs, held_out_pairs(read_tiles(held_out), args.scale), args)
