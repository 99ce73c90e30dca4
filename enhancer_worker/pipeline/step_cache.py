"""Remembers what was made of pictures before their backdrop, for jobs that ask for another one."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import json
import os
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import enhancer_worker
import shopimg.contract
from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.files import write_whole
from enhancer_worker.engine.measuring import machine_facts, package_version
from enhancer_worker.nets.manifest import WeightsRecord, read_manifest
from enhancer_worker.pipeline.context import Context
from enhancer_worker.pipeline.context_file import pack, unpack
from shopimg.contract import Backdrop, Cutout, Frame, Recipe, Step

SCENE_STEPS = (Frame, Backdrop)
"""Operations that are quick, and whose options people try: what comes before them is remembered."""
_SUFFIX = ".steps"
_MOST_BYTES_IN_MEMORY = 200_000_000
_ABANDONED_SECONDS = 3600.0
_PACKAGES = (
    *("numpy", "openvino", "pillow", "scipy", "torch"),
    *("onnxruntime", "rembg", "spandrel", "torchcodec"),
)


def before_scene(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Return the steps up to the first one that frames a product or sets it before a backdrop.

    >>> from shopimg.contract import SCENE
    >>> [step.name for step in before_scene(SCENE.roles[0].steps)]
    ['restore', 'upscale', 'cutout']
    """
    return _before(steps, SCENE_STEPS)


def before_cutout(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Return the steps up to the one whose mask a reviewer may correct.

    >>> from shopimg.contract import SCENE
    >>> [step.name for step in before_cutout(SCENE.roles[0].steps)]
    ['restore', 'upscale']
    """
    return _before(steps, (Cutout, *SCENE_STEPS))


def has_scenes(recipe: Recipe) -> bool:
    """Tell whether somebody may try other options of what a recipe makes."""
    return any(isinstance(step, SCENE_STEPS) for role in recipe.roles for step in role.steps)


def _before(steps: Sequence[Step], kinds: tuple[type[Step], ...]) -> tuple[Step, ...]:
    return tuple(itertools.takewhile(lambda step: not isinstance(step, kinds), steps))


class StepCache:
    """Pictures enhanced or cut out already: the last ones in memory, more in files.

    The files are shared by all workers of one user on a machine. Whoever writes one deletes those
    that were not used for longest, until all fit the limit. A damaged file counts as none.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        """Remember where files go; nothing is read or made yet.

        Args:
            folder: made when it is needed; where it cannot be written, only memory remembers.
            limit_bytes: of all files together, and of what is in memory; 0 remembers nothing.
        """
        self._folder = folder
        self._limit = limit_bytes
        self._memory: OrderedDict[str, Context] = OrderedDict()

    def get(self, key: str) -> Context | None:
        """Return what was kept, or None."""
        if not self._limit:
            return None
        if key in self._memory:
            self._memory.move_to_end(key)
            return self._memory[key]
        path = self._path(key)
        try:
            context = unpack(path.read_bytes(), key)
        except (OSError, ValueError):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        self._remember(key, context)
        return context

    def put(self, key: str, context: Context) -> None:
        """Keep a picture; one that does not fit the limit is not kept."""
        if _bytes_of(context) > self._limit:
            return
        self._remember(key, context)
        with contextlib.suppress(OSError):
            # Nobody has approved these pictures yet: other users of the machine do not see them.
            self._folder.mkdir(parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            write_whole(self._path(key), pack(context, key))
            self._keep_limit()

    def _remember(self, key: str, context: Context) -> None:
        self._memory[key] = context
        most = min(self._limit, _MOST_BYTES_IN_MEMORY)
        while sum(map(_bytes_of, self._memory.values())) > most:
            self._memory.popitem(last=False)

    def _keep_limit(self) -> None:
        kept = 0
        for path, size in _newest_first(self._folder.glob(f"*{_SUFFIX}")):
            kept += size
            if kept > self._limit:
                path.unlink(missing_ok=True)
        # What a worker was writing when it was killed.
        abandoned = time.time() - _ABANDONED_SECONDS
        for path in self._folder.glob(f".*{_SUFFIX}.*"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < abandoned:
                    path.unlink()

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{_SUFFIX}"


@dataclass(frozen=True, slots=True)
class UploadMemory:
    """What earlier jobs have made of one upload."""

    cache: StepCache
    """Of all uploads."""
    content: bytes
    """The uploaded file."""
    engine: Engine
    """Runs networks."""

    def key(self, steps: Sequence[Step]) -> str:
        """Return the key of what steps make of the upload."""
        return cache_key(hashlib.sha256(self.content).hexdigest(), steps, self.engine)


def cache_key(digest: str, steps: Sequence[Step], engine: Engine) -> str:
    """Tell apart everything that the result of steps depends on.

    Args:
        digest: sha256 of the upload.
        steps: with all their options; corrected masks and networks from elsewhere are named there
            by their digests.
        engine: its settings choose among the weights and how they are run.

    Returns:
        64 hexadecimal digits.
    """
    config = engine.config
    shipped = read_manifest(config.weights_dir)
    names = frozenset[str]().union(*(step.weights(shipped) for step in steps))
    facts = [
        digest,
        [{"step": step.name, **step.options()} for step in steps],
        {name: _digests(shipped[name]) for name in names},
        [_foreign_network(step) for step in steps],
        [config.device, config.precision, engine.tier, config.tile_size, config.threads],
        config.jpeg_decoder,
        [*machine_facts(), *map(package_version, _PACKAGES), _code_digest()],
    ]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _foreign_network(step: Step) -> str:
    """Return what tells a network apart that a step names without its digest."""
    if not isinstance(step, Cutout) or not step.engine:
        return ""
    from enhancer_worker.matting.rembg_engine import network_stamp  # noqa: PLC0415 - an extra

    return network_stamp(step.engine)


def _digests(weights: WeightsRecord) -> list[object]:
    eight_bits = weights.int8
    exported = dict(weights.openvino_sha256)
    return [weights.sha256, exported, eight_bits and [dict(eight_bits.sha256), eight_bits.chosen]]


def _bytes_of(context: Context) -> int:
    arrays = (context.picture.pixels, context.picture.alpha, context.mask)
    return sum(array.nbytes for array in arrays if array is not None)


def _newest_first(paths: Iterable[Path]) -> list[tuple[Path, int]]:
    found = []
    for path in paths:
        with contextlib.suppress(OSError):  # another worker may have deleted it
            status = path.stat()
            found.append((status.st_mtime, path, status.st_size))
    return [(path, size) for _time, path, size in sorted(found, reverse=True)]


@functools.cache
def _code_digest() -> str:
    """Return a digest of the code: whoever changes a step does not see what the old one made."""
    digest = hashlib.sha256()
    for package in (enhancer_worker, shopimg.contract):
        for path in sorted(Path(package.__path__[0]).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
