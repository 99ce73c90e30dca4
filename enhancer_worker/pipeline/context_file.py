"""Writes what steps have made of a picture into a file, and reads it back."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from enhancer_worker.pipeline.context import Context, Picture
from shopimg.contract import StepReport

_DIGEST_BYTES = 32
_FACTS = "facts"


def pack(context: Context, key: str) -> bytes:
    """Write everything about a picture that no backdrop has been made for yet.

    Args:
        context: judged, and not composed.
        key: what it is kept as.
    """
    facts = {
        "key": key,
        "grey": context.picture.grey,
        "reports": [dataclasses.asdict(report) for report in context.reports],
        "weights": dict(context.weights),
        "quality": dict(context.quality),
        "pixels_changed": context.pixels_changed,
    }
    arrays = {
        "pixels": context.picture.pixels,
        "alpha": context.picture.alpha,
        "mask": context.mask,
        _FACTS: np.frombuffer(json.dumps(facts).encode(), np.uint8),
    }
    there = {
        name: np.ascontiguousarray(array) for name, array in arrays.items() if array is not None
    }
    content = save(there)
    return hashlib.sha256(content).digest() + content


def unpack(file: bytes, key: str) -> Context:
    """Read a file back.

    Args:
        file: what ``pack`` has written.
        key: what it is kept as.

    Raises:
        ValueError: it is damaged, of something else, or no such file.
    """
    content = memoryview(file)[_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != file[:_DIGEST_BYTES]:
        raise ValueError("damaged")
    try:
        arrays = {name: array.copy() for name, array in load(bytes(content)).items()}
        facts = json.loads(arrays[_FACTS].tobytes())
        if facts["key"] != key:
            raise ValueError("something else")
        return _context(arrays, facts)
    except (SafetensorError, KeyError, TypeError) as err:
        raise ValueError(f"not a picture: {err}") from err


def _context(arrays: dict[str, NDArray[np.uint8]], facts: dict[str, Any]) -> Context:
    return Context(
        Picture(arrays["pixels"], arrays.get("alpha"), facts["grey"]),
        tuple(StepReport(**report) for report in facts["reports"]),
        facts["weights"],
        facts["quality"],
        pixels_changed=facts["pixels_changed"],
        judged=True,
        mask=arrays.get("mask"),
    )
