"""Makes PyTorch sessions: on CUDA with graphs, within its memory, in a checked precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.accuracy import LEAST_PSNR_DB, session_by_check
from enhancer_worker.engine.device import Placement
from enhancer_worker.engine.device_memory import CudaMemory
from enhancer_worker.engine.graphs import CudaRecorder, GraphCache, RecordingNote
from enhancer_worker.engine.measuring import machine_key
from enhancer_worker.engine.staging import Program
from enhancer_worker.engine.torch_session import TorchSession


def torch_session(
    build: Callable[[], nn.Module], digest: str, placement: Placement, config: WorkerConfig
) -> TorchSession:
    """Make a session in the precision that was asked for; ``auto`` is decided by a check.

    Args:
        build: makes the network with its weights, on the CPU; called for each precision tried.
        digest: sha256 of the weights.
        placement: device and precision.
        config: threads, share of the GPU's memory, folder for what was found.
    """
    device = placement.device

    def make(precision: str) -> TorchSession:
        options = _cuda_options(device, precision, digest, config)
        return TorchSession(
            build(), device=device, precision=precision, threads=config.threads, **options
        )

    if placement.precision != "auto":
        return make(placement.precision)
    key = machine_key(f"{device} (torch auto, {LEAST_PSNR_DB:g} dB)", digest, config.threads)
    return session_by_check(make, config.cache_dir / f"precision-{key}.json")


def _cuda_options(device: str, precision: str, digest: str, config: WorkerConfig) -> dict[str, Any]:
    if not device.startswith("cuda"):
        return {}
    key = machine_key(f"{device} (torch {precision}, graphs)", digest, config.threads)
    note = RecordingNote(config.cache_dir / f"graphs-{key}.txt")

    def graphs(program: Program) -> GraphCache:
        return GraphCache(program, CudaRecorder(), note)

    memory = CudaMemory(torch.device(device), config.gpu_memory_share)
    return {"memory": memory, "graphs": graphs}
