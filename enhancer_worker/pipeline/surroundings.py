"""Measures what a job costs outside the networks, and keeps the figures, too."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.optimize import nnls

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.device_jpeg import DeviceJpeg
from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.files import write_whole
from enhancer_worker.engine.measuring import (
    KEPT_AS,
    machine_facts,
    peak_bytes,
    start_peak,
    timed_runs,
)
from enhancer_worker.engine.runner import TiledRun
from enhancer_worker.engine.session import LoadedNet, Session
from enhancer_worker.pipeline.background import Background
from enhancer_worker.pipeline.run import run_recipe
from shopimg.contract import Cutout, Deadline, Frame, Recipe, Step, Upscale
from shopimg.contract.steps.scene import SMALLEST_FRAME

_TRIAL_SIZES = ((160, 120), (640, 640), (960, 480), (1280, 960))
"""Width and height, pixels; smaller where the results would be large."""
_TRIAL_SIDES = (900, 640, 1200, 1280)
"""What the longest fixed side of a recipe is cut down to, with each of the sizes, pixels."""
_MOST_TRIAL_PIXELS = 6_000_000
_NOISE = 6.0
_OVAL_RADIUS, _OVAL_SHARPNESS = 0.75, 30.0
"""Of halves of the picture; small enough to be looked at once more."""
_LEAST_SHARE = 0.25
_NO_LIMIT = Deadline(math.inf)


@dataclass(frozen=True, slots=True)
class Plane:
    """A cost that grows with the pixels of the upload and with those of its results."""

    fixed: float
    """Cost of the smallest job; not negative."""
    per_source_pixel: float
    """Cost of one more pixel of the upload; not negative."""
    per_result_pixel: float
    """Cost of one more pixel of all results; not negative."""

    def at(self, source_pixels: float, result_pixels: float) -> float:
        """Cost of a job."""
        upload = self.per_source_pixel * source_pixels
        return self.fixed + upload + self.per_result_pixel * result_pixels


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a job costs outside the networks."""

    seconds: Plane
    """Decoding, assessment, cut-out, backdrops, guards, colours, text, resampling, encoding."""
    peak_bytes: Plane
    """Memory of the whole job beyond the idle process."""


class OvalFinder:
    """A cut-out network that takes its time and then finds an oval: a trial shows no product."""

    largest_batch = 1

    def __init__(self, session: Session) -> None:
        """Take the session that takes the time."""
        self._session, self.device = session, session.device

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``Session``."""
        found = self._session(batch).copy()
        height, width = found.shape[2:]
        down, across = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
        found[:, 0] = np.clip((_OVAL_RADIUS - np.hypot(down, across)) * _OVAL_SHARPNESS, 0, 1)
        found[:, 1] = 0
        return found

    def close(self) -> None:
        """Leave the session to the engine that it belongs to."""


class HollowEngine(Engine):
    """Another engine's networks, which take no time here: they only repeat pixels."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine whose networks are asked for."""
        self._engine = engine

    @property
    def config(self) -> WorkerConfig:
        """See ``Engine.config``."""
        return self._engine.config

    @functools.cached_property
    def device_jpeg(self) -> DeviceJpeg | None:
        """See ``Engine.device_jpeg``."""
        return self._engine.device_jpeg

    def scales(self, kind: str) -> tuple[int, ...]:
        """See ``Engine.scales``."""
        return self._engine.scales(kind)

    def ships(self, kind: str) -> bool:
        """See ``Engine.ships``."""
        return self._engine.ships(kind)

    def net(self, kind: str, scale: int, flavour: str = "faithful") -> LoadedNet:
        """See ``Engine.net``; there is always something to cut out."""
        net = self._engine.net(kind, scale, flavour)
        return replace(net, session=OvalFinder(net.session)) if kind == Cutout.name else net

    def exact_net(self, kind: str, scale: int) -> LoadedNet:
        """See ``Engine.exact_net``."""
        return self._engine.exact_net(kind, scale)

    def run(self, net: LoadedNet, pixels: NDArray[np.uint8], *_: object, **__: object) -> TiledRun:
        """Return the picture as large as the network would."""
        scale, (height, width) = net.geometry.scale, pixels.shape[:2]
        result = np.empty((height, scale, width, scale, 3), np.uint8)
        result[...] = pixels[:, None, :, None]
        whole = result.reshape(height * scale, width * scale, 3)
        return TiledRun(whole, 1, (height, width), net.session.device)


def result_pixels(size: tuple[int, int], recipe: Recipe) -> int:
    """Pixels of all results together."""
    return sum(role.candidates * math.prod(role.result_size(*size)) for role in recipe.roles)


def surroundings_of(recipe: Recipe, engine: HollowEngine, cache_dir: Path) -> Surroundings:
    """Return what surrounds the networks of a recipe, measuring it where that was not done before.

    Args:
        recipe: its name does not count.
        engine: has the networks that the recipe runs.
        cache_dir: made if it is missing; where it cannot be written, nothing is kept.
    """
    overlap = engine.config.overlap
    facts = json.dumps([*machine_facts(), recipe.to_table(), overlap, _TRIAL_SIZES, _TRIAL_SIDES])
    path = cache_dir / f"{KEPT_AS[1]}{hashlib.sha256(facts.encode()).hexdigest()[:16]}.json"
    with contextlib.suppress(OSError, ValueError):
        return _from_table(json.loads(path.read_text()))
    found = measure_surroundings(recipe, engine)
    with contextlib.suppress(OSError):
        write_whole(path, json.dumps(asdict(found)).encode())
    return found


