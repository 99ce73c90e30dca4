"""Back-projection: the enlarged picture, shrunk again, shows the small one."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from enhancer_worker.nets.back_projection import BackProjection
from enhancer_worker.nets.srvgg import SRVGG, SRVGGConfig
from tests.worker.receptive_field import reach_of_block

SCALES = pytest.mark.parametrize("scale", [2, 3, 4])


def shrunk(picture: Tensor, scale: int) -> Tensor:
    height, width = picture.shape[-2:]
    size = (height // scale, width // scale)
    return functional.interpolate(picture, size, mode="bicubic", antialias=True)


def wrong_detail(scale: int) -> tuple[Tensor, Tensor]:
    """A small picture, and details before the pixel shuffle that are wrong everywhere."""
    generator = torch.Generator().manual_seed(scale)
    lq = torch.rand(1, 3, 20, 24, generator=generator)
    detail = torch.rand(1, 3 * scale**2, 20, 24, generator=generator) * 0.2 - 0.1
    return lq, detail


def picture_of(lq: Tensor, detail: Tensor, scale: int) -> Tensor:
    nearest = functional.interpolate(lq, scale_factor=float(scale), mode="nearest")
    return nearest + functional.pixel_shuffle(detail, scale)


@SCALES
def test_back_projection__adds_what_is_missing_enlarged_by_bicubic(scale: int) -> None:
    lq, detail = wrong_detail(scale)
    before = picture_of(lq, detail, scale)
    missing = lq - shrunk(before, scale)
    expected = before + functional.interpolate(
        missing, scale_factor=float(scale), mode="bicubic", align_corners=False
    )
    found = picture_of(lq, BackProjection(scale)(detail, lq), scale)
    inner = slice(4 * scale, -4 * scale)  # borders are continued in another way
    torch.testing.assert_close(
        found[..., inner, inner], expected[..., inner, inner], rtol=0, atol=1e-5
    )


@SCALES
def test_back_projection__brings_the_shrunk_result_close_to_the_input(scale: int) -> None:
    lq, detail = wrong_detail(scale)
    projected = BackProjection(scale)(detail, lq)
    before, after = (
        (lq - shrunk(picture_of(lq, each, scale), scale)).abs().mean()
        for each in (detail, projected)
    )
    assert after < 0.6 * before


@SCALES
def test_back_projection__leaves_flat_areas_to_the_last_pixel(scale: int) -> None:
    lq = torch.full((1, 3, 9, 7), 0.7)
    detail = torch.zeros(1, 3 * scale**2, 9, 7)
    assert BackProjection(scale)(detail, lq).abs().max() < 1e-6


def test_back_projection__takes_a_tint_away() -> None:
    lq = torch.full((1, 3, 16, 16), 0.5)
    tint = torch.tensor([0.06, -0.02, -0.08]).repeat_interleave(4)[None, :, None, None]
    projected = BackProjection(2)(tint.expand(1, 12, 16, 16), lq)
    assert projected[..., 4:-4, 4:-4].abs().max() < 1e-6


@SCALES
def test_srvgg__with_back_projection_has_the_same_keys_and_an_exact_halo(scale: int) -> None:
    torch.manual_seed(0)
    plain = SRVGG(SRVGGConfig(scale, 16, 2))
    net = SRVGG(SRVGGConfig(scale, 16, 2, back_projection=True)).eval()
    assert net.state_dict().keys() == plain.state_dict().keys()
    assert net.halo == plain.halo + 4
    assert reach_of_block(net, block=1) == net.halo
