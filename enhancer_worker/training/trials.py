"""How a net of each kind is trained on, and judged by, photographs that are given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import nn

from enhancer_worker.nets.zoo import ZooEntry
from enhancer_worker.training import fit_restorer, fit_upscaler
from enhancer_worker.training.args import TrainingArgs
from enhancer_worker.training.data import Tile
from enhancer_worker.training.degradations import RestorationMix
from enhancer_worker.training.fit_restorer import RestorerPairs
from enhancer_worker.training.fit_upscaler import UpscalerPairs
from enhancer_worker.training.loop import HeldOut, Score
from enhancer_worker.training.metrics import luma_scores
from enhancer_worker.training.runs import MakeBatch

Figures = Mapping[str, float]
JUDGED_SIDE_PIXELS = 512


@dataclass(frozen=True)
class Trial:
    """The pairs and the figures of one kind of net."""

    scale: int
    """Output pixels per input pixel along one axis."""
    main_figure: str
    """The figure that decides, such as `x2_psnr_y`."""
    batches: Callable[[Sequence[Tile], TrainingArgs], MakeBatch]
    """Makes the source of training batches from photographs."""
    held_out: Callable[[Sequence[Tile]], list[HeldOut]]
    """Makes validation pairs from the middle of photographs."""
    score: Score
    """Figures of (result, gt)."""
    most_judged: int
    """Photographs at most that validation pairs are made from."""


def trial_of(entry: ZooEntry) -> Trial:
    """How nets of this entry are tried."""
    return _restoring() if entry.kind == "restore" else _upscaling(entry.scale, entry.flavour)


@torch.no_grad()
def judge(net: nn.Module, pairs: Sequence[HeldOut], score: Score) -> dict[str, float]:
    """Mean figures over pairs, by kind and figure, such as `x2_psnr_y`."""
    measured: dict[str, list[float]] = {}
    for pair in pairs:
        for name, value in score(net(pair.lq), pair.gt).items():
            measured.setdefault(f"{pair.kind}_{name}", []).append(value)
    return {name: round(fmean(values), 4) for name, values in measured.items()}


def gains_table(before: Figures, after: Figures) -> str:
    """Aligned text: one line per figure with both values and the gain."""
    width = max(len(name) for name in before)
    lines = [f"{'':<{width}}  {'before':>9}  {'after':>9}  {'gain':>8}\n"]
    for name, value in before.items():
        gain = after[name] - value
        lines.append(f"{name:<{width}}  {value:9.4f}  {after[name]:9.4f}  {gain:+8.4f}\n")
    return "".join(lines)


def middle_of(photo: Tile, side: int) -> Tile:
    """The middle of (H, W, 3), at most `side` pixels wide and high; products stand there."""
    top, left = (max(0, (length - side) // 2) for length in photo.shape[:2])
    return photo[top : top + side, left : left + side]


def _upscaling(scale: int, flavour: str) -> Trial:
    def batches(photos: Sequence[Tile], args: TrainingArgs) -> MakeBatch:
        return UpscalerPairs(photos, scale, args.batch, flavour)

    def held_out(photos: Sequence[Tile]) -> list[HeldOut]:
        middles = [middle_of(photo, JUDGED_SIDE_PIXELS) for photo in photos]
        return fit_upscaler.held_out_pairs(middles, scale, flavour)

    def score(result: torch.Tensor, gt: torch.Tensor) -> dict[str, float]:
        psnr_y, ssim_y = luma_scores(result, gt, scale)
        return {"psnr_y": psnr_y, "ssim_y": ssim_y}

    kind = "photo" if flavour == "photo" else f"x{scale}"
    most = fit_upscaler.MOST_HELD_OUT
    return Trial(scale, f"{kind}_psnr_y", batches, held_out, score, most)


def _restoring() -> Trial:
    def batches(photos: Sequence[Tile], args: TrainingArgs) -> MakeBatch:
        return RestorerPairs(photos, args.batch, args.patch, RestorationMix())

    def held_out(photos: Sequence[Tile]) -> list[HeldOut]:
        side = fit_restorer.HELD_OUT_SIDE_PIXELS
        return fit_restorer.held_out_pairs([middle_of(photo, side) for photo in photos])

    most = fit_restorer.MOST_HELD_OUT
    return Trial(1, "upload_psnr_rgb", batches, held_out, fit_restorer.score, most)
