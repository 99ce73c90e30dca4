"""Chooses one of the networks that ship for a purpose: flavour first, then size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from enhancer_worker.nets.zoo import ZooEntry


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a step needs a network for."""

    kind: str
    """Step that it serves, such as ``upscale``."""
    scale: int
    """Output pixels per input pixel along one axis."""
    flavour: str
    """``faithful``, ``photo``, or ``brand`` of backdrops."""

    def __str__(self) -> str:
        """Words for messages."""
        scale = f" x{self.scale}" if self.scale > 1 else ""
        flavour = f" ({self.flavour})" if self.flavour != "faithful" else ""
        return self.kind + scale + flavour


def choose_entry(entries: Iterable[ZooEntry], purpose: Purpose, tier: str) -> ZooEntry | None:
    """Choose a network.

    The flavour decides what a picture looks like, the tier only how good and how fast it gets, so
    the flavour counts first. ``faithful`` takes the place of a flavour that is not there, and
    nothing takes the place of ``faithful``.

    Args:
        entries: networks whose weights are there.
        purpose: what it is for.
        tier: preferred size.

    Returns:
        The best there is, or None. References are never chosen.
    """
    fitting = [
        entry
        for entry in entries
        if (entry.kind, entry.scale) == (purpose.kind, purpose.scale)
        and entry.flavour in (purpose.flavour, "faithful")
        and not entry.is_reference
    ]
    if not fitting:
        return None
    return min(
        fitting,
        key=lambda entry: (entry.flavour != purpose.flavour, entry.tier != tier, entry.tier != "s"),
    )
