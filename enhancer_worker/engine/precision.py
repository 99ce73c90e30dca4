"""Decides by measurement whether a CPU runs a network in bfloat16."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.engine.session import Session

_CPU_FACTS = Path("/proc/cpuinfo")
_TRIAL_SIDE_PIXELS = 192
_TRIALS = 3
_WORTHWHILE_FACTOR = 1.5


def has_bf16_units() -> bool:
    """Tell whether the CPU multiplies bfloat16 matrices in hardware (AMX).

    Without such units bfloat16 is emulated and slower than fp32, so there is nothing to try.
    """
    try:
        return "amx_bf16" in _CPU_FACTS.read_text()
    except OSError:
        return False


def is_worthwhile(candidate: Session, reference: Session) -> bool:
    """Race two sessions of one network over a tile.

    Args:
        candidate: in the lower precision.
        reference: in fp32.

    Returns:
        Whether the candidate is at least 1.5 times as fast. A flag of the CPU alone is no proof:
        a sandbox may deny the units to the process.
    """
    tile = np.zeros((1, 3, _TRIAL_SIDE_PIXELS, _TRIAL_SIDE_PIXELS), np.float32)
    seconds = [_median_seconds(session, tile) for session in (candidate, reference)]
    return seconds[0] * _WORTHWHILE_FACTOR <= seconds[1]


def _median_seconds(session: Session, tile: NDArray[np.float32]) -> float:
    session(tile)
    laps = []
    for _ in range(_TRIALS):
        started = time.perf_counter()
        session(tile)
        laps.append(time.perf_counter() - started)
    return statistics.median(laps)
