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
from enhancer_worker.engine.engine import Engine
from enhancer_worker.nets import zoo
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
def torch_threads() -> Iterator[None]:
    """Let PyTorch have two threads, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write what `prepare-backdrops` makes: nine drawn pictures, three mixed, three photographs."""
    folder = tmp_path_factory.mktemp("prepared")
    data = tmp_path_factory.mktemp("data")
    (data / "backdrops").mkdir()
    rng = np.random.default_rng(0)
    for name in ("hall-0", "hall-1", "park-0"):
        rows = np.linspace(0, 255, 64)[:, None, None] * rng.uniform(0.3, 1, 3)
        picture = np.broadcast_to(rows, (64, 64, 3)).astype(np.uint8)
        Image.fromarray(picture).save(data / "backdrops" / f"{name}.jpg")
    options = ["--data", str(data), "--out", str(folder), "--drawn", "9", "--mixed", "3"]
    result = CliRunner().invoke(prepare_backdrops, options, catch_exceptions=False)
    assert "drawn 9  mixed 3  photograph 3" in result.output
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
