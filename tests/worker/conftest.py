"""What several tests of the pipeline share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.engine import Engine
from enhancer_worker.nets import zoo
from tests.worker.tiny_nets import TINY_ZOO, write_weights


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
