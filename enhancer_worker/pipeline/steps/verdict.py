"""What the estimator makes of a picture, for the steps that decide by it."""

from __future__ import annotations

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


def judge(pixels: NDArray[np.uint8], engine: Engine) -> Verdict | None:
    """Estimate the damage of a picture; None where no estimator ships.

    Args:
        pixels: (H, W, 3), uint8, RGB.
        engine: runs the estimator.
    """
    if not engine.ships("estimate"):
        return None
    net = engine.net("estimate", 1)
    return Verdict(assess(net, pixels), {net.name: net.digest})
