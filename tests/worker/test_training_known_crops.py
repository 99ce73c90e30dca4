"""Crops that something known was done to."""

from pathlib import Path

import pytest
import torch

from enhancer_worker.training import fit_blur, fit_estimator
from enhancer_worker.training.args import TrainingArgsError
from enhancer_worker.training.data import find_photos, read_tiles
from enhancer_worker.training.known_crops import CropArgs, Known, held_out_crops
from tests.worker.training_data import write_data


@pytest.mark.parametrize("known", [fit_blur.blurred, fit_estimator.damaged])
def test_held_out_crops__are_the_same_each_time(known: Known, tmp_path: Path) -> None:
    photos = read_tiles(find_photos(write_data(tmp_path)))
    first, second = (held_out_crops(photos, 32, known, 50) for _ in range(2))
    assert len(first) == 50
    assert all(torch.equal(a.lq, b.lq) for a, b in zip(first, second, strict=True))
    assert all(torch.equal(a.gt, b.gt) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("option", [{"patch": 100}, {"last_patch": 100}])
def test_args__refuse_crops_that_a_net_cannot_halve(option: dict[str, int]) -> None:
    with pytest.raises(TrainingArgsError, match="multiples of 8"):
        CropArgs(data=Path("a"), out=Path("b"), **option)
