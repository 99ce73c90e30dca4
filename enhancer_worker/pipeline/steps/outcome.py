"""What every step is given and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.runner import TiledRun
from enhancer_worker.engine.session import LoadedNet
from enhancer_worker.pipeline.background import HERE, Background
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.steps.verdict import Verdicts
from shopimg.contract import Deadline
from shopimg.contract.provenance import UNKNOWN


@dataclass(frozen=True, slots=True)
class Tools:
    """What steps work with."""

    engine: Engine
    """Runs networks."""
    deadline: Deadline
    """Asked between tiles."""
    masks: Mapping[str, bytes] = field(default_factory=dict)
    """Corrected masks by digest: encoded pictures in which the product is white."""
    background: Background = HERE
    """Does what can be done beside."""
    verdicts: Verdicts = field(default_factory=Verdicts)
    """What the estimator makes of pictures."""
    product: Picture | None = None
    """The framed product with its transparency: only for what makes its backdrop."""


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What one step did."""

    picture: Picture
    """The very object that went in where nothing was done."""
    details: Mapping[str, Any]
    """For the step's report."""
    weights: Mapping[str, str] = field(default_factory=dict)
    """Weight name -> sha256 of the networks that ran."""
    quality: Mapping[str, float] = field(default_factory=dict)
    """Figures for the variant, by name."""
    mask: NDArray[np.uint8] | None = None
    """(H, W), uint8, 255 where the product is: only of the step that has cut it out."""
    composed: str = UNKNOWN
    """An IPTC URI: only of the step that has set the product before a backdrop."""


def engine_details(net: LoadedNet, run: TiledRun) -> dict[str, Any]:
    """Describe one run of a network for a report."""
    details = {
        "network": net.name,
        "device": run.device,
        "tiles": run.tile_count,
        "tile_size": list(run.tile_size),
    }
    return details | ({"memory_short": list(run.shortages)} if run.shortages else {})
