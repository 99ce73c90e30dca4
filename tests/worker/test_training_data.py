"""Training data: what is read, what is held out, and the same batch for the same step."""

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from enhancer_worker.training import data
from enhancer_worker.training.data import (
    BatchStream,
    NoTrainingImagesError,
    RunClock,
    cut_to_multiple,
    find_photos,
    random_turn,
    read_tiles,
    split_photos,
    to_tensor,
)
from enhancer_worker.training.degradations import RestorationMix
from enhancer_worker.training.fit_restorer import RestorerPairs
from enhancer_worker.training.fit_upscaler import UpscalerPairs, shrink_photo
from tests.worker.training_data import write_data


def test_find_photos__never_returns_benchmarks(tmp_path: Path) -> None:
    found = find_photos(write_data(tmp_path))
    assert [path.name for path in found] == [f"tile_{n}.png" for n in range(5)]


def test_find_photos__refuses_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(NoTrainingImagesError, match="no image matches"):
        find_photos(tmp_path)


def test_split_photos__keeps_tiles_of_one_photograph_together() -> None:
    paths = [Path(f"photo{number}_{tile}.jpg") for number in range(200) for tile in range(2)]
    training, held_out = split_photos(paths)
    assert sorted(training + held_out) == sorted(paths)
    assert held_out
    assert not {p.stem[:-2] for p in training} & {p.stem[:-2] for p in held_out}


def test_split_photos__holds_out_one_of_few() -> None:
    paths = [Path("a_0.jpg"), Path("b_0.jpg")]
    assert split_photos(paths) == ([Path("a_0.jpg")], [Path("b_0.jpg")])


def test_split_photos__takes_numbered_files_one_by_one() -> None:
    # The checksum of "photo11" is a multiple of 40: as one photograph all would be held out.
    paths = [Path(f"photo11_{number}.jpg") for number in range(200)]
    training, held_out = split_photos(paths)
    assert sorted(training + held_out) == sorted(paths)
    assert 1 <= len(held_out) <= 12


def test_split_photos__refuses_to_train_on_what_it_holds_out() -> None:
    with pytest.raises(NoTrainingImagesError, match="1 photograph, which is held out"):
        split_photos([Path("a_0.jpg")])
    with pytest.raises(NoTrainingImagesError, match="3 photographs, which are held out"):
        split_photos([Path(f"photo11_{number}.jpg") for number in range(3)])


def test_to_tensor__scales_bytes() -> None:
    batch = to_tensor([np.full((2, 3, 3), 255, np.uint8)])
    assert batch.shape == (1, 3, 2, 3)
    assert batch.unique().tolist() == [1.0]


def test_random_turn__reaches_all_eight() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    turned = {random_turn(np.random.default_rng(s))(image).tobytes() for s in range(60)}
    assert len(turned) == 8


def test_cut_to_multiple__drops_the_rest() -> None:
    assert cut_to_multiple(np.zeros((7, 9, 3), np.uint8), 4).shape == (4, 8, 3)


def test_upscaler_pairs__are_aligned(tmp_path: Path) -> None:
    photos = read_tiles(find_photos(write_data(tmp_path)))
    lq, gt = UpscalerPairs(photos, 2, batch=4)(np.random.default_rng(0), 16)
    assert lq.shape == (4, 3, 16, 16)
    assert gt.shape == (4, 3, 32, 32)
    again = torch.nn.functional.avg_pool2d(gt, 2)
    assert (again - lq).abs().mean() < 0.05


def test_shrink_photo__halves_the_sides() -> None:
    small = shrink_photo(np.full((8, 6, 3), 77, np.uint8), 2)
    assert small.shape == (4, 3, 3)
    assert np.unique(small).tolist() == [77]


def test_restorer_pairs__shrink_the_batch_of_large_patches(tmp_path: Path) -> None:
    photos = read_tiles(find_photos(write_data(tmp_path)))
    pairs = RestorerPairs(photos, batch=4, patch=16, mix=RestorationMix())
    small, large = pairs(np.random.default_rng(0), 16), pairs(np.random.default_rng(0), 32)
    assert [tuple(t.shape) for t in small] == [(4, 3, 16, 16)] * 2
    assert [tuple(t.shape) for t in large] == [(2, 3, 32, 32)] * 2


def _numbered(rng: np.random.Generator, patch: int) -> data.Pair:
    value = torch.tensor([rng.random(), float(patch)])
    return value, value


def test_batch_stream__gives_the_same_batch_for_the_same_step() -> None:
    whole = iter(BatchStream(_numbered, lambda _: 8, seed=5))
    resumed = iter(BatchStream(_numbered, lambda _: 8, seed=5, first_step=2))
    first = [next(whole)[0] for _ in range(4)]
    later = [next(resumed)[0] for _ in range(2)]
    assert torch.equal(torch.stack(first[2:]), torch.stack(later))
    assert not torch.equal(first[0], first[1])


DRAWN_BY_LOADERS = """
import sys
import torch
from torch.utils.data import DataLoader
from enhancer_worker.training.data import BatchStream
from tests.worker.test_training_data import _numbered

stream = BatchStream(_numbered, lambda step: 8 + step, seed=5, first_step=3)
batches = iter(DataLoader(stream, batch_size=None, num_workers=2))
torch.save(torch.stack([next(batches)[0] for _ in range(5)]), sys.argv[1])
"""


def test_batch_stream__gives_the_same_batches_whoever_draws_them(tmp_path: Path) -> None:
    stream = BatchStream(_numbered, lambda step: 8 + step, seed=5, first_step=3)
    alone = torch.stack([batch for batch, _ in itertools.islice(stream, 5)])
    assert alone[:, 1].tolist() == [11, 12, 13, 14, 15]
    # Loaders are forked, as in training: out of a process without the threads of other tests.
    command = [sys.executable, "-c", DRAWN_BY_LOADERS, str(tmp_path / "drawn.pt")]
    subprocess.run(command, check=True, timeout=120, cwd=Path(__file__).parents[2])
    assert torch.equal(alone, torch.load(tmp_path / "drawn.pt"))


def test_run_clock__follows_time_or_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(data.time, "monotonic", lambda: now[0])
    clock = RunClock(budget_seconds=200, max_steps=10)
    now[0] = 150.0
    assert clock.progress() == 0.25
    clock.step = 5
    assert clock.progress() == 0.5
    clock.start(earlier_seconds=120)
    now[0] = 1000.0
    assert clock.elapsed_seconds() == 970.0
    assert clock.progress() == 1.0
