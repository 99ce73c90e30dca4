"""What the steps of a recipe pass from one to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from shopimg.contract import StepReport
from shopimg.contract.provenance import UNKNOWN


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: upright, in sRGB, 8 bits per channel."""

    pixels: NDArray[np.uint8]
    """(H, W, 3), uint8, RGB, not premultiplied."""
    alpha: NDArray[np.uint8] | None = None
    """(H, W), uint8, 0 transparent to 255 opaque; None for a picture without transparency."""
    grey: bool = False
    """Whether all three channels are equal and must stay so."""

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.pixels.shape[0])


@dataclass(frozen=True, slots=True)
class Context:
    """A picture on its way through a recipe, and what has happened to it so far."""

    picture: Picture
    """As the last step left it."""
    reports: tuple[StepReport, ...] = ()
    """What ran, in order."""
    weights: Mapping[str, str] = field(default_factory=dict)
    """Weight name -> sha256 of every network that ran."""
    quality: Mapping[str, float] = field(default_factory=dict)
    """Figures that steps have measured, by name."""
    pixels_changed: bool = False
    """Whether any step changed the picture."""
    judged: bool = False
    """Whether colours and text have been compared with the upload; figures are in ``quality``."""
    mask: NDArray[np.uint8] | None = None
    """(H, W), uint8, 255 where the product is: as it was cut out, before it was framed."""
    product: Picture | None = None
    """What was set before the backdrop: as large as ``picture``, with transparency."""
    composed: str = UNKNOWN
    """What the backdrop makes of the result's origin: an IPTC URI."""

    def at_no_cost(self) -> Context:
        """The same, for whoever goes on from it: what was done is paid for."""
        reports = tuple(replace(report, seconds=0.0) for report in self.reports)
        return replace(self, reports=reports)

    def from_earlier_job(self) -> Context:
        """The same, where an earlier job has done everything."""
        reports = tuple(
            StepReport(report.name, 0.0, {**report.details, "cached": True})
            for report in self.reports
        )
        return replace(self, reports=reports)
