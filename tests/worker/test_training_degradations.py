"""Damage to training images: reproducible, within range, and of the strength asked for."""

import numpy as np
import pytest
import torch

from enhancer_worker.nets.blur_kernels import disk_kernel, gaussian_kernel, motion_kernel
from enhancer_worker.training.blurring import FloatImage, blur
from enhancer_worker.training.degradations import (
    MARGIN_PIXELS,
    RestorationMix,
    add_gaussian_noise,
    add_isp_noise,
    add_poisson_noise,
    compress_jpeg,
    compress_shifted,
    degrade,
    degrade_small,
    earlier_jpeg,
    luma_image,
    random_blur,
    random_camera_noise,
    random_jpeg,
    random_upload,
    shrink,
)

ONLY = {
    "clean": RestorationMix(gaussian=0, jpeg=0, upload=0, blur=0),
    "gaussian": RestorationMix(gaussian=1, jpeg=0, upload=0, blur=0),
    "jpeg": RestorationMix(gaussian=0, jpeg=1, upload=0, blur=0),
    "upload": RestorationMix(gaussian=0, jpeg=0, upload=1, blur=0),
    "blur": RestorationMix(gaussian=0, jpeg=0, upload=0, blur=1),
}


def gradient(side: int = 64) -> FloatImage:
    """Return a smooth colour picture with an edge."""
    ramp = np.linspace(0.1, 0.9, side, dtype=np.float32)
    image = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], np.float32(0.5)), 2)
    image = image.astype(np.float32)
    image[side // 3 :, side // 2 :] *= 0.5
    return image


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    "damage",
    [
        random_blur,
        random_camera_noise,
        random_jpeg,
        earlier_jpeg,
        random_upload,
        add_isp_noise,
        lambda image, source: add_gaussian_noise(image, source, 0.1),
        lambda image, source: add_poisson_noise(image, source, 200),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_damage__is_reproducible_and_keeps_shape(damage: object, seed: int) -> None:
    first, second = damage(gradient(), rng(seed)), damage(gradient(), rng(seed))
    assert first.dtype == np.float32
    assert first.shape == (64, 64, 3)
    assert np.array_equal(first, second)
    assert not np.array_equal(first, damage(gradient(), rng(seed + 100)))
    assert np.isfinite(first).all()


@pytest.mark.parametrize("kind", ONLY)
@pytest.mark.parametrize("seed", range(6))
def test_degrade__is_reproducible_and_aligned(kind: str, seed: int) -> None:
    lq, gt = degrade(gradient(96), rng(seed), ONLY[kind])
    again, _ = degrade(gradient(96), rng(seed), ONLY[kind])
    assert lq.shape == gt.shape == (96 - 2 * MARGIN_PIXELS, 96 - 2 * MARGIN_PIXELS, 3)
    assert np.array_equal(lq, again)
    assert gt.min() >= 0
    assert gt.max() <= 1
    # Damage has no mean: a shift between lq and gt would show at the edge.
    assert abs(float((lq - gt).mean())) < 0.03


def test_degrade__leaves_clean_samples_untouched() -> None:
    lq, gt = degrade(gradient(96), rng(), ONLY["clean"])
    assert np.array_equal(lq, gt)


def test_restoration_mix__keeps_some_samples_clean() -> None:
    assert RestorationMix().clean == pytest.approx(0.1)
    assert RestorationMix(gaussian=0, jpeg=0, upload=0.55, blur=0.45).clean == 0


def test_degrade__feeds_unclipped_and_eight_bit_noise() -> None:
    white = np.ones((96, 96, 3), np.float32)
    largest = [float(degrade(white, rng(seed), ONLY["gaussian"])[0].max()) for seed in range(20)]
    assert max(largest) > 1
    assert min(largest) == 1


def test_degrade__compresses_grey_and_colour() -> None:
    pairs = [degrade(gradient(96), rng(seed), ONLY["jpeg"]) for seed in range(20)]
    grey = [np.ptp(gt, axis=2).max() == 0 for _, gt in pairs]
    assert 0 < sum(grey) < len(grey)


def test_add_gaussian_noise__has_the_sigma_asked_for() -> None:
    noise = add_gaussian_noise(np.zeros((128, 128, 3), np.float32), rng(), 25 / 255)
    assert noise.std() == pytest.approx(25 / 255, rel=0.02)
    assert noise.min() < 0


def test_add_poisson_noise__has_the_variance_of_counting() -> None:
    grey = np.full((128, 128, 3), 0.5, np.float32)
    noisy = add_poisson_noise(grey, rng(), 100)
    assert noisy.mean() == pytest.approx(0.5, rel=0.01)
    assert noisy.var() == pytest.approx(0.5 / 100, rel=0.05)


def test_gaussian_kernel__sums_to_one_and_turns() -> None:
    flat, upright = gaussian_kernel(1.5, 0.4, 0.0), gaussian_kernel(1.5, 0.4, np.pi / 2)
    assert flat.sum() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(flat.T, upright, atol=1e-6)


@pytest.mark.parametrize("radius", [0.5, 1.0, 2.5])
def test_disk_kernel__is_round_and_of_its_area(radius: float) -> None:
    kernel = disk_kernel(radius)
    assert kernel.sum() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(kernel, kernel.T, atol=1e-7)
    if radius >= 1:
        assert 1 / kernel.max() == pytest.approx(np.pi * radius**2, rel=0.15)


def test_motion_kernel__spreads_along_its_line() -> None:
    kernel = motion_kernel(5.0, 0.0)
    row = kernel[kernel.shape[0] // 2]
    np.testing.assert_allclose(row[4:9], 0.2, atol=1e-6)
    assert row.sum() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(motion_kernel(5.0, np.pi / 2), kernel.T, atol=1e-6)


def test_degrade__blurs_and_keeps_the_picture_in_place() -> None:
    lq, gt = degrade(gradient(96), rng(5), ONLY["blur"])
    assert np.abs(lq - gt).mean() < 0.05
    assert not np.array_equal(lq, gt)


def test_degrade_small__leaves_one_in_five_untouched() -> None:
    image = gradient(64)
    inner = image[MARGIN_PIXELS:-MARGIN_PIXELS, MARGIN_PIXELS:-MARGIN_PIXELS]
    same = [np.array_equal(degrade_small(image, rng(seed)), inner) for seed in range(200)]
    assert 25 <= sum(same) <= 55


def test_blur__spreads_a_point_into_the_kernel() -> None:
    point = np.zeros((32, 32, 3), np.float32)
    point[16, 16] = 1
    kernel = gaussian_kernel(1.2, 0.6, 0.5)
    np.testing.assert_allclose(blur(point, kernel)[10:23, 10:23, 1], kernel, atol=1e-6)


def test_compress_jpeg__gets_worse_with_lower_quality() -> None:
    image = add_gaussian_noise(gradient(), rng(), 0.05).clip(0, 1)
    errors = [float(np.abs(compress_jpeg(image, q) - image).mean()) for q in (95, 50, 10)]
    assert errors == sorted(errors)
    assert errors[0] < 0.02


def test_compress_jpeg__subsampling_costs_colour() -> None:
    image = np.zeros((64, 64, 3), np.float32)
    image[:, ::2, 0] = 1
    full, quarter = (compress_jpeg(image, 95, mode) for mode in ("4:4:4", "4:2:0"))
    assert np.abs(full - image).mean() < np.abs(quarter - image).mean() / 5


def test_compress_shifted__keeps_the_picture_in_place() -> None:
    image = gradient()
    inner = slice(MARGIN_PIXELS, -MARGIN_PIXELS)
    shifted = compress_shifted(image, rng(3), 95)
    assert np.abs(shifted - image)[inner, inner].max() < 0.1


def test_luma_image__is_grey_in_studio_range() -> None:
    grey = luma_image(np.ones((2, 2, 3), np.float32))
    np.testing.assert_allclose(grey, 235 / 255, atol=1e-6)


def test_shrink__keeps_constants_and_halves_the_size() -> None:
    small = shrink(torch.full((1, 3, 8, 12), 0.25), 2)
    torch.testing.assert_close(small, torch.full((1, 3, 4, 6), 0.25))
