"""Decides by measurement in which precision a GPU runs a network: fast, and close to fp32."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.engine.files import write_whole
from enhancer_worker.engine.torch_session import TorchSession
from enhancer_worker.errors import is_from_cuda
from shopimg.contract import WorkerError

LEAST_PSNR_DB = 50.0
"""How close to fp32 results must be, on the crops below. On a CPU our networks reach 54 dB and more
in bfloat16, 72 in half precision; a level of 255 everywhere is 48."""

_REFERENCE = "fp32"
_TRIED = ("fp16", "bf16")
"""From the more accurate one on."""
_LOCK = "precision.lock"
_LEAST_GAIN = 0.95
"""Of the time of a more accurate one, that a precision may take at most."""
_CROP_PIXELS = 192
_LAPS = 3
_BATCHES = 8

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one precision."""

    psnr_db: float
    """Of its results against those in fp32; infinite where they are equal, NaN where it fails."""
    seconds: float
    """Time for a few batches of bytes."""
    is_certain: bool = True
    """Whether it would end so again: memory that was short may be there next time."""


def trial_crops() -> NDArray[np.uint8]:
    """Four crops with what enlarging is hard on.

    Returns:
        (4, 192, 192, 3), uint8, RGB: noise, hard edges from black to white, a smooth gradient, and
        soft shapes in strong colours; the same each time.
    """
    rng = np.random.default_rng(0)
    side = _CROP_PIXELS
    noise = rng.integers(0, 256, (side, side, 3))
    rows, columns = np.mgrid[:side, :side]
    strokes = np.where((rows // 3 + columns // 5) % 2, 0, 255)[..., None].repeat(3, 2)
    gradient = np.stack([rows, columns, (rows + columns) / 2], 2) * 255 / (side - 1)
    waves = [np.sin(rows / (5 + 4 * channel)) * np.cos(columns / 9) for channel in range(3)]
    shapes = 127.5 + 127.5 * np.stack(waves, 2)
    return np.stack([noise, strokes, gradient, shapes]).round().astype(np.uint8)


def psnr_db(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Peak signal to noise of results before they are rounded.

    Args:
        found: any shape, about [0, 1], clipped here as every result is.
        expected: likewise.

    >>> round(psnr_db(np.float32([0.5]), np.float32([0.6])), 3)
    20.0
    """
    error = float(np.mean(np.square(np.clip(found, 0, 1) - np.clip(expected, 0, 1), dtype=float)))
    return math.inf if error == 0 else -10 * math.log10(error) if error > 0 else math.nan


def pick_precision(trials: Mapping[str, Trial]) -> str:
    """Choose the fastest precision that is close enough to fp32.

    Of two that are about as fast, the more accurate one: timings tell no more apart, and workers
    beside each other would choose differently.

    Args:
        trials: by precision, from the most accurate on; fp32 is the first.
    """
    best = _REFERENCE
    for name, trial in trials.items():
        # Of a result that is not a number, nothing is true.
        is_close = trial.psnr_db >= LEAST_PSNR_DB
        if is_close and trial.seconds < _LEAST_GAIN * trials[best].seconds:
            best = name
    return best


def session_by_check(make: Callable[[str], TorchSession], path: Path) -> TorchSession:
    """Make the session of the best precision; what was found is kept for the next process.

    Args:
        make: loads the network in a precision.
        path: file for the finding, one for each network, device and set of versions.
    """
    known = _known(path)
    if known is None:
        with _alone(path.parent / _LOCK):
            known = _known(path)  # while this one waited
            if known is None:
                return _measured(make, path)
    return make(known)


def _measured(make: Callable[[str], TorchSession], path: Path) -> TorchSession:
    reference = make(_REFERENCE)
    batch = np.ascontiguousarray(trial_crops().transpose(0, 3, 1, 2)).astype(np.float32)
    batch /= 255.0
    expected = reference(batch).copy()
    sessions, trials = {_REFERENCE: reference}, {_REFERENCE: Trial(math.inf, _seconds(reference))}
    for name in _TRIED:
        sessions[name] = make(name)
        trials[name] = _try(sessions[name], batch, expected)
        logger.info(
            "%s: %.1f dB from fp32, %.4f s for fp32's %.4f s",
            *(sessions[name].device, trials[name].psnr_db),
            *(trials[name].seconds, trials[_REFERENCE].seconds),
        )
    chosen = pick_precision(trials)
    for name, session in sessions.items():
        if name != chosen:
            session.close()
    if all(trial.is_certain for trial in trials.values()):
        _keep(path, chosen, trials)
    return sessions[chosen]


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process at a time measure: others on the same device would disturb it."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # then nothing is kept either
            path.parent.mkdir(parents=True, exist_ok=True)
            fcntl.flock(stack.enter_context(path.open("a")), fcntl.LOCK_EX)
        yield


def _try(session: TorchSession, batch: NDArray[np.float32], expected: NDArray[np.float32]) -> Trial:
    try:
        return Trial(psnr_db(session(batch), expected), _seconds(session))
    except (RuntimeError, MemoryError, WorkerError) as err:
        is_short = isinstance(err, MemoryError)
        # After an error of the device itself nothing runs any more, in no precision.
        if not is_short and is_from_cuda(err):
            raise
        logger.warning("%s does not run: %s", session.device, err)
        return Trial(math.nan, math.inf, is_certain=not is_short)


def _seconds(session: TorchSession) -> float:
    """Time the way pictures go: bytes in, bytes out."""
    batches = [list(trial_crops())] * _BATCHES
    laps = []
    for lap in range(_LAPS + 1):
        started = time.perf_counter()
        for _ in session.run_levels(batches):
            pass
        if lap:  # the first one warms up
            laps.append(time.perf_counter() - started)
    return statistics.median(laps)


def _known(path: Path) -> str | None:
    try:
        precision = json.loads(path.read_text())["precision"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return precision if precision in (_REFERENCE, *_TRIED) else None


def _keep(path: Path, precision: str, trials: Mapping[str, Trial]) -> None:
    figures = {
        name: {
            "psnr_db": str(round(trial.psnr_db, 2)),
            "seconds": trial.seconds if math.isfinite(trial.seconds) else None,
        }
        for name, trial in trials.items()
    }
    facts = {"precision": precision, "limit_db": LEAST_PSNR_DB, "trials": figures}
    with contextlib.suppress(OSError):
        write_whole(path, json.dumps(facts, indent=1).encode())
