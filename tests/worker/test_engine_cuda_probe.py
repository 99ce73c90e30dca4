"""A GPU that a driver counts, and that runs nothing: the worker says so, or works on the CPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine import device
from enhancer_worker.engine.cuda_probe import require_cuda, require_cuda_apart
from enhancer_worker.engine.engine import Engine
from enhancer_worker.errors import is_from_cuda
from shopimg.contract import WorkerError

without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU that works")


@without_cuda
@pytest.mark.parametrize("require", [require_cuda, require_cuda_apart])
def test_require_cuda__says_what_is_missing(require: object) -> None:
    with pytest.raises(WorkerError) as caught:
        require("cuda:0")
    assert caught.value.detail.startswith("cuda:0 runs nothing: ")
    assert len(caught.value.detail) > len("cuda:0 runs nothing: ") + 10
    assert "\n" not in caught.value.detail


@pytest.mark.parametrize("require", [require_cuda, require_cuda_apart])
def test_require_cuda__accepts_a_device_that_runs(require: object) -> None:
    require("cpu")


@pytest.mark.gpu
@pytest.mark.parametrize("require", [require_cuda, require_cuda_apart])
def test_require_cuda__accepts_a_gpu(require: object) -> None:
    require("cuda:0")


def test_require_cuda__takes_a_full_gpu_for_a_good_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.nn, "Conv2d", fill)
    require_cuda("cpu")


@without_cuda
def test_engine__works_on_the_cpu_where_the_gpu_runs_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(device, "count_cuda_devices", lambda: 1)
    engine = Engine(WorkerConfig(device="auto", cache_dir=tmp_path))
    assert (engine.placement.engine, engine.placement.device) == ("openvino", "cpu")
    (message,) = caplog.messages
    assert message.startswith("cuda:0 runs nothing: ")
    assert message.endswith("; the CPU works in its place")
    with pytest.raises(WorkerError, match="worker"):
        Engine(WorkerConfig(device="cuda", cache_dir=tmp_path))


@pytest.mark.parametrize(
    "reason",
    [
        "The NVIDIA driver on your system is too old (found version 11040).",
        "CUDA unknown error - this may be due to an incorrectly set up environment",
        "CUDA error: no kernel image is available for execution on the device",
    ],
)
def test_is_from_cuda__knows_a_driver_that_is_too_old(reason: str) -> None:
    assert is_from_cuda(RuntimeError(reason))
