"""Trains the matting net on cut-outs, scenes and invented objects over many backgrounds."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from enhancer_worker.nets.matting import MattingConfig, MattingNet
from enhancer_worker.training.args import TrainingArgs, TrainingArgsError
from enhancer_worker.training.backdrops.photographs import is_held_out, panorama_of
from enhancer_worker.training.data import (
    Pair,
    RunClock,
    find_photos,
    read_tiles,
    split_photos,
)
from enhancer_worker.training.loop import HeldOut, TrainingModule, is_last_part, side_by_side
from enhancer_worker.training.matting_data import MattingMix, MattingPairs
from enhancer_worker.training.matting_layers import all_layers, read_cutouts, read_scenes
from enhancer_worker.training.matting_losses import matting_loss
from enhancer_worker.training.matting_pseudo import mask_path, read_labelled
from enhancer_worker.training.matting_scenery import Scenery
from enhancer_worker.training.ranges import FRACTION, Range
from enhancer_worker.training.runs import run, warm_start

NAME = "cutout_s"
MULTIPLE = 32
HELD_OUT_PICTURES = 96
HELD_OUT_MIXES = {
    "product": MattingMix(scenes=0, invented=0, stickers=0),
    "invented": MattingMix(scenes=0, invented=1, stickers=0),
}


@dataclass(frozen=True, kw_only=True)
class MattingArgs(TrainingArgs, MattingMix):
    """A run of the matting net, and the mix of pictures that it sees."""

    data: Path
    """Folder with `cutouts/`, `photos/` and, where there are, `scenes/`, `backdrops/` and
    `textures/`."""
    labels: Path | None = None
    """Folder with masks of photographs, as `matting_pseudo` writes them."""
    batch: int = 8
    """Pictures per step."""
    patch: int = 192
    """Side of a picture, pixels, a multiple of 32."""
    last_patch: int = 256
    """Side of a picture in the last part of the run, pixels, a multiple of 32."""
    last_part: float = 0.3
    """Length of the last part, fraction of the run."""
    last_loss: str = "l1"
    """Pixel loss of the last part of the run, beside cross-entropy, overlap and edges."""
    optimizer: str = "muon"
    """adam, or muon: orthogonalised steps for hidden kernels; fewer steps for the same quality."""

    def ranges(self) -> dict[str, Range]:
        """What each number may be, by field."""
        mix = (field.name for field in fields(MattingMix))
        return super().ranges() | dict.fromkeys(mix, FRACTION)

    def _mistakes(self) -> tuple[tuple[bool, str], ...]:
        sides = (self.patch, self.last_patch)
        return (
            *super()._mistakes(),
            (any(side % MULTIPLE for side in sides), "patch and last-patch are multiples of 32"),
        )


class MattingModule(TrainingModule):
    """Supervises every level of the net, not its result alone."""

    def training_step(self, batch: Pair, batch_idx: int) -> Tensor:
        """Loss of one batch."""
        pictures, gt = batch
        half = self.progress < self.args.bf16_part
        with torch.autocast(pictures.device.type, torch.bfloat16, enabled=half):
            levels = cast(MattingNet, self.net).levels(pictures)
        pixel = self.last_loss if is_last_part(self.progress, self.args) else self.loss
        loss = matting_loss([(a.float(), b.float()) for a, b in levels], gt, pixel)
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def shown(self, batch: HeldOut, result: Tensor) -> Tensor:
        """Picture, alpha, expected error and truth side by side: (1, 3, H, W), [0, 1]."""
        planes = (result[:, :1], result[:, 1:], batch.gt)
        return side_by_side(batch.lq, *(plane.expand(-1, 3, -1, -1) for plane in planes))


def score(result: Tensor, gt: Tensor) -> dict[str, float]:
    """Intersection over union at 0.5 and mean absolute error of (1, 2, H, W) and its alpha."""
    alpha = result[:, :1]
    found, true = alpha >= 0.5, gt >= 0.5
    union = float((found | true).sum())
    return {
        "iou": float((found & true).sum()) / union if union else 1.0,
        "mae": float((alpha - gt).abs().mean()),
        "doubt_error": float((result[:, 1:] - (alpha - gt).abs()).abs().mean()),
    }


def held_out_pictures(pairs: MattingPairs, kind: str, side: int) -> list[HeldOut]:
    """The same held-out composites each time."""
    drawn = [pairs(np.random.default_rng(seed), side) for seed in range(HELD_OUT_PICTURES)]
    return [HeldOut(kind, picture, alpha) for picture, alpha in drawn]


def read_scenery(data: Path, *, held_out: bool = False, labels: Path | None = None) -> Scenery:
    """Backgrounds to train on, or those to judge on; no photograph or place is in both.

    Textures only train: any of them may lie under the products of `scenes/`.

    Args:
        data: folder with `photos/` and so on.
        held_out: those to judge on.
        labels: folder with masks; what shows an object of its own is no background.
    """
    photos = split_photos(find_photos(data))
    views = [
        path
        for path in sorted((data / "backdrops").glob("*.jpg"))
        if is_held_out(panorama_of(path)) == held_out
    ]
    textures = [] if held_out else sorted((data / "textures").glob("*.jpg"))
    plain = [path for path in photos[held_out] if not (labels and mask_path(labels, path).exists())]
    return Scenery(read_tiles(plain), read_tiles(views), read_tiles(textures))


def fit(args: MattingArgs) -> TrainingModule:
    """Run one training of the matting net and write `cutout_s.safetensors`."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    scenery = read_scenery(args.data, labels=args.labels)
    judging = read_scenery(args.data, held_out=True)
    scenes = read_scenes(args.data / "scenes")
    products = all_layers(read_cutouts(args.data / "cutouts"), scenes)
    labelled = read_labelled(args.data, args.labels) if args.labels else []
    if args.labels and not labelled:
        raise TrainingArgsError(f"no mask in {args.labels} is of a photograph below {args.data}")
    pairs = MattingPairs(products, scenes, scenery, args.batch, mix=args, labelled=labelled)
    others = read_cutouts(args.data / "cutouts", held_out=True)
    held_out = [
        picture
        for kind, mix in HELD_OUT_MIXES.items()
        for picture in held_out_pictures(
            MattingPairs(others, [], judging, 1, mix), kind, args.last_patch
        )
    ]

    def build(clock: RunClock) -> TrainingModule:
        return MattingModule(warm_start(MattingNet(MattingConfig()), args), score, args, clock)

    return run(NAME, build, pairs, held_out, args)
