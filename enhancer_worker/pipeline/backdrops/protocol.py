"""What makes backdrops, and what a backdrop says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.pipeline.steps.outcome import Tools
from shopimg.contract import Backdrop
from shopimg.contract.provenance import COMPOSITE


@dataclass(frozen=True, slots=True)
class BackdropImage:
    """A surface and what stands behind it, before the product is set on it."""

    pixels: NDArray[np.uint8]
    """(H, W, 3), uint8, RGB, sRGB: exactly as large as was asked for."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """JSON-serialisable facts for the step's report."""
    weights: Mapping[str, str] = field(default_factory=dict)
    """Weight name -> sha256 of the networks that ran."""
    source_type: str = COMPOSITE
    """What the backdrop makes of the result's origin, an IPTC URI: ``COMPOSITE_WITH_GENERATED``
    where a network has made it up, ``UNKNOWN`` where it is no picture at all."""
    seamless: bool = False
    """Whether the surface goes over into the wall in a curve: shadows fade there. Else they rise at
    the step's ``horizon``."""
    exact: bool = False
    """Whether its colours are what was asked for: they are not fitted to the product's light."""


class BackdropGenerator(Protocol):
    """Makes backdrops; recipes name it by ``backdrop.generator``."""

    def __call__(self, step: Backdrop, width: int, height: int, tools: Tools) -> BackdropImage:
        """Make one backdrop; equal arguments give equal pixels.

        Args:
            step: style, palette, seed, horizon and light.
            width: pixels.
            height: likewise.
            tools: engine and deadline; the deadline is to be asked in work that takes seconds. Its
                ``product`` stands where it will stand, for what paints around it; whatever the
                backdrop shows there, the product is set over it unchanged.

        Raises:
            RecipeError: it cannot do what the step asks for.
            WorkerError: it cannot do it now.
            DeadlineExceededError: the time is over.
        """
        ...
