"""The frozen network whose features judge backdrops, and a linear classifier of styles on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from enhancer_worker.nets.manifest import verified_file
from enhancer_worker.nets.state_files import read_state
from enhancer_worker.nets.unet_restorer import UNetRestorer, UNetRestorerConfig
from enhancer_worker.training.data import Tile, to_tensor

WEIGHTS = Path(__file__).with_name("features.safetensors")
"""The lower half of the restorer of 25 November 2026, in half precision. It stays as it is when
better restorers ship: figures on other features could not be compared. Its header tells where it
comes from."""
DIGEST = "6235a39b358817d29036dd592fff15f0a06d90b7060e2b17388bee59df049aef"
"""sha256 of the file."""
SIDES = (128, 32)
"""Pixels at which a picture is looked at: its texture, and its layout."""
GRID = 2
"""Parts of each side whose features are pooled apart."""
COARSE = 8
"""Side of the small picture that is a feature itself, pixels."""
_STEPS = 60
_DECAY = 1e-3


class OwnFeatures(nn.Module):
    """Pooled features of a restorer of ours; nothing is downloaded.

    Means of its middle layers over a grid of parts, and their deviations over the picture, at two
    sizes; and the picture itself, 8 pixels wide. It has learned from photographs what texture is,
    not what things are called: figures on it are `-own`, and never compared with published ones,
    which are on Inception's.
    """

    def __init__(self, net: UNetRestorer | None = None) -> None:
        super().__init__()
        self.net = (net or _frozen()).eval().requires_grad_(False)
        width = self.net.config.channels[-1]
        self.num_features = len(SIDES) * width * (GRID**2 + 1) + 3 * COARSE**2

    @property
    def name(self) -> str:
        """What made the features, and the beginning of its digest."""
        return f"{WEIGHTS.stem} {DIGEST[:12]}"

    @torch.no_grad()
    def forward(self, pictures: Tensor) -> Tensor:
        """Features (B, num_features) of pictures (B, 3, H, W), float32, [0, 1]."""
        found = [self._pooled(functional.interpolate(pictures, (s, s), mode="area")) for s in SIDES]
        coarse = functional.interpolate(pictures, (COARSE, COARSE), mode="area")
        return torch.cat([*found, coarse.flatten(1)], dim=1)

    def _pooled(self, pictures: Tensor) -> Tensor:
        x = self.net.head(functional.pixel_unshuffle(pictures, 2))
        for encoder, down in zip(self.net.encoders, self.net.downs, strict=True):
            x = down(encoder(x))
        x = self.net.middle(x)
        means = functional.adaptive_avg_pool2d(x, GRID).flatten(1)
        return torch.cat([means, x.std((2, 3))], dim=1)


def _frozen() -> UNetRestorer:
    net = UNetRestorer(UNetRestorerConfig())
    verified_file(WEIGHTS, DIGEST)
    lower = {name: tensor.float() for name, tensor in read_state(WEIGHTS).items()}
    net.load_state_dict(lower, strict=False)  # nothing looks at the upper half
    return net


def features_of(pictures: Sequence[Tile], network: OwnFeatures, batch: int = 8) -> Tensor:
    """Features (N, num_features) of pictures, each (H, W, 3), uint8."""
    parts = [pictures[at : at + batch] for at in range(0, len(pictures), batch)]
    return torch.cat([network(to_tensor(part)) for part in parts])


class Standard(nn.Module):
    """Scales features so that each has mean 0 and deviation 1 over the training pictures.

    Args:
        features: (N, C).
    """

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.mean = features.mean(0)
        self.deviation = features.std(0) + 1e-3

    def forward(self, features: Tensor) -> Tensor:
        """Scale (N, C)."""
        return (features - self.mean) / self.deviation


def fit_styles(features: Tensor, styles: Tensor, count: int) -> nn.Linear:
    """Multinomial logistic regression of styles.

    Args:
        features: (N, C), standardised.
        styles: (N,), int64.
        count: of styles.
    """
    linear = nn.Linear(features.shape[1], count)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    optimizer = torch.optim.LBFGS(
        linear.parameters(), max_iter=_STEPS, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = functional.cross_entropy(linear(features), styles)
        loss = loss + _DECAY * linear.weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return linear.requires_grad_(False)
