"""Blurs: what kernels do to frequencies, which one an estimate means, and taking it out again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.engine import Engine
from enhancer_worker.nets.blur_kernels import (
    ANGLES,
    RADII,
    Kernel,
    disk_kernel,
    gaussian_kernel,
    motion_kernel,
    transfer,
)
from enhancer_worker.pipeline import deconvolution
from enhancer_worker.pipeline.assessment import Assessment
from enhancer_worker.pipeline.blur_estimation import (
    estimate_blur,
    noise_to_allow_for,
)
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.deconvolution import (
    NO_BLUR,
    SHARP,
    Blur,
    Suspects,
    deconvolve,
    suspects,
    wiener,
)
from enhancer_worker.pipeline.steps.outcome import Tools
from enhancer_worker.pipeline.steps.restore import restore
from enhancer_worker.training.blurring import blur
from enhancer_worker.training.data import read_tile
from enhancer_worker.training.degradations import add_gaussian_noise, to_float
from enhancer_worker.training.protocols import BLUR_KERNELS
from shopimg.contract import Deadline, Restore
from tests.worker.fixed_session import judging

CATALOGUE = Path(__file__).parents[2] / "demoshop" / "catalogue"
BLURS = (
    Blur("gaussian", 1.2, 1.2),
    Blur("gaussian", 1.6, 0.8, 45.0),
    Blur("defocus", 2.0),
    Blur("motion", 7.0, angle=33.75),
)
GAINS = list(zip(BLURS, (1.7, 1.5, 2.2, 2.5), strict=True))
"""What a filter that knows the blur gains at least, dB; the pictures have noise of sigma 1."""


@pytest.fixture(scope="module")
def shipped_engine() -> Iterator[Engine]:
    engine = Engine(WorkerConfig(device="cpu", threads=1))
    yield engine
    engine.close()


def scene(name: str = "book") -> NDArray[np.uint8]:
    return read_tile(CATALOGUE / f"{name}.jpg")[:400, :400]


def blurred(picture: NDArray[np.uint8], kernel: Kernel, seed: int = 0) -> NDArray[np.uint8]:
    noisy = add_gaussian_noise(
        blur(to_float(picture), kernel), np.random.default_rng(seed), 1.0 / 255
    )
    return np.rint(np.clip(noisy, 0, 1) * 255).astype(np.uint8)


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    inner = (slice(16, -16), slice(16, -16))
    return 10 * math.log10(
        255**2 / float(np.square(one[inner] - other[inner].astype(float)).mean())
    )


def certain(one: Blur) -> Suspects:
    return Suspects((one,), (1.0,))


# --- kernels --------------------------------------------------------------------------------


def test_transfer__of_a_gaussian_is_a_gaussian() -> None:
    found = transfer(gaussian_kernel(1.2, 1.2, 0.0)).reshape(len(ANGLES), len(RADII))
    wanted = np.exp(-2 * (math.pi * 1.2 * np.array(RADII)) ** 2)
    np.testing.assert_allclose(found, np.tile(wanted, (len(ANGLES), 1)), atol=2e-3)


def test_transfer__of_motion_is_one_across_it_and_changes_its_sign_along_it() -> None:
    along, _, _, _, across, *_ = transfer(motion_kernel(7.0, 0.0)).reshape(len(ANGLES), len(RADII))
    np.testing.assert_allclose(across, 1, atol=1e-6)
    assert along[0] > 0.7
    assert along[RADII.index(0.20)] < -0.15


def test_transfer__of_a_wide_disk_turns_black_and_white_round() -> None:
    assert transfer(disk_kernel(3.0)).reshape(len(ANGLES), len(RADII))[:, 4].max() < -0.05


# --- which one it was -----------------------------------------------------------------------


@pytest.mark.parametrize("one", BLURS, ids=str)
def test_suspects__begin_with_the_blur_behind_an_estimate(one: Blur) -> None:
    found = suspects(transfer(one.kernel()))
    assert found.blurs[0] == one
    assert sum(found.shares) == pytest.approx(1)
    assert list(found.shares) == sorted(found.shares, reverse=True)


def test_suspects__of_a_sharp_picture_are_led_by_none() -> None:
    assert suspects(np.full(48, 0.99, np.float32)).blurs[0] == SHARP


def test_suspects__of_what_no_known_kernel_does_are_none() -> None:
    strange = transfer(BLURS[3].kernel()) * np.where(np.arange(48) % 3, 1.0, -0.5)
    assert suspects(strange.astype(np.float32)) == NO_BLUR


@pytest.mark.parametrize(("sharp", "is_deblurred"), [(1, True), (2, False)])
def test_estimate_blur__leaves_pictures_alone_that_are_sharp_in_places(
    sharp: int, is_deblurred: bool
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (600, 600, 3), np.uint8)
    found = np.tile(transfer(BLURS[2].kernel()), (9, 1))
    found[:sharp] = 0.98
    answers = iter(found)
    result = estimate_blur(judging(lambda _: next(answers)), noise)
    assert (result != NO_BLUR) == is_deblurred


def test_suspects__are_more_where_an_estimate_fits_none() -> None:
    exact = transfer(BLURS[0].kernel())
    off = exact + 0.05 * np.where(np.arange(48) % 2, 1, -1)
    assert len(suspects(off).blurs) >= len(suspects(exact).blurs)


# --- taking it out --------------------------------------------------------------------------


@pytest.mark.parametrize(("one", "gain"), GAINS, ids=str)
def test_deconvolve__comes_nearer_to_what_was_there(one: Blur, gain: float) -> None:
    truth = scene()
    soft = blurred(truth, one.kernel())
    assert psnr(deconvolve(soft, certain(one), 1.5), truth) > psnr(soft, truth) + gain


def test_deconvolve__leaves_flat_areas_as_they_are() -> None:
    flat = np.full((90, 120, 3), (255, 128, 3), np.uint8)
    np.testing.assert_array_equal(deconvolve(flat, certain(BLURS[2]), 1.5), flat)


def test_deconvolve__has_no_seams_between_its_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = scene()[:130]
    whole = deconvolve(picture, certain(BLURS[3]), 1.5)
    monkeypatch.setattr(deconvolution, "_STRIP_ROWS", 37)
    strips = deconvolve(picture, certain(BLURS[3]), 1.5)
    assert np.abs(whole.astype(int) - strips).max() <= 1
    assert (whole != strips).mean() < 1e-3


def test_wiener__holds_back_where_the_noise_is_strong() -> None:
    weak, strong = (np.abs(wiener(certain(BLURS[0]), noise)).sum() for noise in (1.0, 8.0))
    assert strong < weak / 1.5


def test_wiener__holds_back_where_suspects_disagree() -> None:
    gaussian, disk = Blur("gaussian", 1.6, 1.6), Blur("defocus", 2.75)
    torn = Suspects((gaussian, disk), (0.5, 0.5))
    assert wiener(torn, 1.5).sum() == pytest.approx(1, abs=1e-5)
    truth = scene()
    for one, other in ((gaussian, disk), (disk, gaussian)):
        soft = blurred(truth, one.kernel())
        wrong, careful = (psnr(deconvolve(soft, s, 1.5), truth) for s in (certain(other), torn))
        assert careful > wrong + 0.2


@pytest.mark.parametrize(
    ("kind", "gain"), [("gauss1.2", 2.0), ("gauss1.6", 2.0), ("disk2", 2.0), ("motion7", 0.5)]
)
def test_restore__sharpens_a_blurred_upload_with_what_ships(
    kind: str, gain: float, shipped_engine: Engine
) -> None:
    truth = scene("watch")
    soft = blurred(truth, BLUR_KERNELS[kind]())
    outcome = restore(Picture(soft), Restore(), Tools(shipped_engine, Deadline(60)))
    assert "deblurred" in outcome.details
    assert psnr(outcome.picture.pixels, truth) > psnr(soft, truth) + gain


@pytest.mark.parametrize("kind", ["gauss1.2", "motion7"])
def test_restore__does_no_harm_where_there_is_little_to_tell_a_blur_by(
    kind: str, shipped_engine: Engine
) -> None:
    truth = scene("toy-car")  # this part of it is all but empty
    soft = blurred(truth, BLUR_KERNELS[kind]())
    outcome = restore(Picture(soft), Restore(), Tools(shipped_engine, Deadline(60)))
    assert psnr(outcome.picture.pixels, truth) > psnr(soft, truth) - 0.3


def test_restore__leaves_a_sharp_upload_as_sharp_as_it_is(shipped_engine: Engine) -> None:
    outcome = restore(Picture(scene()), Restore(), Tools(shipped_engine, Deadline(60)))
    assert "deblurred" not in outcome.details


# --- when -----------------------------------------------------------------------------------


def test_noise_to_allow_for__counts_compression() -> None:
    assert noise_to_allow_for(Assessment(0.0, 100.0, 1.0)) == 1.2
    assert noise_to_allow_for(Assessment(2.0, 90.0, 1.0)) == pytest.approx(math.sqrt(9.44))
