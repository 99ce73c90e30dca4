"""ESPCN, the first net to do all its work at low resolution; a reference, not a default."""

from dataclasses import asdict, dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from enhancer_worker.nets.luma import upscale_luma


@dataclass(frozen=True)
class ESPCNConfig:
    """Size of one net; the paper's by default (about 25 thousand parameters at x3)."""

    scale: int = 2
    """Output pixels per input pixel along one axis."""
    channels: tuple[int, int] = (64, 32)
    """Feature channels after the first and the second convolution."""


class ESPCN(nn.Module):
    """Efficient sub-pixel convolution (Shi et al. 2016, arXiv 1609.05158).

    As in the paper the net sees luma alone and colour is enlarged by bicubic. What we changed:
    ReLU instead of tanh, and a residual over bicubic, which trains faster and never starts below
    it.

    Args:
        config: the size of the net.
    """

    multiple_of = 1
    halo = 6
    """Source pixels: 2 + 1 + 1 of the kernels; bicubic reads 2, within it."""

    def __init__(self, config: ESPCNConfig) -> None:
        super().__init__()
        self.config = config
        first, second = config.channels
        self.first = nn.Conv2d(1, first, 5, padding=2)
        self.second = nn.Conv2d(first, second, 3, padding=1)
        self.last = nn.Conv2d(second, config.scale**2, 3, padding=1)
        for conv in (self.first, self.second):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(cast(Tensor, conv.bias))
        nn.init.zeros_(cast(Tensor, self.last.bias))
        with torch.no_grad():
            self.last.weight.mul_(0.1)

    @property
    def scale(self) -> int:
        """Output pixels per input pixel along one axis."""
        return self.config.scale

    def forward(self, lq: Tensor) -> Tensor:
        """Upscale (B, 3, H, W), float32, [0, 1], RGB, to (B, 3, scale * H, scale * W)."""
        return upscale_luma(lq, self.scale, self._detail)

    def describe(self) -> dict[str, object]:
        """Net name and config as plain values, for `weights.json`."""
        return {"net": "espcn", **asdict(self.config)}

    def _detail(self, luma: Tensor, _: Tensor) -> Tensor:
        features = functional.relu(self.second(functional.relu(self.first(luma))))
        return functional.pixel_shuffle(self.last(features), self.scale)
