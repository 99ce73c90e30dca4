"""The worker's settings: the only place that reads the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shopimg.contract import WorkerError

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
_DEVICE = re.compile(r"auto|cpu|torch-cpu|cuda(:\d+)?")
_SHIPPED_WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """Everything an operator can change about the engine."""

    device: str = "auto"
    """``ENHANCER_DEVICE``: auto (CUDA where there is one, else CPU), cpu (OpenVINO), cuda, cuda:N
    or torch-cpu (PyTorch on the CPU, for comparisons)."""
    precision: str = "auto"
    """``ENHANCER_PRECISION``: auto, fp32, bf16 or fp16; auto is bf16 on CUDA, and on CPUs
    whose matrix units prove to make it at least 1.5 times as fast; else fp32."""
    threads: int = 0
    """``ENHANCER_THREADS``: CPU threads of the engine; 0 for all that the process may use."""
    tile_size: int = 0
    """``ENHANCER_TILE_SIZE``: longest tile side in source pixels; 0 chooses by net and device."""
    weights_dir: Path = _SHIPPED_WEIGHTS
    """``ENHANCER_WEIGHTS_DIR``: folder with ``weights.json`` and the files it lists."""
    weights_url: str = ""
    """``ENHANCER_WEIGHTS_URL``: https address below which missing weights files are found; empty
    for no download."""

    def __post_init__(self) -> None:
        if not _DEVICE.fullmatch(self.device):
            raise WorkerError(
                detail=f"ENHANCER_DEVICE={self.device!r}: use auto, cpu, cuda, cuda:N or torch-cpu"
            )
        if self.precision not in PRECISIONS:
            raise WorkerError(
                detail=f"ENHANCER_PRECISION={self.precision!r}: use {', '.join(PRECISIONS)}"
            )
        if self.threads < 0:
            raise WorkerError(detail=f"ENHANCER_THREADS={self.threads}: must not be negative")
        if self.tile_size and self.tile_size < 64:
            raise WorkerError(detail=f"ENHANCER_TILE_SIZE={self.tile_size}: 0, or at least 64")
        if self.weights_url and not self.weights_url.startswith("https://"):
            raise WorkerError(detail="ENHANCER_WEIGHTS_URL: must start with https://")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> WorkerConfig:
        """Read the settings; what is not set keeps its default.

        Args:
            environment: the process environment by default.

        Raises:
            WorkerError: a value is not valid; the detail names the variable.
        """
        values = os.environ if environment is None else environment
        return cls(
            device=values.get("ENHANCER_DEVICE", "auto"),
            precision=values.get("ENHANCER_PRECISION", "auto"),
            threads=_integer(values, "ENHANCER_THREADS"),
            tile_size=_integer(values, "ENHANCER_TILE_SIZE"),
            weights_dir=Path(values.get("ENHANCER_WEIGHTS_DIR", "") or _SHIPPED_WEIGHTS),
            weights_url=values.get("ENHANCER_WEIGHTS_URL", ""),
        )


def _integer(values: Mapping[str, str], name: str) -> int:
    text = values.get(name, "0")
    try:
        return int(text)
    except ValueError as err:
        raise WorkerError(detail=f"{name}={text!r}: must be a whole number") from err
