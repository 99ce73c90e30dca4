"""Pixel losses, each a small named function of a result and its ground truth."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor


def l1(result: Tensor, gt: Tensor) -> Tensor:
    """Mean absolute difference; robust, and sharper than the squared one."""
    return (result - gt).abs().mean()


def l2(result: Tensor, gt: Tensor) -> Tensor:
    """Mean squared difference: the quantity that PSNR takes the logarithm of."""
    return (result - gt).square().mean()


def charbonnier(result: Tensor, gt: Tensor, epsilon: float = 1e-3) -> Tensor:
    """L1 with a rounded tip (LapSRN, arXiv 1710.01992).

    Args:
        result: (B, C, H, W), float32.
        gt: same shape.
        epsilon: half-width of the rounding, in units of the values.
    """
    return torch.sqrt((result - gt).square() + epsilon**2).mean()


def fft_l1(result: Tensor, gt: Tensor) -> Tensor:
    """Mean absolute difference of the orthonormal 2-D spectra; weighs fine texture more."""
    difference = torch.fft.rfft2(result - gt, norm="ortho")
    return torch.view_as_real(difference).abs().mean()


def log_l2(result: Tensor, gt: Tensor, least: float = 5e-5) -> Tensor:
    """Mean over the pictures of the logarithm of their squared difference: minus PSNR, in effect.

    Benchmarks average decibels, in which an easy picture counts as much as a hard one.

    Args:
        result: (B, C, H, W), float32.
        gt: same shape.
        least: squared difference that is added, so that pictures that are nearly right (here
            beyond 43 dB) do not count more and more.
    """
    errors = (result - gt).square().flatten(1).mean(1)
    return torch.log10(errors + least).mean()


LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    loss.__name__: loss for loss in (l1, l2, log_l2, charbonnier, fft_l1)
}
"""What `--loss` may name."""
