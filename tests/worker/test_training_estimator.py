"""The estimator: its layout, the damage it learns from, and that it learns."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from enhancer_worker.nets.estimator import Estimator, EstimatorConfig
from enhancer_worker.training import fit_estimator
from enhancer_worker.training.data import find_photos, read_tiles
from enhancer_worker.training.fit_estimator import (
    Damage,
    EstimatorArgs,
    apply_damage,
    damaged,
    random_damage,
    score,
)
from enhancer_worker.training.known_crops import KnownCrops
from tests.worker.training_data import write_data

# Lightning warns about its own dependencies and about this machine's cores.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_estimator__gives_three_numbers_per_crop_of_any_size() -> None:
    net = Estimator(EstimatorConfig())
    assert net(torch.rand(2, 3, 96, 128)).shape == (2, 3)
    assert sum(p.numel() for p in net.parameters()) == 89_043


def test_estimator__sees_where_a_damage_is_uneven() -> None:
    torch.manual_seed(0)
    net = Estimator(EstimatorConfig())
    even = torch.full((1, 3, 64, 64), 0.5)
    assert not torch.allclose(net(even), net(even + 0.3 * (torch.rand_like(even) - 0.5)))


def test_random_damage__is_often_absent_and_within_range() -> None:
    drawn = np.array([random_damage(np.random.default_rng(seed)) for seed in range(1000)])
    absent = (drawn == 0).mean(axis=0)
    np.testing.assert_allclose(absent, [0.4, 0.3, 0.6], atol=0.06)
    assert (drawn.max(axis=0) <= [50, 90, 2]).all()


def grey(side: int = 96) -> np.ndarray[tuple[int, int, int], np.dtype[np.float32]]:
    return np.full((side, side, 3), 0.5, np.float32)


@pytest.mark.parametrize("seed", range(4))
def test_apply_damage__adds_noise_of_the_sigma_asked_for(seed: int) -> None:
    damaged = apply_damage(grey(), Damage(10.0, 0.0, 0.0), np.random.default_rng(seed))
    assert damaged.shape == (64, 64, 3)
    assert damaged.std() * 255 == pytest.approx(10, rel=0.1)


def test_apply_damage__of_nothing_rounds_to_eight_bits() -> None:
    damaged = apply_damage(grey(), Damage(0.0, 0.0, 0.0), np.random.default_rng(0))
    np.testing.assert_array_equal(damaged * 255, np.full((64, 64, 3), 128, np.float32))


def test_estimator_crops__carry_their_amounts(tmp_path: Path) -> None:
    crops = KnownCrops(read_tiles(find_photos(write_data(tmp_path))), 5, damaged)
    lq, amounts = crops(np.random.default_rng(0), 32)
    assert lq.shape == (5, 3, 32, 32)
    assert amounts.shape == (5, 3)
    assert amounts.min() >= 0
    assert amounts.max() <= 2


def test_score__takes_nothing_from_another_device_than_the_result_s() -> None:
    """On a device that is not there, from which figures cannot be read; so far it gets."""
    with FakeTensorMode(), pytest.raises(DataDependentOutputException):
        score(torch.zeros(1, 3, device="cuda"), torch.zeros(1, 3, device="cuda"))


def test_score__is_in_natural_units() -> None:
    figures = score(torch.tensor([[1.0, 1.0, 1.0]]), torch.tensor([[0.8, 0.9, 1.5]]))
    assert figures == {
        "noise_error": pytest.approx(5, rel=1e-4),
        "jpeg_error": pytest.approx(5, rel=1e-4),
        "blur_error": pytest.approx(0.5),
    }


def test_fit__writes_the_average(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_estimator, "HELD_OUT_CROPS", 2)
    args = EstimatorArgs(
        data=write_data(tmp_path),
        out=tmp_path / "out",
        max_steps=3,
        batch=2,
        patch=32,
        last_patch=40,
    )
    module = fit_estimator.fit(args)
    assert module.global_step == 3
    assert (tmp_path / "out/estimate_s.safetensors").exists()
