"""Losses and metrics: exact values on tensors that can be checked by hand."""

import math

import pytest
import torch

from enhancer_worker.training.losses import charbonnier, fft_l1, l1, log_l2
from enhancer_worker.training.metrics import (
    as_eight_bits,
    crop,
    luma,
    luma_scores,
    psnr,
    ssim,
)


def colour(*values: float, side: int = 16) -> torch.Tensor:
    return torch.tensor(values).view(1, 3, 1, 1).expand(1, 3, side, side)


def test_l1__is_the_mean_absolute_difference() -> None:
    assert l1(torch.tensor([0.0, 1.0]), torch.tensor([0.5, 0.5])).item() == 0.5


def test_charbonnier__is_l1_with_a_rounded_tip() -> None:
    zero, result = torch.zeros(1), torch.full((1,), 3e-3)
    assert charbonnier(zero, zero).item() == pytest.approx(1e-3)
    assert charbonnier(result, zero, epsilon=4e-3).item() == pytest.approx(5e-3)


def test_fft_l1__sees_a_constant_difference_in_one_coefficient() -> None:
    # 4 x 4 ones: the orthonormal spectrum is 4 at frequency zero of 4 x 3 complex numbers.
    assert fft_l1(torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)).item() == pytest.approx(4 / 24)


def test_log_l2__is_minus_the_mean_psnr_in_bels() -> None:
    result = torch.stack([torch.full((3, 4, 4), value) for value in (0.1, 0.01)])
    # 20 dB and 40 dB.
    assert log_l2(result, torch.zeros_like(result), least=0).item() == pytest.approx(-3)
    assert log_l2(result, result).item() == pytest.approx(math.log10(5e-5))


@pytest.mark.parametrize("loss", [l1, charbonnier, fft_l1, log_l2])
def test_losses__have_correct_gradients(loss: object) -> None:
    torch.manual_seed(0)
    result = torch.rand(1, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    gt = torch.rand(1, 1, 4, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda value: loss(value, gt), (result,))


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [
        ((0.0, 0.0, 0.0), 16 / 255),
        ((1.0, 1.0, 1.0), 235 / 255),
        ((1.0, 0.0, 0.0), (16 + 65.481) / 255),
        ((0.0, 0.0, 1.0), (16 + 24.966) / 255),
    ],
)
def test_luma__is_studio_range_bt601(rgb: tuple[float, ...], expected: float) -> None:
    assert luma(colour(*rgb))[0, 0, 0, 0].item() == pytest.approx(expected, abs=1e-6)


def test_psnr__of_a_constant_difference() -> None:
    assert psnr(torch.full((1, 1, 2, 2), 0.6), torch.full((1, 1, 2, 2), 0.5)) == pytest.approx(
        20.0, abs=1e-4
    )


def test_psnr__of_equal_images_is_the_highest() -> None:
    assert psnr(torch.ones(1), torch.ones(1)) == 100.0
    # An error of 1e-6 alone would have 120 dB.
    assert psnr(torch.full((1,), 0.5), torch.full((1,), 0.500001)) == 100.0


def test_ssim__of_constant_images() -> None:
    # Without variance only the luminance term is left: (2ab + c1) / (a^2 + b^2 + c1). The
    # tolerance is float32 cancellation in the variances.
    a, b, c1 = 0.4, 0.6, 0.01**2
    ours, gt = torch.full((1, 1, 16, 16), a), torch.full((1, 1, 16, 16), b)
    assert ssim(ours, gt) == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), abs=1e-3)


def test_as_eight_bits__rounds_and_clips() -> None:
    values = torch.tensor([-0.1, 0.0, 0.4999, 1.7])
    assert torch.equal(as_eight_bits(values), torch.tensor([0, 0, 127, 255]) / 255)


def test_crop__cuts_all_sides_or_none() -> None:
    image = torch.arange(16.0).view(1, 1, 4, 4)
    assert crop(image, 1).flatten().tolist() == [5, 6, 9, 10]
    assert crop(image, 0) is image


def test_luma_scores__ignore_the_border_and_sub_eight_bit_errors() -> None:
    gt = colour(0.2, 0.4, 0.6)
    result = gt + 0.001
    result[..., 0, :] = 1
    psnr_y, ssim_y = luma_scores(result, gt, border=2)
    assert psnr_y == 100.0
    assert ssim_y == pytest.approx(1.0)
