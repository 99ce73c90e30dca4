"""Recipes: named tables of roles, each a list of steps and a way to write the result."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from shopimg.contract.errors import RecipeError
from shopimg.contract.networks import Network
from shopimg.contract.steps import STEP_TYPES, Backdrop, Cutout, Step
from shopimg.contract.steps.values import check_integer

_T = TypeVar("_T")
_ROLE = '{"steps": [{"step": "restore"}, ...]}'
MOST_CANDIDATES = 8

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
        if type(self.quality) is not int or not 1 <= self.quality <= 100:
            raise RecipeError(f"output.quality must be 1 to 100, not {self.quality!r}.")


@dataclass(frozen=True, slots=True)
class Role:
    """One output of a recipe: its steps in order, and how the result is written."""

    name: str
    steps: tuple[Step, ...]
    output: Output = Output()
    candidates: int = 1
    """How many versions are made for somebody to choose from, 1 to 8; they differ in the seed of
    their backdrop."""

    def __post_init__(self) -> None:
        where = f"Role {self.name!r}: candidates"
        check_integer(where, self.candidates, 1, MOST_CANDIDATES)
        scenic = any(isinstance(step, Backdrop) for step in self.steps)
        if self.candidates > 1 and not scenic:
            raise RecipeError(f"{where} need a backdrop: all would be the same.")
        _check_order(self.name, self.steps)

    def steps_of(self, candidate: int) -> tuple[Step, ...]:
        """Return the steps that make one of the candidates.

        Args:
            candidate: number, from 0.
        """
        return tuple(
            step.candidate(candidate) if isinstance(step, Backdrop) else step for step in self.steps
        )

    def result_size(self, width: int, height: int) -> tuple[int, int]:
        """Tell the size of the result without making it.

        Args:
            width: pixels of the upright upload.
            height: likewise.

        >>> from shopimg.contract.steps import Restore, Upscale
        >>> Role("main", (Restore(), Upscale(scale=3))).result_size(400, 300)
        (1200, 900)
        """
        for step in self.steps:
            width, height = step.result_size(width, height)
        return width, height


@dataclass(frozen=True, slots=True)
class Recipe:
    """A named table of roles."""

    name: str
    roles: tuple[Role, ...]

    @classmethod
    def parse(
        cls, name: str, table: Mapping[str, Any], networks: Mapping[str, Network] | None = None
    ) -> Recipe:
        """Build a recipe from its settings table.

        Args:
            name: the recipe's name.
            table: role name -> ``{"steps": [{"step": "restore", "strength": 0.8}, ...],
                "output": {"format": "jpeg", "quality": 92}, "candidates": 3}``; ``output`` and
                ``candidates`` may be left out.
            networks: those from elsewhere that steps may name without a digest.

        Raises:
            RecipeError: an unknown step, option, network or value; the message names it.

        >>> recipe = Recipe.parse("clean", {"main": {"steps": [{"step": "upscale", "scale": 2}]}})
        >>> recipe.roles[0].steps[0].result_size(400, 300)
        (800, 600)
        """
        try:
            return cls(name, _parse_roles(table, networks or {}))
        except RecipeError as err:
            raise RecipeError(f"Recipe {name!r}: {err.public_message}") from err

    def to_table(self) -> dict[str, Any]:
        """Return the table that ``parse`` reads, with every option written out."""
        return {
            role.name: {
                "steps": [{"step": step.name, **step.options()} for step in role.steps],
                "output": dataclasses.asdict(role.output),
                # Only where it says something: fingerprints of older recipes stay what they are.
                **({"candidates": role.candidates} if role.candidates > 1 else {}),
            }
            for role in self.roles
        }

    def weights(self, shipped: Iterable[str]) -> frozenset[str]:
        """Tell which weights the steps may run, whatever the picture and the machine.

        Args:
            shipped: names of the weights that are there.
        """
        names = frozenset(shipped)
        steps = (step for role in self.roles for step in role.steps)
        return frozenset[str]().union(*(step.weights(names) for step in steps))

    @property
    def masks(self) -> frozenset[str]:
        """Digests of the corrected masks that its steps name."""
        steps = (step for role in self.roles for step in role.steps)
        return frozenset(step.mask for step in steps if isinstance(step, Cutout) and step.mask)

    def fingerprint(self, weights: Mapping[str, str]) -> str:
        """Identity of the recipe's steps, their options and the weights behind them.

        Args:
            weights: weight name -> digest of its files, for all that the steps may use.

        Returns:
            64 hexadecimal digits; the recipe's own name does not count.
        """
        content = {"roles": self.to_table(), "weights": dict(weights)}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _check_order(role: str, steps: Sequence[Step]) -> None:
    """What follows a backdrop would change the product, and what is not cut out would hide it."""
    kinds = [type(step) for step in steps]
    if Backdrop not in kinds:
        return
    if kinds.index(Backdrop) != len(kinds) - 1:
        raise RecipeError(f"Role {role!r}: nothing can follow the backdrop.")
    if Cutout not in kinds:
        raise RecipeError(f"Role {role!r}: a backdrop needs a cutout before it.")


def _parse_roles(table: Any, networks: Mapping[str, Network]) -> tuple[Role, ...]:
    if not isinstance(table, Mapping) or not table:
        raise RecipeError(f'it is a table of roles, {{"main": {_ROLE}}}, not {table!r}.')
    return tuple(_parse_role(role, table[role], networks) for role in table)


def _parse_role(name: str, table: Any, networks: Mapping[str, Network]) -> Role:
    if not isinstance(table, Mapping) or not table.get("steps"):
        raise RecipeError(f"role {name!r} is a table with a list of steps, {_ROLE}.")
    unknown = set(table) - {"steps", "output", "candidates"}
    if unknown:
        raise RecipeError(f"role {name!r} has unknown keys {sorted(unknown)}.")
    steps = tuple(_parse_step(name, step, networks) for step in table["steps"])
    output = _construct(Output, table.get("output", {}), f"{name}.output")
    return Role(name, steps, output, table.get("candidates", 1))


def _parse_step(where: str, table: Any, networks: Mapping[str, Network]) -> Step:
    if not isinstance(table, Mapping) or table.get("step") not in STEP_TYPES:
        raise RecipeError(f"{where}: {table!r} is not one of the steps {', '.join(STEP_TYPES)}.")
    where = f"{where}.{table['step']}"
    options = {key: value for key, value in table.items() if key != "step"}
    if options.get("network") and not options.get("sha256"):
        options |= _registered(f"{where}.network", options["network"], networks)
    return _construct(STEP_TYPES[table["step"]], options, where)


def _registered(where: str, name: object, networks: Mapping[str, Network]) -> dict[str, str]:
    """Options of a step that names a network without its digest: from here on it names the file.

    So a job keeps to the file that its recipe meant, whatever the shop registers later, and a
    new file under an old name is a new recipe.
    """
    if not isinstance(name, str) or name not in networks:
        known = f"known are {', '.join(sorted(networks))}" if networks else "there are none"
        raise RecipeError(
            f"{where}: {name!r} is no registered network ({known}), and a file needs its sha256."
        )
    return {"network": networks[name].file, "sha256": networks[name].sha256}


def _construct(cls: type[_T], options: Mapping[str, Any], where: str) -> _T:
    if not isinstance(options, Mapping) or not all(isinstance(name, str) for name in options):
        raise RecipeError(f"{where} is a table of options, not {options!r}.")
    known = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    if unknown := sorted(set(options) - set(known)):
        raise RecipeError(f"{where} has no {', '.join(unknown)}; there are {', '.join(known)}.")
    try:
        return cls(**options)
    except TypeError as err:
        raise RecipeError(f"{where}: {err}") from err
