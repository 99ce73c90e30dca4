"""The two engines: same results, same promises."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
import torch

from enhancer_worker.engine.loading import convert
from enhancer_worker.engine.openvino_session import OpenVinoSession
from enhancer_worker.engine.session import DeviceMemoryError
from enhancer_worker.engine.torch_session import TorchSession, set_up_device
from shopimg.contract import WorkerError
from tests.worker.tiny_nets import restorer, upscaler

NETS = {"x2": upscaler(2), "x4": upscaler(4), "restore": restorer()}


def batch_of(count: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).random((count, 3, height, width), np.float32)


@pytest.mark.parametrize("name", NETS)
def test_openvino_session__equals_torch(name: str) -> None:
    net = NETS[name]
    openvino = OpenVinoSession(convert(net, net.multiple_of), threads=1)
    for shape in ((1, 64, 96), (3, 40, 32), (1, 64, 96), (1, 8, 8)):
        batch = batch_of(*shape)
        expected = net(torch.from_numpy(batch)).numpy()
        result = openvino(batch)
        assert result.dtype == np.float32
        assert result.shape == expected.shape
        assert np.abs(result - expected).max() < 1e-5


def test_openvino_session__reads_exported_files(tmp_path: Path) -> None:
    net = upscaler(2)
    ov.save_model(convert(net, 1), tmp_path / "net.xml", compress_to_fp16=False)
    batch = batch_of(1, 20, 30)
    session = OpenVinoSession(tmp_path / "net.xml")
    assert np.abs(session(batch) - net(torch.from_numpy(batch)).numpy()).max() < 1e-5
    assert session.device == "cpu (openvino fp32)"
    session.close()


@pytest.mark.parametrize("name", NETS)
def test_openvino_session__rounds_pixels_as_floats_are_rounded(name: str) -> None:
    net = NETS[name]
    session = OpenVinoSession(convert(net, net.multiple_of), threads=1)
    for shape in ((1, 64, 96), (3, 40, 32)):
        pixels = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
        floats = pixels.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
        exact = session(np.ascontiguousarray(floats)).clip(0, 1).transpose(0, 2, 3, 1) * 255
        result = next(session.run_levels([pixels]))
        assert result.dtype == np.uint8
        assert result.shape == exact.shape
        # Half a level of rounding, and what float32 leaves open.
        assert np.abs(result - exact).max() <= 0.5 + 255 * 1e-5


def test_openvino_session__clips_pixels() -> None:
    level = ov.opset13.parameter([-1, 3, -1, -1], np.float32)
    stretched = ov.opset13.subtract(ov.opset13.multiply(level, np.float32(3)), np.float32(1))
    session = OpenVinoSession(ov.Model([stretched], [level]), threads=1)
    pixels = np.array([0, 84, 85, 86, 170, 171, 255], np.uint8)[None, None, :, None].repeat(3, 3)
    expected = [0, 0, 0, 3, 255, 255, 255]
    assert next(session.run_levels([pixels]))[0, 0].tolist() == [[value] * 3 for value in expected]


def test_openvino_session__keeps_few_compiled_shapes() -> None:
    session = OpenVinoSession(convert(upscaler(2), 1), threads=1)
    for side in range(16, 24):
        session(batch_of(1, side, side))
    assert [key[-1] for key in session._requests] == [20, 21, 22, 23]


def test_torch_session__tells_of_bytes_that_were_no_numbers() -> None:
    class Overflowing(torch.nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return batch * 300 * 300  # beyond the largest number of fp16 where it is white

    session = TorchSession(Overflowing(), device="cpu", precision="fp16")
    dark, white = (np.full((8, 8, 3), level, np.uint8) for level in (0, 255))
    for picture in (dark, white, dark):
        results = session.run_levels([[dark], [picture], [dark]])
        if picture is white:
            with pytest.raises(WorkerError) as caught:
                list(results)
            assert "no numbers" in caught.value.detail
        else:
            assert all((levels == 0).all() for levels in results)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_torch_session__runs_in_low_precision(precision: str) -> None:
    batch = batch_of(2, 16, 24)
    expected = upscaler(2)(torch.from_numpy(batch)).numpy()
    result = TorchSession(upscaler(2), device="cpu", precision=precision)(batch)
    assert result.dtype == np.float32
    # bf16 has 8 significant bits.
    assert 0 < np.abs(result - expected).max() < 0.05


def allocate_on_the_cpu() -> None:
    torch.empty(1 << 50)


def allocate_on_cuda() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory, can't allocate memory")


def allocate_within_cublas() -> None:
    raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED, can't allocate memory")


@pytest.mark.parametrize(
    "allocate", [allocate_on_the_cpu, allocate_on_cuda, allocate_within_cublas]
)
def test_torch_session__tells_when_the_device_is_full(allocate: Callable[[], None]) -> None:
    class Full(torch.nn.Module):
        def forward(self, _batch: torch.Tensor) -> None:
            allocate()

    with pytest.raises(DeviceMemoryError, match="can't allocate memory") as caught:
        TorchSession(Full(), device="cpu")(batch_of(1, 8, 8))
    assert caught.value.__context__ is None


def test_torch_session__passes_other_failures_on() -> None:
    class Broken(torch.nn.Module):
        def forward(self, _batch: torch.Tensor) -> None:
            raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        TorchSession(Broken(), device="cpu")(batch_of(1, 8, 8))


@pytest.mark.usefixtures("torch_threads")
def test_torch_session__keeps_to_its_threads() -> None:
    TorchSession(upscaler(2), device="cpu")
    assert torch.get_num_threads() == 2
    TorchSession(upscaler(2), device="cpu", threads=1)
    assert torch.get_num_threads() == 1


def test_set_up_device__for_cuda_lets_networks_be_converted_for_the_cpu() -> None:
    before = torch.backends.cudnn.allow_tf32
    try:
        set_up_device("cuda:0", threads=0)
        assert not torch.backends.cudnn.allow_tf32
        assert convert(upscaler(2), 1).inputs
    finally:
        torch.backends.cudnn.allow_tf32 = before


@pytest.mark.gpu
@pytest.mark.parametrize("name", NETS)
def test_torch_session__equals_the_cpu_on_cuda(name: str) -> None:
    batch = batch_of(4, 64, 64)
    expected = TorchSession(NETS[name], device="cpu")(batch)
    result = TorchSession(NETS[name], device="cuda:0")(batch)
    assert np.abs(result - expected).max() < 1e-3


def test_cpu_engine__does_not_import_torch(tmp_path: Path) -> None:
    ov.save_model(convert(upscaler(2), 1), tmp_path / "net.xml")
    code = (
        "import sys, numpy\n"
        "from pathlib import Path\n"
        "import enhancer_worker.backend\n"
        "from enhancer_worker.engine.openvino_session import OpenVinoSession\n"
        f"session = OpenVinoSession(Path({str(tmp_path / 'net.xml')!r}), threads=1)\n"
        "session(numpy.zeros((1, 3, 16, 16), numpy.float32))\n"
        "print(sorted({'torch', 'django', 'celery', 'lightning'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"