def measure_surroundings(recipe: Recipe, engine: HollowEngine) -> Surroundings:
    """Run a recipe without its networks on pictures of a few sizes; medians, as of networks."""
    sizes = trial_sizes(trial_recipe(recipe))
    recipes = [trial_recipe(recipe, side) for side, _ in zip(_TRIAL_SIDES, sizes, strict=False)]
    seconds, memory = list[float](), list[float]()
    background = Background(overlap=engine.config.overlap)
    run_trial = functools.partial(
        run_recipe, engine=engine, deadline=_NO_LIMIT, background=background
    )
    with contextlib.closing(background):
        # What the first job loads and keeps is not its own: the process is idle after that.
        run_trial(trial_jpeg(sizes[0]), recipes[0])
        for size, trial in zip(sizes, recipes, strict=True):
            run = functools.partial(run_trial, trial_jpeg(size), trial)
            idle = start_peak()
            seconds.append(statistics.median(timed_runs(run)[1:]))
            memory.append(float(max(0, peak_bytes() - idle)))
    pixels = [
        (size[0] * size[1], result_pixels(size, trial))
        for size, trial in zip(sizes, recipes, strict=True)
    ]
    return Surroundings(fit_plane(pixels, seconds), fit_plane(pixels, memory))


def trial_recipe(recipe: Recipe, longest: int = _TRIAL_SIDES[0]) -> Recipe:
    """Let what leads to fixed sizes stop earlier: costs are told by pixels.

    All fixed sizes shrink alike, so that what is done to a picture before it is framed grows with
    the results, as in the recipe itself.

    Args:
        recipe: what is to be measured.
        longest: pixels; of several trials, which would tell nothing of the costs of a result's
            pixels if all results were the same.
    """
    steps = [step for role in recipe.roles for step in role.steps]
    share = min(1.0, longest / max(1, *map(_fixed_side, steps)))

    def shortened(step: Step) -> Step:
        if isinstance(step, Frame) and step.width:
            return replace(step, width=shrunk(step.width), height=shrunk(step.height))
        if isinstance(step, Upscale) and step.to:
            return replace(step, to=shrunk(step.to))
        return step

    def shrunk(side: int) -> int:
        return min(side, max(SMALLEST_FRAME, round(side * share)))

    roles = (replace(role, steps=tuple(map(shortened, role.steps))) for role in recipe.roles)
    return replace(recipe, roles=tuple(roles))


def _fixed_side(step: Step) -> int:
    """Longest side that a step leads to whatever comes in, pixels; 0 where there is none."""
    if isinstance(step, Frame):
        return max(step.width, step.height)
    return step.to or 0 if isinstance(step, Upscale) else 0


def trial_sizes(recipe: Recipe) -> list[tuple[int, int]]:
    """Choose the pictures that are tried: width and height, pixels."""
    largest = result_pixels(_TRIAL_SIZES[-1], recipe)
    share = min(1.0, math.sqrt(_MOST_TRIAL_PIXELS / largest))
    return [(round(width * share), round(height * share)) for width, height in _TRIAL_SIZES]


def trial_jpeg(size: tuple[int, int]) -> bytes:
    """A picture with soft shapes and so much noise that it is worth restoring, as a JPEG file.

    Args:
        size: width and height, pixels.
    """
    width, height = size
    rng = np.random.default_rng(width)
    coarse = rng.integers(0, 256, (height // 24 + 2, width // 24 + 2, 3), np.uint8)
    shapes = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))
    noisy = shapes + rng.normal(0, _NOISE, shapes.shape)
    buffer = BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def fit_plane(pixels: Sequence[tuple[float, float]], costs: Sequence[float]) -> Plane:
    """Lay the best plane of no negative coefficient through measurements, by relative error.

    Args:
        pixels: of the upload and of all results, per measurement; at least one.
        costs: what was measured.

    >>> plane = fit_plane([(1e6, 4e6), (2e6, 4e6), (1e6, 8e6)], [3.5, 4.5, 5.5])
    >>> round(plane.fixed, 6), round(plane.per_source_pixel * 1e6, 6)
    (0.5, 1.0)
    """
    scale = 1e6
    least = max(max(costs) * _LEAST_SHARE, 1e-9)
    rows = np.array([[1.0, source / scale, result / scale] for source, result in pixels])
    weights = 1 / np.maximum(np.array(costs), least)
    fixed, per_source, per_result = nnls(rows * weights[:, None], costs * weights)[0]
    return Plane(float(fixed), float(per_source) / scale, float(per_result) / scale)


def _from_table(table: Any) -> Surroundings:
    try:
        planes = [Plane(**table[name]) for name in ("seconds", "peak_bytes")]
        values = [value for plane in planes for value in asdict(plane).values()]
        if any(not 0 <= value < math.inf for value in values):
            raise ValueError("negative or not finite")
    except (TypeError, KeyError) as err:
        raise ValueError(f"not the costs of surroundings: {err}") from err
    return Surroundings(*planes)
