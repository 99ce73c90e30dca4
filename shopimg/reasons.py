"""What a reviewer should look at first: measured figures beyond their limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _


class ReviewReason(models.TextChoices):
    """Why a variant wants a closer look; codes of the API."""

    COLOUR = "colour", _("Look at the colours")
    TEXT = "text", _("Look at the text and logos")
    CUTOUT = "cutout", _("Look at the edge of the product")
    PRODUCT = "product", _("Look at the product: it has changed")
    WHITE = "white", _("Look at the background: it is not all white")


@dataclass(frozen=True, slots=True)
class Limit:
    """How a measured figure is judged."""

    label: Any
    """What is measured, translatable."""
    meaning: Any
    """How it is measured, translatable."""
    reason: ReviewReason
    """What a value beyond the limit asks for."""
    largest: float | None = None
    """Larger values are beyond; None for no such limit."""
    smallest: float | None = None
    """Smaller values are beyond; None for no such limit."""
    digits: int = 2
    """How many decimals tell a good value from a bad one."""
    is_share: bool = False
    """Whether people read it as a percentage: 1 is 100 %."""

    def holds(self, value: float) -> bool:
        """Tell whether a value is within the limit."""
        return (self.largest is None or value <= self.largest) and (
            self.smallest is None or value >= self.smallest
        )


COLOUR_MEANING = _("CIEDE2000 between upload and result; 1 is about the least that people see")
"""What a colour change is."""
COLOUR_WORST_MEANING = _("CIEDE2000 between upload and result; 95 % of the areas change less")
"""What the colour change of the worst areas is: all but a twentieth are below."""

# One unit of CIEDE2000 is about the smallest difference that people see side by side. The worker
# corrects colours down to these figures; what is left over could not be corrected. Text is judged
# where its strokes agree least with those of the upload: sharper or denoised text stays above 0.85,
# smeared or exchanged letters fall below 0.5. Of a product before another backdrop the pixels are
# those that it had, but for what writing a JPEG does to them, which stays well within the limit; so
# does what it takes from the white around a well cut product. An old background at the edge is
# beyond its limit. How many good and bad cut-outs these and other limits hold is measured by
# benchmarks/limits.py; a reviewer's look at a good one costs less than a bad one that nobody sees.
# A cut-out that is probably wrong stands first: nothing else counts in such a picture.
LIMITS: Mapping[str, Limit] = {
    "cutout_confidence": Limit(
        _("How sure the cut-out is"),
        _("How likely the right product was cut out, as the network and its measures tell"),
        ReviewReason.CUTOUT,
        smallest=0.8,
        is_share=True,
    ),
    "colour_shift_mean": Limit(
        _("Colour change, average"), COLOUR_MEANING, ReviewReason.COLOUR, largest=0.3
    ),
    "colour_shift_p95": Limit(
        _("Colour change, worst areas"), COLOUR_WORST_MEANING, ReviewReason.COLOUR, largest=1.0
    ),
    "text_edges": Limit(
        _("Strokes of text kept"),
        _("Correlation of the edges of letters and logos"),
        ReviewReason.TEXT,
        smallest=0.75,
    ),
    "pixel_lock_p95": Limit(
        _("Product changed by saving"),
        _("CIEDE2000 inside the product, measured on the file; 95 % of its pixels change less"),
        ReviewReason.PRODUCT,
        largest=4.0,
    ),
    "white_halo": Limit(
        _("Old background at the edge"),
        _("CIEDE2000 between the half transparent edge and a clean one before white, mean"),
        ReviewReason.CUTOUT,
        largest=10.0,
    ),
    "white_share": Limit(
        _("Background that is exactly white"),
        _("Share of the pixels around the product, measured on the file"),
        ReviewReason.WHITE,
        smallest=0.98,
        digits=4,
        is_share=True,
    ),
}
"""Figure of ``EnhancedVariant.quality`` -> how it is judged."""


def beyond(quality: Mapping[str, float | None]) -> dict[ReviewReason, str]:
    """Find the figures beyond their limits.

    Args:
        quality: figures of a variant, by name; None for what could not be measured.

    Returns:
        Reason -> name of the first figure that gives it, in the order of ``LIMITS``.
    """
    found: dict[ReviewReason, str] = {}
    for name, limit in LIMITS.items():
        value = quality.get(name)
        if value is not None and not limit.holds(value):
            found.setdefault(limit.reason, name)
    return found
