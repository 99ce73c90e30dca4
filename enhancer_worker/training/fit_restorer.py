"""Trains the blind restorer on photographs with noise, JPEG artefacts and slight blur."""

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from enhancer_worker.nets.state_files import read_state
from enhancer_worker.nets.unet_restorer import ResidualBlock, UNetRestorer, UNetRestorerConfig
from enhancer_worker.nets.zoo import zoo_entry
from enhancer_worker.training.args import RestorerArgs
from enhancer_worker.training.blurring import FloatImage
from enhancer_worker.training.data import (
    Pair,
    RunClock,
    Tile,
    cut_to_multiple,
    find_photos,
    large_enough,
    random_turn,
    read_tiles,
    split_photos,
    to_tensor,
)
from enhancer_worker.training.degradations import (
    MARGIN_PIXELS,
    RestorationMix,
    add_gaussian_noise,
    compress_jpeg,
    degrade,
    luma_image,
    random_lens_blur,
    random_upload,
    to_float,
)
from enhancer_worker.training.loop import HeldOut, TrainingModule
from enhancer_worker.training.metrics import as_eight_bits, psnr
from enhancer_worker.training.runs import run, warm_start

NAME = "restore_s"
MOST_HELD_OUT = 12
HELD_OUT_SIDE_PIXELS = 192


class RestorerPairs:
    """Photographs from which patches are cut and damaged.

    Args:
        photos: each (H, W, 3), uint8.
        batch: pairs per step at the smaller patch size.
        patch: the smaller patch size, pixels; larger patches come in smaller batches, so that a
            step never takes more than about twice as long.
        mix: how often each damage is drawn.
        largest_patch: largest patch that will be drawn, pixels; smaller photographs are left out.

    Raises:
        NoTrainingImagesError: no photograph is large enough.
    """

    def __init__(
        self,
        photos: Sequence[Tile],
        batch: int,
        patch: int,
        mix: RestorationMix,
        largest_patch: int = 0,
    ) -> None:
        self._photos = large_enough(photos, largest_patch + 2 * MARGIN_PIXELS)
        self._batch = batch
        self._patch = patch
        self._mix = mix

    def __call__(self, rng: np.random.Generator, patch: int) -> Pair:
        """Draw a batch: lq and gt, both (B, 3, patch, patch), float32; gt in [0, 1]."""
        count = self._batch if patch <= self._patch else max(1, self._batch // 2)
        pairs = [self._draw(rng, patch) for _ in range(count)]
        return to_tensor([lq for lq, _ in pairs]), to_tensor([gt for _, gt in pairs])

    def _draw(self, rng: np.random.Generator, patch: int) -> tuple[FloatImage, FloatImage]:
        photo = self._photos[int(rng.integers(len(self._photos)))]
        side = patch + 2 * MARGIN_PIXELS
        top = int(rng.integers(photo.shape[0] - side + 1))
        left = int(rng.integers(photo.shape[1] - side + 1))
        turned = random_turn(rng)(photo[top : top + side, left : left + side])
        return degrade(to_float(turned), rng, self._mix)


def held_out_pairs(
    photos: Sequence[Tile], most: int = MOST_HELD_OUT, side: int = HELD_OUT_SIDE_PIXELS
) -> list[HeldOut]:
    """The same held-out photographs, damaged in the ways that benchmarks and uploads are.

    Args:
        photos: each (H, W, 3), uint8.
        most: photographs at most.
        side: of each at most, from its upper left corner, pixels.
    """
    damages: dict[str, Callable[[FloatImage, np.random.Generator], FloatImage]] = {
        "clean": lambda image, _: image,
        "sigma25": lambda image, rng: add_gaussian_noise(image, rng, 25 / 255),
        "q20": lambda image, _: compress_jpeg(image, 20, "4:2:0"),
        "grey_q20": lambda image, _: compress_jpeg(image, 20),
        "blur": random_lens_blur,
        "upload": random_upload,
    }
    pairs = []
    for number, photo in enumerate(photos[:most]):
        image = to_float(cut_to_multiple(photo[:side, :side], zoo_entry(NAME).multiple_of))
        for kind, damage in damages.items():
            gt = luma_image(image) if kind.startswith("grey") else image
            lq = damage(gt, np.random.default_rng(number))
            pairs.append(HeldOut(kind, to_tensor([lq]), to_tensor([gt])))
    return pairs


def score(result: Tensor, gt: Tensor) -> dict[str, float]:
    """PSNR over all three channels, after rounding to eight bits."""
    return {"psnr_rgb": psnr(as_eight_bits(result), gt)}


def build_net(args: RestorerArgs) -> UNetRestorer:
    """Make the net, from `--init-from` where given; it may have fewer blocks per level.

    Blocks that the file does not hold begin as identities, so that training starts where the
    smaller net ended (Net2DeeperNet, arXiv 1511.05641).
    """
    net = UNetRestorer(UNetRestorerConfig())
    if args.init_from is None:
        return net
    known = read_state(args.init_from)
    for name, block in net.named_modules():
        if isinstance(block, ResidualBlock) and f"{name}.second.weight" not in known:
            nn.init.zeros_(block.second.weight)
            nn.init.zeros_(cast(Tensor, block.second.bias))
    return warm_start(net, args)


def fit(args: RestorerArgs) -> TrainingModule:
    """Run one training of the restorer and write `restore_s.safetensors`."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    training, held_out = split_photos(find_photos(args.data))

    def build(clock: RunClock) -> TrainingModule:
        return TrainingModule(build_net(args), score, args, clock)

    largest = max(args.patch, args.last_patch)
    pairs = RestorerPairs(read_tiles(training), args.batch, args.patch, args, largest)
    return run(NAME, build, pairs, held_out_pairs(read_tiles(held_out)), args)
