"""ESPCN and VDSR: the papers' sizes, colour by bicubic, exact halos."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from enhancer_worker.nets.espcn import ESPCN, ESPCNConfig
from enhancer_worker.nets.luma import LUMA_WEIGHTS, upscale_luma
from enhancer_worker.nets.vdsr import VDSR, VDSRConfig


def bicubic(lq: torch.Tensor, scale: int) -> torch.Tensor:
    size = [side * scale for side in lq.shape[2:]]
    return functional.interpolate(lq, size, mode="bicubic", antialias=True)


def test_vdsr__has_the_size_of_the_paper() -> None:
    assert sum(p.numel() for p in VDSR(VDSRConfig()).parameters()) == 665_921


def test_espcn__has_the_size_of_the_paper() -> None:
    weights = sum(p.numel() for p in ESPCN(ESPCNConfig(3)).parameters() if p.ndim > 1)
    assert weights == 25 * 64 + 9 * 64 * 32 + 9 * 32 * 9


def test_upscale_luma__moves_luma_alone() -> None:
    lq = torch.rand(1, 3, 6, 5)
    result = upscale_luma(lq, 2, lambda luma, base: torch.full_like(base, 0.25))
    base = bicubic(lq, 2)
    torch.testing.assert_close(result - base, torch.full_like(base, 0.25))
    assert sum(LUMA_WEIGHTS) == pytest.approx(1)


@pytest.mark.parametrize("net", [ESPCN(ESPCNConfig(3)), VDSR(VDSRConfig(3, 8, 4))])
def test_reference__without_detail_is_bicubic(net: nn.Module) -> None:
    for parameter in net.parameters():
        nn.init.zeros_(parameter)
    lq = torch.rand(2, 3, 5, 7)
    torch.testing.assert_close(net(lq), bicubic(lq, 3))


@pytest.mark.parametrize("net", [ESPCN(ESPCNConfig(2)), VDSR(VDSRConfig(2, 8, 6))])
def test_reference__halo_bounds_what_a_pixel_reads(net: ESPCN | VDSR) -> None:
    lq = torch.rand(1, 3, 40, 40, requires_grad=True)
    net(lq)[0, 0, 40, 40].backward()
    assert lq.grad is not None
    rows = lq.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    reach = max(20 - int(rows.min()), int(rows.max()) - 20)
    assert reach <= net.halo
    assert reach >= net.halo - 2


def test_references__describe_themselves() -> None:
    assert ESPCN(ESPCNConfig()).describe() == {"net": "espcn", "scale": 2, "channels": (64, 32)}
    described = VDSR(VDSRConfig(4)).describe()
    assert described == {"net": "vdsr", "scale": 4, "channels": 64, "convolutions": 20}
