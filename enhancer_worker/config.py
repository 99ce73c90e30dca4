"""The worker's settings: the only place that reads the environment."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import functools
import inspect
import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from enhancer_worker.nets.manifest import SHIPPED_WEIGHTS
from shopimg.contract import WorkerError

logger = logging.getLogger(__name__)

TIERS = ("auto", "s", "m")
JPEG_DECODERS = ("pillow", "torchcodec")
PRECISIONS = ("auto", "int8", "fp32", "bf16", "fp16")
_MISSPELT = 0.85
"""How like a setting's name a variable's must be, by difflib."""
_DEVICE = re.compile(r"auto|cpu|torch-cpu|cuda(:\d+)?")


def _user_cache() -> Path:
    try:
        return Path("~/.cache/shopimg").expanduser()
    except RuntimeError:  # a container may run as a user that has no home
        return Path(tempfile.gettempdir()) / f"shopimg-{os.getuid()}"


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerConfig:
    """Everything an operator can change about the engine."""

    device: str = "auto"
    """``ENHANCER_DEVICE``: auto (CUDA where there is one, else CPU), cpu (OpenVINO), cuda, cuda:N
    or torch-cpu (PyTorch on the CPU, for comparisons)."""
    precision: str = "auto"
    """``ENHANCER_PRECISION``: auto, int8, fp32, bf16 or fp16. auto on CUDA is the fastest whose
    results are within 50 dB of fp32's, tried once for each network. On CPUs it is int8 where the
    network loses 0.05 dB at most, or bf16, where the CPU has the units and a race proves the gain
    (1.2 times as fast for int8, 1.5 for bf16); else fp32."""
    tier: str = "auto"
    """``ENHANCER_TIER``: size of the networks, s or m; auto is m on CUDA, s on CPUs. Where a size
    does not ship for a network, the other one runs."""
    threads: int = 0
    """``ENHANCER_THREADS``: CPU threads of the engine; 0 for all that the process may use."""
    tile_size: int = 0
    """``ENHANCER_TILE_SIZE``: longest tile side in source pixels; 0 chooses by net and device, or
    as the command ``plan`` has measured."""
    jpeg_decoder: str = "pillow"
    """``ENHANCER_JPEG_DECODER``: pillow, or torchcodec to decode JPEG uploads on CUDA, as far as a
    trial shows the pixels of libjpeg; a worker on OpenVINO keeps Pillow."""
    weights_dir: Path = SHIPPED_WEIGHTS
    """``ENHANCER_WEIGHTS_DIR``: folder with ``weights.json`` and the files it lists."""
    weights_url: str = ""
    """``ENHANCER_WEIGHTS_URL``: https address below which missing weights files are found; empty
    for no download."""
    networks_dir: Path | None = None
    """``ENHANCER_NETWORKS_DIR``: folder with the checkpoints from elsewhere that recipes may name;
    empty for none."""
    backdrops_dir: Path | None = None
    """``ENHANCER_BACKDROPS_DIR``: folder with the pictures that recipes may name as backdrops;
    empty for none."""
    allow_pickled_networks: bool = False
    """``ENHANCER_ALLOW_PICKLED_NETWORKS``: 1 to read checkpoints other than .safetensors too; a
    pickled file can run code of whoever made it."""
    gpu_memory_share: float = 1.0
    """``ENHANCER_GPU_MEMORY_SHARE``: share of a GPU's memory that one process may take, above 0, at
    most 1; give each of several processes on one GPU its share."""
    cache_dir: Path = dataclasses.field(default_factory=_user_cache)
    """``ENHANCER_CACHE_DIR``: folder for what was measured on this machine and for products that
    are cut out already; the user's cache folder by default."""
    step_cache_megabytes: int = 512
    """``ENHANCER_STEP_CACHE_MEGABYTES``: room in that folder for products that are cut out already,
    so that other backdrops for them cost no restoring, enlarging or cutting out; 0 for none."""
    overlap: bool = True
    """``ENHANCER_OVERLAP``: 0 to write each picture of a job before the next one is made, which
    takes longer and saves the memory of one picture; 1 by default."""

    def __post_init__(self) -> None:
        if not _DEVICE.fullmatch(self.device):
            raise WorkerError(
                detail=f"ENHANCER_DEVICE={self.device!r}: use auto, cpu, cuda, cuda:N or torch-cpu"
            )
        if self.precision not in PRECISIONS:
            raise WorkerError(
                detail=f"ENHANCER_PRECISION={self.precision!r}: use {', '.join(PRECISIONS)}"
            )
        if self.tier not in TIERS:
            raise WorkerError(detail=f"ENHANCER_TIER={self.tier!r}: use {', '.join(TIERS)}")
        if self.jpeg_decoder not in JPEG_DECODERS:
            raise WorkerError(
                detail=f"ENHANCER_JPEG_DECODER={self.jpeg_decoder!r}: "
                f"use {' or '.join(JPEG_DECODERS)}"
            )
        if self.tile_size and self.tile_size < 64:
            raise WorkerError(detail=f"ENHANCER_TILE_SIZE={self.tile_size}: 0, or at least 64")
        if not 0 < self.gpu_memory_share <= 1:
            raise WorkerError(
                detail=f"ENHANCER_GPU_MEMORY_SHARE={self.gpu_memory_share}: above 0, at most 1"
            )
        if self.weights_url and not self.weights_url.startswith("https://"):
            raise WorkerError(detail="ENHANCER_WEIGHTS_URL: must start with https://")

        self._refuse_negative_numbers()

    def _refuse_negative_numbers(self) -> None:
        for name in ("threads", "step_cache_megabytes"):
            if getattr(self, name) < 0:
                raise WorkerError(
                    detail=f"ENHANCER_{name.upper()}={getattr(self, name)}: must not be negative"
                )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> WorkerConfig:
        """Read the settings; what is not set keeps its default.

        Variables that look like misspelt ones are told in the log.

        Args:
            environment: the process environment by default.

        Raises:
            WorkerError: a value is not valid; the detail names the variable.
        """
        values = os.environ if environment is None else environment
        fields = {f"ENHANCER_{field.name.upper()}": field for field in dataclasses.fields(cls)}
        for name in sorted(values.keys() - fields.keys()):
            _tell_if_misspelt(name, fields)
        return cls(
            **{
                field.name: _READERS[str(field.type)](name, values[name])
                for name, field in fields.items()
                # A file of containers passes on what is not set as empty.
                if values.get(name)
            }
        )


