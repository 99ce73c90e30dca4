"""What is compared in the quality tables: classical methods, references, our networks."""

from __future__ import annotations

import functools
import importlib.util
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from benchmarks.goals import AS_UPLOADS
from enhancer_worker.config import PRECISIONS, WorkerConfig
from enhancer_worker.engine.device import choose_placement
from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.loading import load
from enhancer_worker.engine.session import Session
from enhancer_worker.nets.manifest import read_manifest, read_record
from enhancer_worker.nets.zoo import ZOO, ZooEntry, load_net
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.run import STEP_FUNCTIONS
from enhancer_worker.pipeline.steps.outcome import Tools
from enhancer_worker.training.protocols import Case, Sample, run_padded
from shopimg.contract import Deadline, Restore, Step, Upscale, WorkerError

NLM_STRENGTH = 0.6
"""Filter strength h over sigma: the best of 0.4, 0.6, 0.8 and 1 on the first pictures of CBSD68."""
NLM_TEMPLATE_PIXELS = 7
NLM_SEARCH_PIXELS = 21


@dataclass(frozen=True)
class Method:
    """One row of a table."""

    label: str
    """Its name there."""
    run: Callable[[Sample], Tensor]
    """Input to result, (1, 3, H, W), float32, about [0, 1]."""
    is_slow: bool = False
    """Whether it is run on a few pictures only."""
    version: str = ""
    """What its results depend on beside the code here: digests of weights."""


def methods_for(case: Case) -> Iterator[Method]:
    """Everything that can be judged by a case: baselines first, then references, then ours."""
    if case.scale > 1:
        yield Method("bicubic", case.reference_result)
        yield Method("Lanczos", lambda sample: lanczos(sample.lq, case.scale))
    else:
        yield Method("input", case.reference_result)
    if case.name.startswith("sigma"):
        sigma = int(case.name.removeprefix("sigma"))
        yield Method("non-local means (sigma known)", lambda sample: nlm(sample.lq, sigma))
        if has_bm3d():
            yield Method("BM3D (sigma known)", lambda sample: bm3d(sample.lq, sigma), is_slow=True)
    for entry in sorted(shipped(case.scale), key=lambda entry: not entry.is_reference):
        version = read_record(entry.name).sha256
        yield Method(label(entry), functools.partial(_run_net, entry), version=version)
        if has_int8(entry):
            run = functools.partial(_run_int8, entry)
            yield Method(f"{label(entry)} int8", run, version=_int8_version(entry))
    # Uploads are files: the unclipped noise of the protocol is none that a step could meet.
    if case.scale > 1:
        steps = (Restore(), Upscale(scale=case.scale))
        yield _as_uploads(AS_UPLOADS, steps)
    elif not case.name.startswith("sigma"):
        yield _as_uploads("ours, the step restore", (Restore(),))


def shipped(scale: int) -> list[ZooEntry]:
    """Networks of a scale whose weights are there; 1: restorers."""
    kind = "upscale" if scale > 1 else "restore"
    listed = read_manifest()
    entries = [entry for entry in ZOO.values() if entry.name in listed]
    return [entry for entry in entries if (entry.kind, entry.scale) == (kind, scale)]


def label(entry: ZooEntry) -> str:
    """Name of a network that is the same for all its scales."""
    if entry.is_reference:
        return f"{entry.name.partition('_')[0].upper()}, trained here"
    flavour = "" if entry.flavour == "faithful" else f" {entry.flavour}"
    return f"ours {entry.tier.upper()}{flavour}"


def lanczos(lq: Tensor, scale: int) -> Tensor:
    """Enlarge with Pillow's Lanczos filter, in float.

    Args:
        lq: (1, 3, H, W), float32, [0, 1].
        scale: output pixels per input pixel along one axis.
    """
    size = (lq.shape[3] * scale, lq.shape[2] * scale)
    channels = [
        Image.fromarray(channel.contiguous().numpy()).resize(size, Image.Resampling.LANCZOS)
        for channel in lq[0]
    ]
    return torch.from_numpy(np.stack([np.asarray(channel) for channel in channels]))[None]


