"""What several tests of the pipeline share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine import measuring
from enhancer_worker.engine.engine import Engine
from enhancer_worker.nets import zoo
from enhancer_worker.pipeline import surroundings
from enhancer_worker.training.backdrops.prepare import prepare_backdrops
from tests.worker.tiny_nets import TINY_ZOO, write_weights

Make = Callable[..., Engine]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = write_weights(tmp_path_factory.mktemp("weights"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo, "ZOO", TINY_ZOO)
        yield Engine(WorkerConfig(device="torch-cpu", weights_dir=folder), TINY_ZOO)


@pytest.fixture
def measured_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights of networks so small that measuring them takes no time, on pictures as small."""
    monkeypatch.setattr(zoo, "ZOO", TINY_ZOO)
    monkeypatch.setattr(measuring, "_MEASURED_SIDES", (64, 96))
    monkeypatch.setattr(surroundings, "_TRIAL_SIZES", ((40, 30), (64, 64), (90, 60)))
    return write_weights(tmp_path / "weights")


@pytest.fixture
def torch_threads() -> Iterator[None]:
    """Let PyTorch have two threads, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write what `prepare-backdrops` makes: nine drawn pictures, four mixed, two surfaced."""
    folder = tmp_path_factory.mktemp("prepared")
    data = tmp_path_factory.mktemp("data")
    for folder_name in ("backdrops", "photos/a"):
        (data / folder_name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    chosen = ("photos/a/budgie_0004_0", "photos/a/dreambooth_0120_0")
    for name in ("backdrops/hall-0", "backdrops/hall-1", "backdrops/park-0", *chosen):
        ramps = np.linspace(0, 1, 64)[:, None] + np.linspace(0, 1, 64) ** 2
        picture = (ramps[..., None] * 127 * rng.uniform(0.3, 1, 3)).astype(np.uint8)
        Image.fromarray(picture).save(data / f"{name}.jpg")
    counts = ["--drawn", "9", "--mixed", "4", "--surfaced", "2", "--panels", "8"]
    options = ["--data", str(data), "--out", str(folder), *counts]
    result = CliRunner().invoke(prepare_backdrops, options, catch_exceptions=False)
    assert "drawn 9  mixed 4  panel 8  surfaced 2" in result.output
    return folder


@pytest.fixture
def make_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Build an engine for which only some of the tiny networks ship."""
    monkeypatch.setattr(zoo, "ZOO", TINY_ZOO)

    def make(*names: str, **options: object) -> Engine:
        folder = write_weights(tmp_path / "weights", names or tuple(TINY_ZOO))
        config = WorkerConfig(device="torch-cpu", weights_dir=folder, **options)
        return Engine(config, TINY_ZOO)

    return make
