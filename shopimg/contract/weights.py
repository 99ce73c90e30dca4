"""How files of weights are named, so that a shop can tell what a step may run."""

from __future__ import annotations

import re
from dataclasses import dataclass

FLAVOURS = ("photo", "faithful")
"""What a network was trained for: uploads with their mild damage, or undamaged pictures."""

_NAME = re.compile(r"(?P<step>[a-z]+)(_x(?P<scale>[2-9]))?_(?P<tier>[a-z])(_(?P<flavour>[a-z]+))?")


@dataclass(frozen=True, slots=True)
class WeightName:
    """The parts of a name such as ``upscale_x2_s_photo``."""

    step: str
    """Name of the step that the network serves, or of what it tells of an upload."""
    scale: int
    """Output pixels per input pixel along one axis; 1 where the name has none."""
    tier: str
    """Size of the network, such as ``s`` and ``m``."""
    flavour: str
    """One of ``FLAVOURS``, or ``brand`` of backdrops; ``faithful`` where the name has none."""

    @classmethod
    def parse(cls, name: str) -> WeightName | None:
        """Read a name.

        Args:
            name: a key of ``weights.json``.

        Returns:
            Its parts, or None for a network that serves no step, such as a reference.

        >>> WeightName.parse("upscale_x2_s_photo")
        WeightName(step='upscale', scale=2, tier='s', flavour='photo')
        >>> WeightName.parse("restore_s").flavour
        'faithful'
        >>> WeightName.parse("espcn_x2")
        """
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        flavour = match["flavour"] or "faithful"
        return cls(match["step"], int(match["scale"] or 1), match["tier"], flavour)
