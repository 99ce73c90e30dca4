"""Operations on the photograph itself, which keep what it shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from shopimg.contract.errors import RecipeError
from shopimg.contract.steps.base import Step
from shopimg.contract.steps.values import check_network, check_strength, is_integer
from shopimg.contract.weights import FLAVOURS, WeightName


@dataclass(frozen=True, slots=True)
class Restore(Step):
    """Remove noise, JPEG artefacts and blur without knowing how strong they are."""

    name: ClassVar[str] = "restore"
    strength: float = 1.0
    """Share of the correction that is applied, 0 (none) to 1 (all)."""
    network: str = ""
    """File name of a foreign checkpoint that replaces ours; needs ``sha256``."""
    sha256: str = ""
    """Digest of that file, 64 hexadecimal digits in lower case."""
    always: bool = False
    """Restore a picture that looks clean too; else it is left as it is. A foreign checkpoint
    always runs."""

    def __post_init__(self) -> None:
        check_strength(self.name, self.strength)
        if not isinstance(self.always, bool):
            raise RecipeError(f"restore.always must be true or false, not {self.always!r}.")
        check_network(self.name, self.network, self.sha256)

    def _may_run(self, weight: WeightName) -> bool:
        if self.strength == 0 or self.network:
            return False
        if weight.step in ("estimate", "blur"):
            return not self.always
        return weight.step == self.name


@dataclass(frozen=True, slots=True)
class Upscale(Step):
    """Enlarge the picture: by a factor, or until its longest side reaches a size."""

    name: ClassVar[str] = "upscale"
    scale: int | None = None
    """Factor, 2, 3 or 4; excludes ``to``."""
    to: int | None = None
    """Longest side in pixels, 16 to 12,000; a larger picture is left as it is."""
    flavour: str = "auto"
    """``photo`` for pictures with mild damage, ``faithful`` to every pixel of others, or ``auto``:
    the worker looks at what is to be enlarged and chooses."""
    strength: float = 1.0
    """Share of the network's detail over plain resampling, 0 (no network) to 1 (all)."""
    network: str = ""
    """File name of a foreign checkpoint that replaces ours; needs ``sha256``."""
    sha256: str = ""
    """Digest of that file, 64 hexadecimal digits in lower case."""

    SCALES: ClassVar[tuple[int, ...]] = (2, 3, 4)
    CHOICES: ClassVar[tuple[str, ...]] = ("auto", *FLAVOURS)

    def __post_init__(self) -> None:
        if (self.scale is None) == (self.to is None):
            raise RecipeError("upscale needs either scale or to.")
        if self.scale is not None and not (is_integer(self.scale) and self.scale in self.SCALES):
            raise RecipeError(f"upscale.scale must be 2, 3 or 4, not {self.scale!r}.")
        if self.to is not None and (not is_integer(self.to) or not 16 <= self.to <= 12_000):
            raise RecipeError(f"upscale.to must be 16 to 12000 pixels, not {self.to!r}.")
        if self.flavour not in self.CHOICES:
            raise RecipeError(
                f"upscale.flavour must be auto, photo or faithful, not {self.flavour!r}."
            )
        check_strength(self.name, self.strength)
        check_network(self.name, self.network, self.sha256)

    def result_size(self, width: int, height: int) -> tuple[int, int]:
        """Tell the size of the result, which every enhancer reaches exactly.

        Args:
            width: pixels.
            height: pixels.

        Returns:
            Width and height in pixels.

        >>> Upscale(to=2000).result_size(1000, 333)
        (2000, 666)
        >>> Upscale(to=2000).result_size(2400, 1200)
        (2400, 1200)
        """
        if self.scale is not None:
            return width * self.scale, height * self.scale
        longest, to = max(width, height), self.to or 0
        if longest >= to:
            return width, height
        return max(1, round(width * to / longest)), max(1, round(height * to / longest))

    def _may_run(self, weight: WeightName) -> bool:
        """Count faithful as well: it draws text, and takes the place of a missing flavour.

        After a foreign checkpoint, whose scale only the worker knows, faithful draws text too.
        For ``auto`` the estimator tells which flavour runs.
        """
        if self.strength == 0:
            return False
        if weight.step == "estimate":
            return self.flavour == "auto" and not self.network
        if weight.step != self.name:
            return False
        if self.network:
            return weight.flavour == "faithful"
        scales = (self.scale,) if self.scale else self.SCALES
        flavours = FLAVOURS if self.flavour == "auto" else (self.flavour, "faithful")
        return weight.scale in scales and weight.flavour in flavours
