"""Recipes: named tables of roles, each a list of steps with checked options."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from shopimg.contract.errors import RecipeError

_T = TypeVar("_T")


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, float) or _is_integer(value)


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a recipe; subclasses validate their options on construction."""

    name: ClassVar[str] = ""

    def options(self) -> dict[str, Any]:
        """Return the options as JSON-serialisable values."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class Restore(Step):
    """Remove noise and JPEG artefacts without knowing how strong they are."""

    name: ClassVar[str] = "restore"
    strength: float = 1.0
    """Share of the correction that is applied, 0 (none) to 1 (all)."""

    def __post_init__(self) -> None:
        if not _is_number(self.strength) or not 0 <= self.strength <= 1:
            raise RecipeError(f"restore.strength must be between 0 and 1, not {self.strength!r}.")


@dataclass(frozen=True, slots=True)
class Upscale(Step):
    """Enlarge the picture: by a factor, or until its longest side reaches a size."""

    name: ClassVar[str] = "upscale"
    scale: int | None = None
    """Factor, 2 or 4; excludes ``to``."""
    to: int | None = None
    """Longest side in pixels, 16 to 12,000; a larger picture is left as it is."""

    SCALES: ClassVar[tuple[int, ...]] = (2, 4)

    def __post_init__(self) -> None:
        if (self.scale is None) == (self.to is None):
            raise RecipeError("upscale needs either scale or to.")
        if self.scale is not None and self.scale not in self.SCALES:
            raise RecipeError(f"upscale.scale must be 2 or 4, not {self.scale!r}.")
        if self.to is not None and (not _is_integer(self.to) or not 16 <= self.to <= 12_000):
            raise RecipeError(f"upscale.to must be 16 to 12000 pixels, not {self.to!r}.")


STEP_TYPES: Mapping[str, type[Step]] = {step.name: step for step in (Restore, Upscale)}
"""Every operation a recipe may name."""

MIME_TYPES: Mapping[str, str] = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "avif": "image/avif",
}
"""Output formats and their media types."""


@dataclass(frozen=True, slots=True)
class Output:
    """How the result of a role is written."""

    format: str = "jpeg"
    """One of ``MIME_TYPES``; a picture with transparency becomes WebP instead of JPEG."""
    quality: int = 92
    """Encoder quality, 1 to 100; ignored for PNG."""

    def __post_init__(self) -> None:
        if self.format not in MIME_TYPES:
            raise RecipeError(f"output.format must be one of {', '.join(MIME_TYPES)}.")
        if not _is_integer(self.quality) or not 1 <= self.quality <= 100:
            raise RecipeError(f"output.quality must be 1 to 100, not {self.quality!r}.")


@dataclass(frozen=True, slots=True)
class Role:
    """One output of a recipe: its steps in order, and how the result is written."""

    name: str
    steps: tuple[Step, ...]
    output: Output = Output()


@dataclass(frozen=True, slots=True)
class Recipe:
    """A named table of roles."""

    name: str
    roles: tuple[Role, ...]

    @classmethod
    def parse(cls, name: str, table: Mapping[str, Any]) -> Recipe:
        """Build a recipe from its settings table.

        Args:
            name: the recipe's name.
            table: role name -> ``{"steps": [{"step": "restore", "strength": 0.8}, ...],
                "output": {"format": "jpeg", "quality": 92}}``; ``output`` may be left out.

        Raises:
            RecipeError: an unknown step, option or value; the message names it.

        >>> recipe = Recipe.parse("clean", {"main": {"steps": [{"step": "upscale", "scale": 2}]}})
        >>> recipe.roles[0].steps
        (Upscale(scale=2, to=None),)
        """
        if not isinstance(table, Mapping) or not table:
            raise RecipeError(f"Recipe {name!r} needs at least one role.")
        return cls(name, tuple(_parse_role(name, role, table[role]) for role in table))

    def to_table(self) -> dict[str, Any]:
        """Return the table that ``parse`` reads, with every option written out."""
        return {
            role.name: {
                "steps": [{"step": step.name, **step.options()} for step in role.steps],
                "output": dataclasses.asdict(role.output),
            }
            for role in self.roles
        }

    def step_names(self) -> frozenset[str]:
        """Names of the steps that any role uses."""
        return frozenset(step.name for role in self.roles for step in role.steps)

    def fingerprint(self, weights: Mapping[str, str]) -> str:
        """Identity of the recipe's steps, their options and the weights behind them.

        Args:
            weights: weight name -> sha256 of every file that the steps use.

        Returns:
            64 hexadecimal digits; the recipe's own name does not count.
        """
        content = {"roles": self.to_table(), "weights": dict(weights)}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _parse_role(recipe: str, name: str, table: Any) -> Role:
    if not isinstance(table, Mapping) or not table.get("steps"):
        raise RecipeError(f"Role {name!r} of recipe {recipe!r} needs a list of steps.")
    unknown = set(table) - {"steps", "output"}
    if unknown:
        raise RecipeError(f"Role {name!r} of recipe {recipe!r} has unknown keys {sorted(unknown)}.")
    where = f"{recipe}.{name}"
    steps = tuple(_parse_step(where, step) for step in table["steps"])
    return Role(name, steps, _construct(Output, table.get("output", {}), f"{where}.output"))


def _parse_step(where: str, table: Any) -> Step:
    if not isinstance(table, Mapping) or table.get("step") not in STEP_TYPES:
        raise RecipeError(f"{where}: {table!r} is not one of the steps {', '.join(STEP_TYPES)}.")
    options = {key: value for key, value in table.items() if key != "step"}
    return _construct(STEP_TYPES[table["step"]], options, f"{where}.{table['step']}")


def _construct(cls: type[_T], options: Mapping[str, Any], where: str) -> _T:
    try:
        return cls(**options)
    except TypeError as err:
        raise RecipeError(f"{where}: {err}") from err


CLEAN = Recipe(
    "clean",
    (Role("main", (Restore(), Upscale(scale=2))),),
)
"""The recipe that is always there: remove noise and artefacts, then double the size."""