def nlm(lq: Tensor, sigma: int) -> Tensor:
    """Denoise with OpenCV's colour non-local means, which takes 8-bit pictures only.

    Args:
        lq: (1, 3, H, W), float32, about [0, 1].
        sigma: of the noise, of 255; unlike our networks the method has to be told.
    """
    import cv2  # noqa: PLC0415 - of the extra "bench"

    strength = NLM_STRENGTH * sigma
    pixels = np.ascontiguousarray(_eight_bits(lq)[..., ::-1])
    result = cv2.fastNlMeansDenoisingColored(
        pixels, None, strength, strength, NLM_TEMPLATE_PIXELS, NLM_SEARCH_PIXELS
    )
    return _tensor(result[..., ::-1].astype(np.float32) / 255)


def bm3d(lq: Tensor, sigma: int) -> Tensor:
    """Denoise with CBM3D (Dabov et al. 2007) in its authors' implementation.

    Args:
        lq: (1, 3, H, W), float32, about [0, 1], not rounded.
        sigma: of the noise, of 255; unlike our networks the method has to be told.
    """
    import bm3d as package  # noqa: PLC0415 - of the extra "bm3d", which its licence keeps apart

    result = package.bm3d_rgb(lq[0].permute(1, 2, 0).numpy(), sigma / 255)
    return _tensor(np.asarray(result, np.float32))


def has_bm3d() -> bool:
    """Whether BM3D is installed; nothing of ours installs it."""
    return importlib.util.find_spec("bm3d") is not None


@functools.cache
def has_int8(entry: ZooEntry) -> bool:
    """Whether an int8 version of a network ships."""
    if "int8" not in PRECISIONS or entry.is_reference:
        return False
    try:
        return "int8" in session(entry.name, "int8").device
    except WorkerError:
        return False


def _int8_version(entry: ZooEntry) -> str:
    record = read_record(entry.name).int8
    return " ".join(record.sha256.values()) if record else ""


@functools.cache
def session(name: str, precision: str) -> Session:
    """Load a network into the engine for CPUs."""
    config = WorkerConfig(device="cpu", precision=precision)
    return load(ZOO[name], choose_placement("cpu", precision), config).session


@functools.cache
def _net(name: str) -> torch.nn.Module:
    return load_net(name)


@torch.inference_mode()
def _run_net(entry: ZooEntry, sample: Sample) -> Tensor:
    return run_padded(_net(entry.name), sample.lq, entry.scale)


def _run_int8(entry: ZooEntry, sample: Sample) -> Tensor:
    height, width = sample.lq.shape[-2:]
    padding = (0, -width % entry.multiple_of, 0, -height % entry.multiple_of)
    padded = torch.nn.functional.pad(sample.lq, padding, mode="replicate")
    result = session(entry.name, "int8")(np.ascontiguousarray(padded.numpy()))
    return torch.from_numpy(result.copy())[..., : height * entry.scale, : width * entry.scale]


def _as_uploads(row: str, steps: Sequence[Step]) -> Method:
    """Steps as an upload passes them, but for the guards of colours around them."""

    def run(sample: Sample) -> Tensor:
        picture, tools = Picture(_eight_bits(sample.lq)), Tools(_engine(), Deadline(math.inf))
        for step in steps:
            picture = STEP_FUNCTIONS[type(step)](picture, step, tools).picture
        return _tensor(picture.pixels.astype(np.float32) / 255)

    names = frozenset[str]().union(*(step.weights(read_manifest()) for step in steps))
    files = (digest for name in sorted(names) for digest in read_record(name).files.values())
    version = " ".join(files)
    return Method(row, run, version=version)


@functools.cache
def _engine() -> Engine:
    return Engine(WorkerConfig(device="cpu", threads=torch.get_num_threads()))


def _eight_bits(images: Tensor) -> NDArray[np.uint8]:
    """(1, 3, H, W) in [0, 1] to (H, W, 3), uint8."""
    levels = (images[0].clamp(0, 1) * 255).round().byte()
    return levels.permute(1, 2, 0).contiguous().numpy()


def _tensor(pixels: NDArray[np.float32]) -> Tensor:
    """(H, W, 3) to (1, 3, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]
