"""The plain upscaler: layout, sizes, receptive field."""

import pytest
import torch

from enhancer_worker.nets.srvgg import SRVGG, TIERS, SRVGGConfig, deepened
from tests.worker.receptive_field import reach_of_block


def small(scale: int = 2) -> SRVGG:
    torch.manual_seed(0)
    return SRVGG(SRVGGConfig(scale=scale, channels=16, convolutions=2)).eval()


def test_srvgg__has_the_exchange_format_keys() -> None:
    shapes = {key: tuple(value.shape) for key, value in small(4).state_dict().items()}
    assert shapes == {
        "body.0.weight": (16, 3, 3, 3),
        "body.0.bias": (16,),
        "body.1.weight": (16,),
        "body.2.weight": (16, 16, 3, 3),
        "body.2.bias": (16,),
        "body.3.weight": (16,),
        "body.4.weight": (16, 16, 3, 3),
        "body.4.bias": (16,),
        "body.5.weight": (16,),
        "body.6.weight": (48, 16, 3, 3),
        "body.6.bias": (48,),
    }


def test_srvgg__equals_prelu_with_the_stored_slopes() -> None:
    net = small()
    lq = torch.rand(1, 3, 8, 8)
    features = lq
    for number, layer in enumerate(net.body):
        slopes = net.state_dict().get(f"body.{number}.weight")
        is_convolution = number % 2 == 0
        features = layer(features) if is_convolution else torch.prelu(features, slopes)
    base = lq.repeat_interleave(2, 2).repeat_interleave(2, 3)
    expected = base + torch.pixel_shuffle(features, 2)
    assert torch.equal(net(lq), expected)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_srvgg__multiplies_the_size(scale: int) -> None:
    assert small(scale)(torch.rand(2, 3, 5, 7)).shape == (2, 3, 5 * scale, 7 * scale)


def test_srvgg__starts_close_to_nearest_neighbour() -> None:
    torch.manual_seed(0)
    net = SRVGG(SRVGGConfig())
    lq = torch.rand(1, 3, 16, 16)
    base = lq.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert (net(lq) - base).abs().mean() < 0.1


def test_srvgg__halo_is_exact() -> None:
    net = small()
    assert net.halo == 4
    assert reach_of_block(net, block=1) == 4


def test_srvgg__tier_s_is_small() -> None:
    net = SRVGG(SRVGGConfig())
    assert sum(parameter.numel() for parameter in net.parameters()) == 172_812
    assert net.halo == 10


def test_srvgg__describes_itself() -> None:
    assert small().describe() == {
        "net": "srvgg",
        "scale": 2,
        "channels": 16,
        "convolutions": 2,
        "back_projection": False,
    }


def test_deepened__computes_the_same() -> None:
    torch.manual_seed(0)
    net = SRVGG(SRVGGConfig(3, 16, 2, back_projection=True)).eval()
    deep = deepened(net, 5)
    lq = torch.rand(1, 3, 9, 7)
    torch.testing.assert_close(deep(lq), net(lq), rtol=0, atol=1e-6)
    assert deep.halo == 11


def test_deepened__of_equal_depth_is_a_copy() -> None:
    net = small()
    copy = deepened(net, 2)
    assert copy.state_dict().keys() == net.state_dict().keys()
    assert all(torch.equal(a, b) for a, b in zip(copy.parameters(), net.parameters(), strict=True))


def test_tiers__m_is_twice_as_deep() -> None:
    sizes = [
        sum(p.numel() for p in SRVGG(SRVGGConfig(4, *TIERS[tier])).parameters())
        for tier in ("s", "m")
    ]
    assert sizes == [188_400, 354_672]
