"""PSNR and SSIM exactly as the super-resolution and denoising literature counts them."""

from typing import cast

import torch
from torch import Tensor
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

Y_WEIGHTS = (65.481 / 255, 128.553 / 255, 24.966 / 255)
"""BT.601 studio-range luma of R, G and B in [0, 1] (MATLAB's `rgb2ycbcr`)."""
Y_OFFSET = 16 / 255
HIGHEST_PSNR_DB = 100.0
"""What two equal pictures count as, where infinity would spoil a mean."""


def luma(images: Tensor) -> Tensor:
    """BT.601 luma.

    Args:
        images: (B, 3, H, W), float32, [0, 1], RGB.

    Returns:
        (B, 1, H, W), float32, [16/255, 235/255].
    """
    weights = images.new_tensor(Y_WEIGHTS).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True) + Y_OFFSET


def as_eight_bits(images: Tensor) -> Tensor:
    """Clip to [0, 1] and round to 255 steps, as writing a file would."""
    return (images.clamp(0, 1) * 255).round() / 255


def crop(images: Tensor, border: int) -> Tensor:
    """Cut `border` pixels from each side of (B, C, H, W)."""
    if border == 0:
        return images
    return images[..., border:-border, border:-border]


def psnr(result: Tensor, gt: Tensor) -> float:
    """Peak signal-to-noise ratio over all values of both tensors, peak 1, at most 100 dB."""
    decibels = float(peak_signal_noise_ratio(result, gt, data_range=(0.0, 1.0)))
    return min(decibels, HIGHEST_PSNR_DB)


def ssim(result: Tensor, gt: Tensor) -> float:
    """Structural similarity with the 11-pixel Gaussian window, [-1, 1].

    Args:
        result: (B, C, H, W), float32, [0, 1].
        gt: same shape.
    """
    value = structural_similarity_index_measure(result, gt, data_range=1.0)
    return float(cast(Tensor, value))


@torch.no_grad()
def luma_scores(result: Tensor, gt: Tensor, border: int) -> tuple[float, float]:
    """(PSNR, SSIM) on luma, after rounding to eight bits and cutting the border.

    Args:
        result: (1, 3, H, W), float32, about [0, 1], RGB.
        gt: same shape, [0, 1].
        border: pixels cut from each side.
    """
    ours = crop(luma(as_eight_bits(result)), border)
    truth = crop(luma(gt), border)
    return psnr(ours, truth), ssim(ours, truth)
