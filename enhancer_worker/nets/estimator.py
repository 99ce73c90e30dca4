"""A small net that tells what has happened to a picture: noise, compression, blur."""

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class EstimatorConfig:
    """Size of one estimator; the default has about 90 thousand parameters."""

    channels: tuple[int, ...] = (32, 32, 48, 64)
    """Feature channels per stage; every stage but the first halves the resolution."""
    outputs: int = 3
    """Numbers per crop."""


class Estimator(nn.Module):
    """Regresses damages from a crop, in the manner of CBDNet's and FBCNN's predictors.

    Sources: CBDNet (arXiv 1807.04686) for noise, FBCNN (arXiv 2109.14573) for JPEG quality. What
    we changed: one head for all; the mean *and* the deviation of each feature are pooled,
    because a damage of even strength and one in a few places differ in the second.

    Args:
        config: the size of the net.
    """

    scale = 1
    halo = 0
    multiple_of = 8

    def __init__(self, config: EstimatorConfig) -> None:
        super().__init__()
        self.config = config
        widths = (3, *config.channels)
        self.stages = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=1 if a == 3 else 2, padding=1) for a, b in pairwise(widths)
        )
        self.last = nn.Conv2d(widths[-1], widths[-1], 3, padding=1)
        self.head = nn.Linear(2 * widths[-1], config.outputs)
        for conv in (*self.stages, self.last):
            nn.init.kaiming_normal_(cast(nn.Conv2d, conv).weight, nonlinearity="relu")
            nn.init.zeros_(cast(Tensor, cast(nn.Conv2d, conv).bias))

    def forward(self, crops: Tensor) -> Tensor:
        """Judge a batch of crops.

        Args:
            crops: (B, 3, H, W), float32, [0, 1], RGB, cut on multiples of eight pixels.

        Returns:
            (B, outputs), float32. Of `estimate_s`, 3, each about 0 (none) to 2 (strong): noise in
            units of sigma 25 of 255, JPEG in units of 50 below quality 100, blur in units of sigma
            1 pixel. Of `blur_s`, 48: what the blur leaves of the frequencies of `blur_kernels`.
        """
        features = crops - 0.5
        for stage in (*self.stages, self.last):
            features = functional.relu(stage(features))
        mean = features.mean((2, 3))
        spread = (features - mean[..., None, None]).square().mean((2, 3))
        return cast(Tensor, self.head(torch.cat([mean, torch.sqrt(spread + 1e-6)], dim=1)))

    def describe(self) -> dict[str, object]:
        """Net name and config as plain values, for `weights.json`."""
        return {"net": "estimator", **asdict(self.config)}
