"""The blind restorer: identity at the start, alignment, receptive field, tiles."""

import pytest
import torch
from torch import nn

from enhancer_worker.nets.unet_restorer import (
    UNetRestorer,
    UNetRestorerConfig,
    receptive_radius,
)
from tests.worker.receptive_field import reach_of_block

CONFIGS = [
    UNetRestorerConfig(channels=(16, 16), blocks=(1, 1)),
    UNetRestorerConfig(channels=(16, 16), blocks=(2, 1)),
    UNetRestorerConfig(channels=(16, 16, 16), blocks=(1, 1, 1)),
]


def active(config: UNetRestorerConfig) -> UNetRestorer:
    """Return a net whose last convolution is not zero."""
    torch.manual_seed(0)
    net = UNetRestorer(config).eval()
    nn.init.normal_(net.tail.weight, std=0.1)
    return net


def test_unet_restorer__starts_as_identity() -> None:
    lq = torch.randn(2, 3, 16, 24)
    assert torch.equal(UNetRestorer(CONFIGS[0])(lq), lq)


@pytest.mark.parametrize("config", CONFIGS)
def test_unet_restorer__halo_is_exact(config: UNetRestorerConfig) -> None:
    net = active(config)
    side = (2 * net.halo // net.multiple_of + 5) * net.multiple_of
    assert reach_of_block(net, net.multiple_of, side) == net.halo


def test_receptive_radius__tier_s() -> None:
    assert receptive_radius(UNetRestorerConfig()) == 86


@torch.no_grad()
def test_unet_restorer__ignores_pixels_beyond_the_halo() -> None:
    net = active(CONFIGS[0])
    lq = torch.rand(1, 3, 64, 64)
    altered = lq.clone()
    altered[..., 60] += 0.5  # column 60 is beyond the halo (22) of the block that ends at 36
    before, after = net(lq), net(altered)
    assert torch.equal(before[..., :36], after[..., :36])
    assert not torch.equal(before, after)


@torch.no_grad()
def test_unet_restorer__tiled_equals_untiled() -> None:
    net = active(CONFIGS[0])
    lq = torch.rand(1, 3, 96, 32)
    margin = 24  # the halo of 22, rounded up to whole multiples of 4
    whole = net(lq)
    upper = net(lq[:, :, : 48 + margin])[:, :, :48]
    lower = net(lq[:, :, 48 - margin :])[:, :, margin:]
    torch.testing.assert_close(torch.cat([upper, lower], 2), whole, rtol=0, atol=1e-5)


def test_unet_restorer__multiple_of_follows_levels() -> None:
    assert [active(config).multiple_of for config in CONFIGS] == [4, 4, 8]


def test_unet_restorer__describes_itself() -> None:
    assert active(CONFIGS[0]).describe() == {
        "net": "unet_restorer",
        "channels": (16, 16),
        "blocks": (1, 1),
    }
