"""Trains upscalers on photographs shrunk by antialiased bicubic, or also mildly damaged."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from enhancer_worker.nets.espcn import ESPCN, ESPCNConfig
from enhancer_worker.nets.srvgg import SRVGG, TIERS, SRVGGConfig, deepened
from enhancer_worker.nets.state_files import read_state
from enhancer_worker.nets.vdsr import VDSR, VDSRConfig
from enhancer_worker.training.args import REFERENCES, TrainingArgsError, UpscalerArgs
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
    degrade_small,
    shrink,
    to_float,
)
from enhancer_worker.training.loop import HeldOut, TrainingModule
from enhancer_worker.training.metrics import luma_scores
from enhancer_worker.training.runs import run, warm_start

MOST_HELD_OUT = 24
SMALLEST_JUDGED = 8
"""Pixels, low-quality: SSIM looks through windows of 11, within a border that is cut."""


class UpscalerPairs:
    """Whole photographs and their small versions, from which aligned patches are cut.

    Shrinking whole photographs once, not patches, keeps border effects out of the pairs.

    Args:
        photos: each (H, W, 3), uint8; cut to a multiple of `scale`; those too small for
            `largest_patch` are left out.
        scale: output pixels per input pixel along one axis.
        batch: pairs per step.
        flavour: `photo` damages the small versions as they are drawn.
        largest_patch: largest patch that will be drawn, pixels.

    Raises:
        NoTrainingImagesError: no photograph is large enough.
    """

    def __init__(
        self,
        photos: Sequence[Tile],
        scale: int,
        batch: int,
        flavour: str = "faithful",
        largest_patch: int = 0,
    ) -> None:
        margin = MARGIN_PIXELS if flavour == "photo" else 0
        smallest = (largest_patch + 2 * margin) * scale
        self._gt = [cut_to_multiple(photo, scale) for photo in large_enough(photos, smallest)]
        self._lq = [shrink_photo(photo, scale) for photo in self._gt]
        self._scale = scale
        self._batch = batch
        self._margin = margin

    def __call__(self, rng: np.random.Generator, patch: int) -> Pair:
        """Draw a batch: lq (B, 3, patch, patch) and gt `scale` times larger, float32, [0, 1]."""
        pairs = [self._draw(rng, patch) for _ in range(self._batch)]
        return to_tensor([lq for lq, _ in pairs]), to_tensor([gt for _, gt in pairs])

    def _draw(self, rng: np.random.Generator, patch: int) -> tuple[FloatImage, FloatImage]:
        index = int(rng.integers(len(self._lq)))
        lq, gt, scale, margin = self._lq[index], self._gt[index], self._scale, self._margin
        top = int(rng.integers(margin, lq.shape[0] - patch - margin + 1))
        left = int(rng.integers(margin, lq.shape[1] - patch - margin + 1))
        turn = random_turn(rng)
        small = lq[top - margin : top + patch + margin, left - margin : left + patch + margin]
        large = gt[
            top * scale : (top + patch) * scale,
            left * scale : (left + patch) * scale,
        ]
        lq_patch = to_float(turn(small))
        return degrade_small(lq_patch, rng) if margin else lq_patch, to_float(turn(large))


def shrink_photo(photo: Tile, scale: int) -> Tile:
    """Small version of (H, W, 3), uint8, rounded to eight bits as files are."""
    small = shrink(to_tensor([photo]), scale).clamp(0, 1)
    pixels = (small * 255).round().to(torch.uint8)
    return pixels[0].permute(1, 2, 0).contiguous().numpy()


def smallest_judged(scale: int, flavour: str) -> int:
    """Shorter side below which too little of a photograph is left to judge by, pixels."""
    margin = MARGIN_PIXELS if flavour == "photo" else 0
    return scale * (2 * margin + SMALLEST_JUDGED)


def held_out_pairs(photos: Sequence[Tile], scale: int, flavour: str) -> list[HeldOut]:
    """Held-out photographs and their small versions: exact, and for `photo` damaged too."""
    pairs = []
    for number, photo in enumerate(photos[:MOST_HELD_OUT]):
        gt = cut_to_multiple(photo, scale)
        small = shrink_photo(gt, scale)
        pairs.append(HeldOut(f"x{scale}", to_tensor([small]), to_tensor([gt])))
        if flavour == "photo":
            damaged = degrade_small(to_float(small), np.random.default_rng(number))
            cut = scale * MARGIN_PIXELS
            inner = gt[cut:-cut, cut:-cut]
            pairs.append(HeldOut("photo", to_tensor([damaged]), to_tensor([inner])))
    return pairs


def weight_name(args: UpscalerArgs) -> str:
    """Name under which the result ships."""
    if args.net in REFERENCES:
        return f"{args.net}_x{args.scale}"
    suffix = "_photo" if args.flavour == "photo" else ""
    return f"upscale_x{args.scale}_{args.net}{suffix}"


def build_net(args: UpscalerArgs) -> nn.Module:
    """Make the net, from `--init-from` where given; a tier may start from a smaller one."""
    if args.net == "espcn":
        return warm_start(ESPCN(ESPCNConfig(args.scale)), args)
    if args.net == "vdsr":
        return warm_start(VDSR(VDSRConfig(args.scale)), args)
    channels, convolutions = TIERS[args.net]
    config = SRVGGConfig(args.scale, channels, convolutions, args.flavour == "faithful")
    if args.init_from is None:
        return SRVGG(config)
    trained = len([key for key in read_state(args.init_from) if key.endswith(".bias")]) - 2
    shallow = warm_start(SRVGG(replace(config, convolutions=max(0, trained))), args)
    if trained > convolutions:
        raise TrainingArgsError(
            f"{args.init_from} is deeper than --net {args.net}: a net starts from one of its own "
            "tier, or of a smaller one"
        )
    return deepened(shallow, convolutions)


def fit(args: UpscalerArgs) -> TrainingModule:
    """Run one training of an upscaler and write its `.safetensors`."""
    name = weight_name(args)
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    training, held_out = split_photos(find_photos(args.data))

    def score(result: Tensor, gt: Tensor) -> dict[str, float]:
        psnr_y, ssim_y = luma_scores(result, gt, args.scale)
        return {"psnr_y": psnr_y, "ssim_y": ssim_y}

    def build(clock: RunClock) -> TrainingModule:
        return TrainingModule(build_net(args), score, args, clock)

    largest = max(args.patch, args.last_patch)
    pairs = UpscalerPairs(read_tiles(training), args.scale, args.batch, args.flavour, largest)
    judging = large_enough(read_tiles(held_out), smallest_judged(args.scale, args.flavour))
    judged = held_out_pairs(judging, args.scale, args.flavour)
    return run(name, build, pairs, judged, args)
