"""A plain 3x3 convolution upscaler: all work at low resolution, then one pixel shuffle."""

from dataclasses import asdict, dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from enhancer_worker.nets.back_projection import REACH_PIXELS, BackProjection

LAST_CONV_INIT_GAIN = 0.1


@dataclass(frozen=True)
class SRVGGConfig:
    """Size of one plain upscaler; the defaults are tier S (about 175 thousand parameters)."""

    scale: int = 2
    """Output pixels per input pixel along one axis: 2, 3 or 4."""
    channels: int = 48
    """Feature channels, a multiple of 16 so that vector units stay full."""
    convolutions: int = 8
    """Hidden 3x3 convolutions between the first and the last one."""
    back_projection: bool = False
    """Whether the result, shrunk again, is made to show the input: for pictures without damage."""


TIERS = {"s": (48, 8), "m": (48, 16)}
"""Feature channels and hidden convolutions of the sizes that ship."""


class ZeroSlope(nn.Module):
    """ReLU that is stored as a PReLU of slope zero.

    The exchange format of this architecture has one PReLU slope per channel after every
    convolution. Keeping zeros there makes our files load elsewhere unchanged, while the engine
    still runs a plain ReLU.

    Args:
        channels: number of feature channels.
    """

    weight: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Clip (B, C, H, W) at zero."""
        return functional.relu(x)


class SRVGG(nn.Module):
    """Upscaler with the key layout of SRVGGNetCompact (Real-ESRGAN, arXiv 2107.10833).

    What we changed: ReLU instead of PReLU, fewer channels, a small first residual, and on demand
    a back-projection, which has no keys.

    Args:
        config: the size of the net.
    """

    multiple_of = 1

    def __init__(self, config: SRVGGConfig) -> None:
        super().__init__()
        self.config = config
        width = config.channels
        layers: list[nn.Module] = [_conv(3, width), ZeroSlope(width)]
        for _ in range(config.convolutions):
            layers += [_conv(width, width), ZeroSlope(width)]
        layers.append(_conv(width, 3 * config.scale**2))
        self.body = nn.ModuleList(layers)
        self._damp_last_convolution()
        self.projection = BackProjection(config.scale) if config.back_projection else None

    @property
    def scale(self) -> int:
        """Output pixels per input pixel along one axis."""
        return self.config.scale

    @property
    def halo(self) -> int:
        """Receptive-field radius in source pixels: one per 3x3 convolution, and the projection."""
        projection = REACH_PIXELS if self.config.back_projection else 0
        return self.config.convolutions + 2 + projection

    def forward(self, lq: Tensor) -> Tensor:
        """Upscale a batch.

        Args:
            lq: (B, 3, H, W), float32, [0, 1], RGB.

        Returns:
            (B, 3, scale * H, scale * W), float32, about [0, 1] (not clipped), RGB.
        """
        features = lq
        for layer in self.body:
            features = layer(features)
        if self.projection is not None:
            features = self.projection(features, lq)
        # Nearest neighbours before the shuffle: every phase of a colour begins with its pixel.
        return functional.pixel_shuffle(
            features + lq.repeat_interleave(self.scale**2, 1), self.scale
        )

    @torch.no_grad()
    def _damp_last_convolution(self) -> None:
        last = cast(nn.Conv2d, self.body[-1])
        last.weight.mul_(LAST_CONV_INIT_GAIN)

    def describe(self) -> dict[str, object]:
        """Net name and config as plain values, for `weights.json`."""
        return {"net": "srvgg", **asdict(self.config)}


def _conv(channels_in: int, channels_out: int) -> nn.Conv2d:
    conv = nn.Conv2d(channels_in, channels_out, 3, padding=1)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    nn.init.zeros_(cast(Tensor, conv.bias))
    return conv


@torch.no_grad()
def deepened(shallow: SRVGG, convolutions: int) -> SRVGG:
    """A deeper net that computes exactly the same (Net2DeeperNet, arXiv 1511.05641).

    The added convolutions are identities: what they receive has passed a ReLU, which their own
    ReLU then leaves alone. Training a deep net from here starts where the shallow one ended.

    Args:
        shallow: a trained net.
        convolutions: hidden 3x3 convolutions of the result, at least those of `shallow`.
    """
    config = shallow.config
    added = convolutions - config.convolutions
    deep = SRVGG(replace(config, convolutions=convolutions))
    last = 2 * (config.convolutions + 1)  # index of the last convolution of the shallow net
    kept = {f"body.{n}": layer for n, layer in enumerate(shallow.body[:last])}
    kept[f"body.{last + 2 * added}"] = shallow.body[last]
    for name, layer in kept.items():
        deep.get_submodule(name).load_state_dict(layer.state_dict())
    for index in range(last, last + 2 * added, 2):
        conv = cast(nn.Conv2d, deep.body[index])
        nn.init.dirac_(conv.weight)
        nn.init.zeros_(cast(Tensor, conv.bias))
    return deep
