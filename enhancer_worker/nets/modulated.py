"""A convolution that obeys conditions."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class Modulated(nn.Module):
    """A convolution whose result is scaled and shifted by the conditions (FiLM, arXiv 1709.07871).

    Args:
        given: channels in.
        made: channels out.
        size: side of the kernel.
        mapped: numbers that tell scale and shift.
    """

    def __init__(self, given: int, made: int, size: int, mapped: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(given, made, size, padding=size // 2)
        self.film = nn.Linear(mapped, 2 * made)
        nn.init.kaiming_normal_(self.conv.weight, a=0.2)
        nn.init.normal_(self.film.weight, std=0.02)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Compute (B, made, H, W) from (B, given, H, W) and (B, mapped)."""
        scale, shift = self.film(style)[..., None, None].chunk(2, dim=1)
        return functional.leaky_relu(self.conv(x) * (1 + scale) + shift, 0.2)
