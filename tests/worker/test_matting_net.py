"""The matting net: shapes, ranges, supervision, and the same result when exported."""

import openvino as ov
import pytest
import torch

from enhancer_worker.engine.loading import convert
from enhancer_worker.nets.matting import MattingConfig, MattingNet
from enhancer_worker.training.losses import l1
from enhancer_worker.training.matting_losses import edge_loss, matting_loss, overlap_loss

TINY = MattingConfig(channels=(16, 16, 16, 16), blocks=(1, 1, 1, 1))


def tiny_net(seed: int = 0) -> MattingNet:
    torch.manual_seed(seed)
    return MattingNet(TINY)


def test_matting_net__gives_alpha_and_doubt_of_the_whole_picture() -> None:
    net = tiny_net().eval().requires_grad_(False)
    result = net(torch.rand(2, 3, 64, 96))
    assert result.shape == (2, 2, 64, 96)
    assert 0 <= float(result.min()) < float(result.max()) <= 1
    assert net.multiple_of == 32


def test_matting_net__has_about_a_million_parameters() -> None:
    net = MattingNet(MattingConfig())
    assert 600_000 <= sum(parameter.numel() for parameter in net.parameters()) <= 1_100_000
    assert net.describe() == {
        "net": "matting",
        "channels": (32, 64, 80, 96),
        "blocks": (1, 1, 1, 1),
    }


def test_matting_net__is_supervised_on_every_level() -> None:
    levels = tiny_net().levels(torch.rand(1, 3, 64, 64))
    assert [tuple(logits.shape[2:]) for logits, _ in levels] == [(64, 64), (8, 8), (4, 4), (2, 2)]


def test_matting_net__doubt_teaches_only_itself() -> None:
    net = tiny_net()
    _, doubt = net.levels(torch.rand(1, 3, 64, 64))[0]
    doubt.sum().backward()
    taught = {name for name, p in net.named_parameters() if p.grad is not None}
    assert taught == {"doubt.weight", "doubt.bias"}


def test_matting_net__sees_the_whole_picture() -> None:
    net = tiny_net().eval().requires_grad_(False)
    picture = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    changed = picture.clone()
    changed[..., -8:, -8:] = 1 - changed[..., -8:, -8:]
    difference = (net(picture) - net(changed)).abs()
    assert float(difference[..., :8, :8].max()) > 0


def test_matting_net__is_the_same_in_openvino() -> None:
    net = tiny_net().eval()
    model = convert(net, net.multiple_of)
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = ov.Core().compile_model(model, "CPU", options)
    picture = torch.rand(1, 3, 256, 288, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = net(picture)
    torch.testing.assert_close(
        torch.from_numpy(compiled(picture.numpy())[0]), expected, rtol=0, atol=1e-4
    )


def test_overlap_loss__counts_regions() -> None:
    gt = torch.zeros(2, 1, 16, 16)
    gt[:, :, :8] = 1
    half = gt.clone()
    half[1, :, :8] = 0
    assert float(overlap_loss(gt, gt)) == 0
    # The second picture has nothing of 128 pixels; 8 are added on both sides of the fraction.
    assert float(overlap_loss(half, gt)) == pytest.approx((1 - 8 / 136) / 2, abs=1e-6)


def test_edge_loss__ignores_a_constant_error() -> None:
    gt = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    assert float(edge_loss(gt + 0.25, gt)) == pytest.approx(0, abs=1e-6)
    step = torch.zeros(1, 1, 4, 4)
    step[..., 2:] = 1
    # One of three differences per row is wrong by one, none of those per column.
    assert float(edge_loss(step, torch.zeros_like(step))) == pytest.approx(1 / 3)


def test_matting_loss__falls_in_some_steps_on_one_batch() -> None:
    net = tiny_net()
    generator = torch.Generator().manual_seed(4)
    gt = torch.zeros(2, 1, 64, 64)
    gt[:, :, 16:48, 16:48] = 1
    pictures = (0.2 + 0.6 * gt + 0.05 * torch.randn(2, 3, 64, 64, generator=generator)).clamp(0, 1)
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    losses = []
    for _ in range(12):
        loss = matting_loss(net.levels(pictures), gt, l1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]
