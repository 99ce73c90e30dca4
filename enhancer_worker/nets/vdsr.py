"""VDSR, the deep residual net over bicubic; a reference, not a default."""

from dataclasses import asdict, dataclass
from typing import cast

import torch
from torch import Tensor, nn

from enhancer_worker.nets.luma import upscale_luma


@dataclass(frozen=True)
class VDSRConfig:
    """Size of one net; the paper's by default (665 thousand parameters)."""

    scale: int = 2
    """Output pixels per input pixel along one axis; the net itself does not depend on it."""
    channels: int = 64
    """Feature channels."""
    convolutions: int = 20
    """3x3 convolutions in all."""


class VDSR(nn.Module):
    """Very deep super-resolution (Kim et al. 2016, arXiv 1511.04587), luma only.

    It works at the size of the result, so it costs `scale`^2 times what a net of equal size costs
    at the size of the source.

    Args:
        config: the size of the net.
    """

    multiple_of = 1

    def __init__(self, config: VDSRConfig) -> None:
        super().__init__()
        self.config = config
        width = config.channels
        layers: list[nn.Module] = [nn.Conv2d(1, width, 3, padding=1), nn.ReLU()]
        for _ in range(config.convolutions - 2):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
        layers.append(nn.Conv2d(width, 1, 3, padding=1))
        self.body = nn.Sequential(*layers)
        for layer in self.body[::2]:
            conv = cast(nn.Conv2d, layer)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(cast(Tensor, conv.bias))
        with torch.no_grad():
            cast(nn.Conv2d, self.body[-1]).weight.mul_(0.1)

    @property
    def scale(self) -> int:
        """Output pixels per input pixel along one axis."""
        return self.config.scale

    @property
    def halo(self) -> int:
        """Receptive-field radius in source pixels, bicubic's two included."""
        return -(-self.config.convolutions // self.scale) + 2

    def forward(self, lq: Tensor) -> Tensor:
        """Upscale (B, 3, H, W), float32, [0, 1], RGB, to (B, 3, scale * H, scale * W)."""
        return upscale_luma(lq, self.scale, lambda _, enlarged: self.body(enlarged))

    def describe(self) -> dict[str, object]:
        """Net name and config as plain values, for `weights.json`."""
        return {"net": "vdsr", **asdict(self.config)}
