"""Protocols: what each makes of ground truth, and what doing nothing scores."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from enhancer_worker.nets.zoo import load_net
from enhancer_worker.training.benchmarks import PROTOCOLS
from enhancer_worker.training.protocols import (
    BLUR_KERNELS,
    Case,
    Sample,
    blur_case,
    clean_case,
    denoising_case,
    jpeg_case,
    judge,
    photo_case,
    run_padded,
    upscaling_case,
)
from tests.worker.training_data import write_picture


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    write_picture(tmp_path / "one.png", 7, 50)
    return tmp_path / "one.png"


@pytest.mark.parametrize("case", [case for cases in PROTOCOLS.values() for case in cases])
def test_prepare__makes_the_same_input_each_time(case: Case, picture: Path) -> None:
    first, second = case.prepare(picture), case.prepare(picture)
    assert torch.equal(first.lq, second.lq)
    assert first.lq.shape[1] == 3
    assert [side // case.scale for side in first.gt.shape[-2:]] == list(first.lq.shape[-2:])


def test_prepare__makes_other_noise_for_another_picture_and_sigma(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_picture(tmp_path / f"{name}.png", 7, 50)
    samples = [denoising_case(25).prepare(tmp_path / f"{name}.png") for name in ("one", "two")]
    noises = [sample.lq - sample.gt for sample in samples]
    other = denoising_case(50).prepare(tmp_path / "one.png")
    assert not torch.allclose(noises[0], noises[1], atol=0.01)
    assert not torch.allclose((other.lq - other.gt) / 2, noises[0], atol=0.01)


def test_upscaling_case__of_bicubic_is_the_reference(picture: Path) -> None:
    case = upscaling_case(3)
    sample = case.prepare(picture)
    assert sample.gt.shape == (1, 3, 48, 48)
    result = case.reference_result(sample)

    class Bicubic(nn.Module):
        def forward(self, lq: torch.Tensor) -> torch.Tensor:
            return result

    figures = judge(case, Bicubic(), sample)
    assert figures["psnr_y"] == figures["psnr_y_bicubic"]
    assert figures["ssim_y"] == figures["ssim_y_bicubic"]
    # Rectangles lose their edges, nothing else: worse than photographs, far from noise.
    assert 15 < figures["psnr_y"] < 35


def test_photo_case__damages_the_small_pictures_mildly(tmp_path: Path) -> None:
    case, exact = photo_case(2), upscaling_case(2)
    untouched = []
    for number in range(20):
        write_picture(tmp_path / f"{number}.png", number, 64)
        damaged, clean = (one.prepare(tmp_path / f"{number}.png") for one in (case, exact))
        assert torch.equal(damaged.gt, clean.gt)
        levels = damaged.lq * 255
        torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-4)
        error = (damaged.lq - clean.lq).abs().mean().item()
        assert error < 0.1
        untouched.append(error <= 0.5 / 255)
    # One sample in five stays as it is.
    assert 1 <= sum(untouched) <= 8


def test_photo_case__shows_bicubic_beside_the_net(picture: Path) -> None:
    case = photo_case(3)
    net = load_net("upscale_x3_s_photo")
    assert list(judge(case, net, case.prepare(picture))) == [
        "psnr_y",
        "ssim_y",
        "psnr_y_bicubic",
        "ssim_y_bicubic",
    ]


def test_denoising_case__noise_is_as_strong_as_its_name(picture: Path) -> None:
    case = denoising_case(25)
    sample = case.prepare(picture)
    # 7,500 values: the standard deviation of their deviation is 0.8 %.
    assert (sample.lq - sample.gt).std().item() * 255 == pytest.approx(25, rel=0.04)
    # Noise of sigma 25 has 20.17 dB; what is clipped at black and white is not an error.
    assert judge(case, nn.Identity(), sample)["psnr_rgb"] == pytest.approx(20.17, abs=1)


def test_jpeg_case__of_doing_nothing_is_the_input(picture: Path) -> None:
    case = jpeg_case(20)
    figures = judge(case, nn.Identity(), case.prepare(picture))
    assert figures["psnr_y"] == pytest.approx(figures["psnr_y_input"], abs=1e-4)
    assert figures["ssim_y"] == pytest.approx(figures["ssim_y_input"], abs=1e-4)
    assert figures["psnr_y"] < 40


def test_jpeg_case__takes_a_grey_picture_as_it_is(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))
    Image.fromarray(ramp).save(tmp_path / "grey.png")
    Image.fromarray(np.stack([ramp] * 3, 2)).save(tmp_path / "colour.png")
    grey, colour = (jpeg_case(20).prepare(tmp_path / f"{n}.png") for n in ("grey", "colour"))
    assert (grey.gt[0, 0, 0] * 255).round().tolist() == list(range(0, 256, 4))
    # Three channels are a colour picture: its luma spans 16 to 235.
    assert (colour.gt.min() * 255).item() == pytest.approx(16, abs=1e-3)
    assert (colour.gt.max() * 255).item() == pytest.approx(232, abs=1e-3)


def test_blur_case__of_doing_nothing_is_the_input(picture: Path) -> None:
    case = blur_case("disk2")
    figures = judge(case, nn.Identity(), case.prepare(picture))
    assert figures["psnr_rgb"] == figures["psnr_rgb_input"] < 30


@pytest.mark.parametrize("name", BLUR_KERNELS)
def test_blur_case__leaves_only_eight_bit_noise_on_a_flat_picture(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / "grey.png"
    Image.fromarray(np.full((64, 64, 3), 128, np.uint8)).save(path)
    lq = blur_case(name).prepare(path).lq * 255
    assert torch.allclose(lq, lq.round(), atol=1e-4)
    # Sigma 1, and 1/12 of variance by rounding; mirrored borders add no edge.
    assert (lq - 128).std().item() == pytest.approx(math.sqrt(1 + 1 / 12), rel=0.03)
    assert (lq - 128).abs().max().item() < 6


@pytest.mark.parametrize(
    ("name", "centre", "two_to_the_right"),
    [
        ("gauss1.2", 0.110524, 0.027559),
        ("gauss1.6", 0.062174, 0.028466),
        ("disk2", 0.076269, 0.038135),
        ("motion7", 0.141215, 0.0),
    ],
)
def test_blur_kernels__stay_what_the_published_figures_were_made_with(
    name: str, centre: float, two_to_the_right: float
) -> None:
    kernel = BLUR_KERNELS[name]()
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert kernel[6, 6] == pytest.approx(centre, abs=1e-6)
    assert kernel[6, 8] == pytest.approx(two_to_the_right, abs=1e-6)


def test_clean_case__counts_an_untouched_picture_as_the_limit(picture: Path) -> None:
    case = clean_case()
    sample = case.prepare(picture)
    figures = judge(case, nn.Identity(), sample)
    # In float32 the variances of flat areas cancel to nearly nothing.
    assert figures == {"psnr_rgb": 100.0, "ssim_rgb": pytest.approx(1, abs=1e-3)}

    class Brighter(nn.Module):
        def forward(self, lq: torch.Tensor) -> torch.Tensor:
            return lq - 1 / 255 * (lq > 0.5) + 1 / 255 * (lq <= 0.5)

    # One level everywhere: 20 log10(255).
    assert judge(case, Brighter(), sample)["psnr_rgb"] == pytest.approx(48.131, abs=0.01)


def test_run_padded__returns_the_size_it_got() -> None:
    class Aligned(nn.Module):
        multiple_of = 4

        def forward(self, lq: torch.Tensor) -> torch.Tensor:
            assert lq.shape[-2:] == (8, 12)
            return lq

    lq = torch.rand(1, 3, 7, 9)
    assert torch.equal(run_padded(Aligned(), lq), lq)


def test_sample__of_grey_truth_feeds_three_channels(picture: Path) -> None:
    sample: Sample = jpeg_case(10).prepare(picture)
    assert sample.gt.shape == (1, 1, 50, 50)
    assert torch.equal(sample.lq[:, 0], sample.lq[:, 2])
