"""Chooses where networks run, and in which precision."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from shopimg.contract import WorkerError

_NVIDIA_DEVICES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))


@dataclass(frozen=True, slots=True)
class Placement:
    """Which engine runs the networks, and where."""

    engine: Literal["openvino", "torch"]
    """OpenVINO on CPUs, PyTorch on CUDA."""
    device: str
    """``cpu`` or ``cuda:N``."""
    precision: str
    """``int8``, ``fp32``, ``bf16``, ``fp16``, or ``auto`` where it takes a measurement to know."""

    def exact(self) -> Placement:
        """Return where results depend on no GPU and no 8 bits: the CPU, in fp32."""
        return replace(self, device="cpu", precision="fp32")


def choose_placement(device: str, precision: str) -> Placement:
    """Decide from the settings and from what the machine has.

    Args:
        device: auto, cpu, cuda, cuda:N or torch-cpu.
        precision: auto, int8, fp32, bf16 or fp16.

    Raises:
        WorkerError: CUDA was asked for and there is none, or not that one; or int8 for PyTorch.
    """
    if device in ("cpu", "torch-cpu"):
        return _on_cpu("openvino" if device == "cpu" else "torch", precision)
    count = count_cuda_devices()
    if device == "auto" and not count:
        return _on_cpu("openvino", precision)
    index = int(device.partition(":")[2] or 0)
    if index >= count:
        raise WorkerError(
            detail=f"ENHANCER_DEVICE={device}: this machine has {count} CUDA devices that PyTorch "
            "can use; use auto or cpu, or install the driver and a CUDA build of PyTorch"
        )
    _refuse_int8(precision)
    return Placement("torch", f"cuda:{index}", precision)


def has_nvidia_driver() -> bool:
    """Tell whether an NVIDIA driver is present, on Linux or below Windows, without PyTorch."""
    return any(path.exists() for path in _NVIDIA_DEVICES)


def count_cuda_devices() -> int:
    """Count CUDA devices; PyTorch is imported only where an NVIDIA driver is present."""
    if not has_nvidia_driver() or importlib.util.find_spec("torch") is None:
        return 0
    import torch  # noqa: PLC0415 - a CPU worker must not pay for this import

    return torch.cuda.device_count()


def _on_cpu(engine: Literal["openvino", "torch"], precision: str) -> Placement:
    if engine == "torch":
        _refuse_int8(precision)
        precision = "fp32" if precision == "auto" else precision
    return Placement(engine, "cpu", precision)


def _refuse_int8(precision: str) -> None:
    if precision == "int8":
        raise WorkerError(
            detail="ENHANCER_PRECISION=int8: only CPUs run it, through OpenVINO; set "
            "ENHANCER_DEVICE=cpu, or another precision"
        )
