"""Failures of libraries become errors of the contract; a lost device ends the process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from enhancer_worker import errors
from enhancer_worker.errors import DeviceLostError, device_is_lost, working
from shopimg.contract import CapacityError, WorkerError

ROOT = Path(__file__).resolve().parents[2]
START_METHOD = """
import pickle
from enhancer_worker.celery import app
print(app.conf.worker_pool_start_method, pickle.loads(pickle.dumps(app)) is app)
"""
WITH_A_DRIVER = """
from pathlib import Path
from enhancer_worker.engine import device
device._NVIDIA_DEVICES = (Path("/"),)
"""
AFTER_A_TASK = """
import contextlib
from celery.signals import task_postrun
import enhancer_worker.celery
from enhancer_worker.errors import DeviceLostError, working
task_postrun.send(sender=None)
with contextlib.suppress(DeviceLostError), working():
    raise RuntimeError("CUDA error: unspecified launch failure")
print("recorded", flush=True)
task_postrun.send(sender=None)
print("goes on")
"""


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


def in_worker(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    settings = {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **settings, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("device", "method"), [("cuda", "spawn"), ("cuda:1", "spawn"), ("cpu", "fork")]
)
def test_celery__starts_processes_afresh_on_cuda(device: str, method: str) -> None:
    assert in_worker(START_METHOD, ENHANCER_DEVICE=device).stdout == f"{method} True\n"


def test_celery__starts_processes_afresh_wherever_a_driver_is() -> None:
    found = in_worker(WITH_A_DRIVER + START_METHOD, ENHANCER_DEVICE="auto")
    assert found.stdout == "spawn True\n"


def test_celery__process_without_its_device_ends_after_the_task() -> None:
    result = in_worker(AFTER_A_TASK, ENHANCER_DEVICE="cpu")
    assert (result.returncode, result.stdout) == (1, "recorded\n")
    assert "which ends now" in result.stderr
