"""Figures of earlier runs, so that only what has changed is measured again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from benchmarks.methods import Method
from enhancer_worker.training.protocols import Case, Figures, Sample

ROOT = Path(__file__).parents[1]
SOURCES = (
    "benchmarks/methods.py",
    "benchmarks/prior.py",
    "benchmarks/quality.py",
    "enhancer_worker/config.py",
    "enhancer_worker/engine",
    "enhancer_worker/nets",
    "enhancer_worker/pipeline/assessment.py",
    "enhancer_worker/pipeline/blur_estimation.py",
    "enhancer_worker/pipeline/boxes.py",
    "enhancer_worker/pipeline/colour.py",
    "enhancer_worker/pipeline/crops.py",
    "enhancer_worker/pipeline/deconvolution.py",
    "enhancer_worker/pipeline/drawn.py",
    "enhancer_worker/pipeline/steps/kept_text.py",
    "enhancer_worker/pipeline/steps/restore.py",
    "enhancer_worker/pipeline/steps/upscale.py",
    "enhancer_worker/pipeline/steps/verdict.py",
    "enhancer_worker/pipeline/text_guard.py",
    "enhancer_worker/pipeline/text_regions.py",
    "enhancer_worker/pipeline/white_ground.py",
    "enhancer_worker/research/deep_image_prior.py",
    "enhancer_worker/training/metrics.py",
    "enhancer_worker/training/protocols.py",
    "shopimg/contract",
)
"""Files and folders of code that figures depend on; a change in any forgets them all."""


class Remembered:
    """Figures by method with its version, case and picture with its content.

    Args:
        path: where they are kept, JSON; None: nothing is remembered.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._figures: dict[str, Figures] = {}
        self._sources = _digest_of_sources()
        if path is not None and path.exists():
            self._figures = json.loads(path.read_text())

    def get(
        self, case: Case, method: Method, sample: Sample, measure: Callable[[], Figures]
    ) -> Figures:
        """Figures of one result, measured where they are not known."""
        if self._path is None:
            return measure()
        key = self._sources.copy()
        key.update("/".join((method.label, method.version, case.name)).encode())
        for tensor in (sample.lq, sample.gt):
            key.update(tensor.contiguous().numpy().tobytes())
        name = key.hexdigest()
        if name not in self._figures:
            self._figures[name] = measure()
        return self._figures[name]

    def write(self) -> None:
        """Keep what is known."""
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(self._figures))


def _digest_of_sources() -> hashlib._Hash:
    digest = hashlib.sha256()
    for source in (ROOT / name for name in SOURCES):
        for file in sorted(source.rglob("*.py")) if source.is_dir() else (source,):
            digest.update(file.read_bytes())
    return digest
