"""Finds quantised cosine coefficients that keep some pixels of a block within bounds.

Projections onto two sets in turn (Zakhor, "Iterative procedures for reduction of blocking effects
in transform image coding", 1992, used the same two): the pixels within their bounds, and what whole
numbers of steps can show.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import idctn

Values = NDArray[np.float32]
Flags = NDArray[np.bool_]

SIDE = 8
"""Pixels along one side of a block."""
_ROUNDS = 40
"""Most projections of an attempt: what they have not solved goes round in circles."""
_ATTEMPTS = 60
_SKIPPED = 4
"""By so many attempts each next seed begins later, or it would end where the one before did."""
_SHARE = np.float32(0.4)
"""How much of what the bounds were missed by is put right at once; more overshoots them."""
_WHOLE_ATTEMPTS = 12
"""After so many, free pixels are drawn towards nought, attempt by attempt."""
_LEAST_SHARE = 0.5
"""What is left of them in the end."""
_TIP_PIXELS = 10
"""So few free pixels, little more than a line across the block has, are drawn to nought: they leave
too few solutions for one to be found in another way."""
_GROWTH = 0.03
"""Every attempt starts that much further from what is wanted, in steps (standard deviation)."""


def _basis() -> Values:
    """Build the inverse transform, orthonormal: (64 pixels, 64 coefficients)."""
    waves = np.eye(SIDE * SIDE).reshape(-1, SIDE, SIDE)
    pixels = idctn(waves, axes=(1, 2), norm="ortho").reshape(-1, SIDE * SIDE)
    return np.ascontiguousarray(pixels.T, np.float32)


_BASIS = _basis()


def solved(
    wanted: Values, bounded: Flags, steps: Values, bounds: tuple[float, float], *, seed: int
) -> Values:
    """Find whole coefficients near wanted pixels that keep some of them within bounds.

    Each round moves the pixels by a share of what the bounds were missed by, so that rounding ends
    elsewhere. That can go round in circles; what is left then begins again beside where it began,
    further away each time, and in the end with free pixels that are nearer to nought.

    Args:
        wanted: (N, 64): pixels.
        bounded: (N, 64): which of them have bounds.
        steps: (64,): of the coefficients.
        bounds: least and largest; infinity where there is none.
        seed: 0 for the nearest; the next ones find others, further away.

    Returns:
        (N, 64): coefficients, in steps, the same for the same arguments. With one bound there is
        always a solution; with two, of a block for which none was found, they are near one.
    """
    random = np.random.default_rng(seed)
    reach = float(np.sqrt(np.square(steps).mean())) * _GROWTH
    found = np.empty_like(wanted)
    left = np.arange(len(wanted))
    is_tip = np.count_nonzero(~bounded, axis=1, keepdims=True) <= _TIP_PIXELS
    least = np.where(is_tip, np.float32(0), np.float32(_LEAST_SHARE))
    for attempt in range(min(_SKIPPED * seed, _ATTEMPTS - 1), _ATTEMPTS):
        start = wanted[left]
        away = random.standard_normal(start.shape, np.float32) * np.float32(attempt * reach)
        start += away * ~bounded[left]
        faded = max(0, attempt - _WHOLE_ATTEMPTS) / (_ATTEMPTS - 1 - _WHOLE_ATTEMPTS)
        start *= np.where(bounded[left], np.float32(1), 1 - faded * (1 - least[left]))
        found[left], missed = _projected(start, bounded[left], steps, bounds)
        left = left[missed]
        if not len(left):
            break
    return found


def _projected(
    pixels: Values, bounded: Flags, steps: Values, bounds: tuple[float, float]
) -> tuple[Values, Flags]:
    """Return coefficients, and which rows still miss their bounds; changes the pixels."""
    found = np.rint(pixels @ _BASIS / steps)
    left = np.arange(len(pixels))
    for _ in range(_ROUNDS):
        shown = (found[left] * steps) @ _BASIS.T
        missed = np.where(bounded[left], shown - np.clip(shown, *bounds), np.float32(0))
        failing = missed.any(axis=1)
        left = left[failing]
        if not len(left):
            break
        pixels[left] -= _SHARE * missed[failing]
        found[left] = np.rint(pixels[left] @ _BASIS / steps)
    is_left = np.zeros(len(pixels), bool)
    is_left[left] = True
    return found, is_left