@functools.cache
def _tell_once(name: str, near: str) -> None:
    logger.warning("%s is no setting of the worker and changes nothing: %s?", name, near)


def _tell_if_misspelt(name: str, known: Iterable[str]) -> None:
    # Not all that begins so: for a service that is called enhancer, Kubernetes sets some as well.
    if name.startswith("ENHANCER_"):
        for near in difflib.get_close_matches(name, known, 1, _MISSPELT):
            _tell_once(name, near)


def variables() -> dict[str, str]:
    """Return what each variable of the environment does, as it is written below the fields.

    >>> variables()["ENHANCER_THREADS"]
    'CPU threads of the engine; 0 for all that the process may use.'
    """
    (defined,) = ast.parse(inspect.getsource(WorkerConfig)).body
    # A string that stands by itself is an expression, as the docstring of the class is.
    texts = [node.value for node in ast.walk(defined) if isinstance(node, ast.Expr)]
    notes = [" ".join(ast.literal_eval(text).split()) for text in texts if _is_note(text)]
    return {note.split("``")[1]: note.partition(": ")[2].replace("``", "") for note in notes}


def _is_note(text: ast.expr) -> bool:
    return isinstance(text, ast.Constant) and str(text.value).startswith("``ENHANCER_")


def _text(_name: str, text: str) -> str:
    return text


def _path(_name: str, text: str) -> Path:
    return Path(text)


def _integer(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as err:
        raise WorkerError(detail=f"{name}={text!r}: must be a whole number") from err


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as err:
        raise WorkerError(detail=f"{name}={text!r}: must be a number") from err


def _switch(name: str, text: str) -> bool:
    if text not in ("0", "1"):
        raise WorkerError(detail=f"{name}={text!r}: 1 or 0")
    return text == "1"


_READERS: Mapping[str, Callable[[str, str], Any]] = {
    "str": _text,
    "int": _integer,
    "float": _number,
    "bool": _switch,
    "Path": _path,
    "Path | None": _path,
}
"""How a field of each type is read from its variable."""
