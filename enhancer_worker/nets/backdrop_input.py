"""Packs all that a backdrop network is told into one array, so that any engine can run it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.nets.backdrop_conditions import (
    CODES,
    LATENT,
    BackdropConditions,
    codes,
    latent,
)
from enhancer_worker.nets.backdrop_maps import MAPS, SIDE, maps

Floats = NDArray[np.float32]

NUMBERS = CODES + LATENT
"""Numbers in the last plane; the rest of it is zero."""
PLANES = len(MAPS) + 1
"""Planes of `pack`."""


def network_input(conditions: BackdropConditions) -> Floats:
    """What the network needs to make one backdrop: (1, PLANES, SIDE, SIDE), float32."""
    numbers = np.concatenate([codes(conditions), latent(conditions.seed)])
    return pack(maps(conditions), numbers)[None]


def pack(planes: Floats, numbers: Floats) -> Floats:
    """Put maps and numbers into one array.

    Args:
        planes: (len(MAPS), SIDE, SIDE), [0, 1].
        numbers: (NUMBERS,): codes, then latent numbers.

    Returns:
        (PLANES, SIDE, SIDE), float32; the numbers begin the last plane, row by row.
    """
    last = np.zeros(SIDE * SIDE, np.float32)
    last[:NUMBERS] = numbers
    return np.concatenate([planes, last.reshape(1, SIDE, SIDE)]).astype(np.float32)
