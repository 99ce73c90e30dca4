"""Failures of libraries become errors of the contract; a lost device ends the process."""

from __future__ import annotations

import threading

import pytest
import torch

from enhancer_worker import errors
from enhancer_worker.errors import DeviceLostError, device_is_lost, working
from shopimg.contract import CapacityError, WorkerError


@pytest.fixture(autouse=True)
def _device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a device that still works."""
    monkeypatch.setattr(errors, "_device_lost", threading.Event())


@pytest.mark.parametrize(
    "failure",
    [
        torch.AcceleratorError("an illegal memory access was encountered"),
        RuntimeError("CUDA error: unspecified launch failure"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    ],
)
def test_working__cuda_failure_loses_the_device(failure: Exception) -> None:
    with pytest.raises(DeviceLostError) as caught, working():
        raise failure
    assert (caught.value.code, caught.value.retryable) == ("worker_error", True)
    assert str(failure) in caught.value.detail
    assert device_is_lost()


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (RuntimeError("shapes differ"), WorkerError),
        (ValueError("CUDA error"), WorkerError),
        (RuntimeError("cannot read CUDNN_STATUS.txt"), WorkerError),
        (MemoryError(), CapacityError),
        (torch.OutOfMemoryError("CUDA error: out of memory"), CapacityError),
        (RuntimeError("CUDA error: out of memory"), CapacityError),
        (torch.AcceleratorError("CUDA error: out of memory"), CapacityError),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"),
            CapacityError,
        ),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), CapacityError),
        (
            RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
            CapacityError,
        ),
        (
            RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED"),
            CapacityError,
        ),
        (
            RuntimeError("GET was unable to find an engine to execute this computation"),
            CapacityError,
        ),
    ],
)
def test_working__other_failure_keeps_the_device(failure: Exception, expected: type) -> None:
    with pytest.raises(expected) as caught, working():
        raise failure
    assert type(caught.value) is expected
    assert not device_is_lost()


@pytest.mark.parametrize(
    ("missing", "hinted"), [("openvino", True), ("some_shops_generator", False)]
)
def test_working__names_the_extra_of_a_module_that_is_ours(missing: str, hinted: bool) -> None:
    failure = ModuleNotFoundError(f"No module named {missing!r}", name=missing)
    with pytest.raises(WorkerError) as caught, working():
        raise failure
    assert missing in caught.value.detail
    assert ('pip install "shopimg[worker]"' in caught.value.detail) is hinted


def test_working__memory_of_the_cpu_is_no_failure_of_the_worker() -> None:
    with pytest.raises(CapacityError, match="can't allocate memory") as caught, working():
        torch.empty(1 << 50)
    assert type(caught.value) is CapacityError
