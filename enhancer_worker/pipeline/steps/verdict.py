"""What the estimator makes of a picture, for the steps that decide by it."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.engine.engine import Engine
from enhancer_worker.pipeline.assessment import Assessment, assess


@dataclass(frozen=True, slots=True)
class Verdict:
    """An estimate, and who made it."""

    found: Assessment
    """The damage."""
    weights: Mapping[str, str]
    """Weight name -> sha256 of the estimator."""


class Verdicts:
    """Estimates the damage of pictures: once for a picture that a step has left as it was."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._last: tuple[weakref.ref[NDArray[np.uint8]], Verdict | None] | None = None

    def of(self, pixels: NDArray[np.uint8], engine: Engine) -> Verdict | None:
        """Estimate the damage of a picture; None where no estimator ships.

        Args:
            pixels: (H, W, 3), uint8, RGB; never changed in place.
            engine: runs the estimator.
        """
        if self._last is None or self._last[0]() is not pixels:
            # Weak: a large picture must not stay in memory for being asked about again.
            self._last = weakref.ref(pixels), _judge(pixels, engine)
        return self._last[1]


def _judge(pixels: NDArray[np.uint8], engine: Engine) -> Verdict | None:
    if not engine.ships("estimate"):
        return None
    net = engine.net("estimate", 1)
    return Verdict(assess(net, pixels), {net.name: net.digest})
