"""Decides by measurement whether a CPU runs a network in int8 or bfloat16."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from enhancer_worker.engine.session import Session

INT8_FACTOR = 1.2
"""How many times as fast as fp32 an 8-bit session must be."""
BF16_FACTOR = 1.5
"""How many times as fast as fp32 a bfloat16 session must be; its loss is not measured."""

_CPU_FACTS = Path("/proc/cpuinfo")
_INT8_FLAGS = {"avx512_vnni", "avx_vnni", "amx_int8"}
_TRIAL_SIDE_PIXELS = 192
_TURNS = 5

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A session of lower precision, and what it must gain to be used."""

    session: Session
    """Of the same network as the reference."""
    factor: float
    """How many times as fast as the reference it must be."""


def has_bf16_units() -> bool:
    """Tell whether the CPU multiplies bfloat16 matrices in hardware (AMX).

    Without such units bfloat16 is emulated and slower than fp32, so there is nothing to try.
    """
    return "amx_bf16" in _cpu_flags()


def has_int8_units() -> bool:
    """Tell whether the CPU adds up 8-bit products exactly and in one step (VNNI or AMX).

    Older CPUs saturate on the way, which damages results.
    """
    return bool(_INT8_FLAGS & _cpu_flags())


def pick_fastest(reference: Session, candidates: Sequence[Candidate]) -> Session:
    """Race sessions of one network over a tile and close those that lost.

    A flag of the CPU alone is no proof: a sandbox may deny the units to the process.

    Args:
        reference: in fp32.
        candidates: in lower precisions; may be empty, then nothing is measured.

    Returns:
        The fastest of those that gain what they must, else the reference.
    """
    if not candidates:
        return reference
    laps = _race([reference, *(candidate.session for candidate in candidates)])
    winner, best_seconds = reference, laps[0]
    for candidate, seconds in zip(candidates, laps[1:], strict=True):
        logger.info(
            "%s takes %.3f s for a tile, %s %.3f s",
            *(candidate.session.device, seconds, reference.device, laps[0]),
        )
        if seconds * candidate.factor <= laps[0] and seconds < best_seconds:
            winner, best_seconds = candidate.session, seconds
    for session in (reference, *(candidate.session for candidate in candidates)):
        if session is not winner:
            session.close()
    return winner


def _cpu_flags() -> set[str]:
    try:
        return set(_CPU_FACTS.read_text().split())
    except OSError:
        return set()


def _race(sessions: Sequence[Session]) -> list[float]:
    """Time sessions in turns.

    Returns:
        Seconds of each one's fastest lap. Whatever else the machine does, such as the other
        processes of a worker that start and race as well, only ever makes a lap longer.
    """
    tile = np.zeros((1, 3, _TRIAL_SIDE_PIXELS, _TRIAL_SIDE_PIXELS), np.float32)
    for session in sessions:
        session(tile)
    laps: list[list[float]] = [[] for _ in sessions]
    for _ in range(_TURNS):
        for session, found in zip(sessions, laps, strict=True):
            started = time.perf_counter()
            session(tile)
            found.append(time.perf_counter() - started)
    return [min(found) for found in laps]
