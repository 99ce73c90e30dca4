"""What the matting net is punished for: wrong pixels, wrong regions, wrong edges, false pride."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

SIDE_WEIGHT = 0.3
DOUBT_WEIGHT = 0.3
EMPTY_PIXELS = 8.0
"""Keeps the overlap of pictures without any object defined."""


def matting_loss(
    levels: Sequence[tuple[Tensor, Tensor]], gt: Tensor, pixel: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Cross-entropy, overlap, a pixel loss and edges on alpha; overlap on all coarser levels.

    U2-Net (arXiv 2005.09007) for the supervision of every level, BASNet (CVPR 2019) for the sum of
    pixel and region losses. What we changed: differences of neighbouring pixels in place of SSIM.

    Args:
        levels: logits, as `MattingNet.levels` gives them.
        gt: alpha, (B, 1, H, W), float32, [0, 1].
        pixel: loss of alpha and `gt`.
    """
    logits, doubt = levels[0]
    alpha = torch.sigmoid(logits)
    total = _level_loss(logits, alpha, gt) + pixel(alpha, gt) + edge_loss(alpha, gt)
    for side, _ in levels[1:]:
        height, width = side.shape[-2:]
        small = functional.adaptive_avg_pool2d(gt, (height, width))
        total = total + SIDE_WEIGHT * _level_loss(side, torch.sigmoid(side), small)
    error = (alpha.detach() - gt).abs()
    return total + DOUBT_WEIGHT * functional.binary_cross_entropy_with_logits(doubt, error)


def overlap_loss(alpha: Tensor, gt: Tensor) -> Tensor:
    """One minus the soft intersection over union, mean over the pictures.

    Args:
        alpha: (B, 1, H, W), float32, [0, 1].
        gt: same shape.
    """
    both = torch.minimum(alpha, gt).sum((1, 2, 3))
    either = torch.maximum(alpha, gt).sum((1, 2, 3))
    return (1 - (both + EMPTY_PIXELS) / (either + EMPTY_PIXELS)).mean()


def edge_loss(alpha: Tensor, gt: Tensor) -> Tensor:
    """Mean absolute error of the differences between neighbours, down and right.

    Args:
        alpha: (B, 1, H, W), float32, [0, 1].
        gt: same shape.
    """
    error = alpha - gt
    return error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()


def _level_loss(logits: Tensor, alpha: Tensor, gt: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, gt) + overlap_loss(alpha, gt)
