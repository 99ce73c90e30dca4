"""The net that tells kernels: the blurs it learns from, and that it learns."""

from pathlib import Path

import numpy as np
import pytest
import torch

from enhancer_worker.nets.blur_kernels import transfer
from enhancer_worker.nets.zoo import zoo_entry
from enhancer_worker.pipeline.crops import CROP_PIXELS
from enhancer_worker.training import fit_blur
from enhancer_worker.training.data import find_photos, read_tiles
from enhancer_worker.training.fit_blur import (
    BlurArgs,
    blurred,
    random_kernel,
    score,
    stored,
)
from enhancer_worker.training.known_crops import KnownCrops
from tests.worker.training_data import write_data

# Lightning warns about its own dependencies and about this machine's cores.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_random_kernel__is_often_absent_and_half_of_the_others_are_motion() -> None:
    drawn = [random_kernel(np.random.default_rng(seed)) for seed in range(800)]
    absent = sum(kernel is None for kernel in drawn) / len(drawn)
    assert absent == pytest.approx(0.25, abs=0.05)
    kernels = [kernel for kernel in drawn if kernel is not None]
    assert all(kernel.sum() == pytest.approx(1, abs=1e-5) for kernel in kernels)
    # No other kernel treats directions so differently.
    lines = sum(np.ptp(transfer(kernel).reshape(8, 6)[:, 2]) > 0.5 for kernel in kernels)
    assert 0.25 < lines / len(kernels) < 0.6


def test_stored__adds_little_and_keeps_eight_bits() -> None:
    flat = np.full((64, 64, 3), 0.5, np.float32)
    deviations = []
    for seed in range(60):
        found = stored(flat, np.random.default_rng(seed))
        np.testing.assert_allclose(found * 255, np.rint(found * 255), atol=1e-4)
        deviations.append(float(found.std()) * 255)
    assert max(deviations) < 5.5
    assert min(deviations) < 0.5


def test_blur_crops__carry_the_transfer_of_their_kernel(tmp_path: Path) -> None:
    crops = KnownCrops(read_tiles(find_photos(write_data(tmp_path))), 6, blurred)
    lq, known = crops(np.random.default_rng(0), 32)
    assert lq.shape == (6, 3, 32, 32)
    assert known.shape == (6, 48)
    assert known.max() <= 1 + 1e-5
    assert (known == 1).all(1).any()
    assert not (known == 1).all(1).all()


def test_score__is_a_mean_over_frequencies() -> None:
    assert score(torch.zeros(1, 48), torch.full((1, 48), -0.25)) == {"transfer_error": 0.25}


def test_net__answers_with_as_many_numbers_as_there_are_frequencies() -> None:
    net = zoo_entry("blur_s").build()
    assert net(torch.rand(2, 3, CROP_PIXELS, CROP_PIXELS)).shape == (2, 48)


def test_fit__writes_the_average(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_blur, "HELD_OUT_CROPS", 2)
    args = BlurArgs(
        data=write_data(tmp_path),
        out=tmp_path / "out",
        max_steps=3,
        batch=2,
        patch=32,
        last_patch=40,
    )
    module = fit_blur.fit(args)
    assert module.global_step == 3
    assert (tmp_path / "out/blur_s.safetensors").exists()
