"""What every operation that a recipe may name has in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from shopimg.contract.weights import WeightName


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a recipe; subclasses validate their options on construction."""

    name: ClassVar[str] = ""

    def options(self) -> dict[str, Any]:
        """Return the options as JSON-serialisable values."""
        return dataclasses.asdict(self)

    def result_size(self, width: int, height: int) -> tuple[int, int]:
        """Tell the size of the result, which every enhancer reaches exactly.

        Args:
            width: of the picture, pixels.
            height: likewise.

        Returns:
            Width and height in pixels; by default those of the picture.
        """
        return width, height

    def weights(self, shipped: Iterable[str]) -> frozenset[str]:
        """Tell which weights the step may run, whatever the picture and the machine.

        Args:
            shipped: names of the weights that are there.
        """
        parsed = {name: WeightName.parse(name) for name in shipped}
        return frozenset(name for name, parts in parsed.items() if parts and self._may_run(parts))

    def _may_run(self, weight: WeightName) -> bool:
        return weight.step == self.name
