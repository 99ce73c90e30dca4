"""The options of a recipe that callers may choose, by the names that the API gives them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shopimg.contract.errors import RecipeError
from shopimg.contract.recipe import Recipe, Role
from shopimg.contract.steps import Backdrop, Cutout, Frame, Step

_LIGHTING = frozenset({"light_direction", "light_size", "shadow_mode", "shadow_opacity"})
_SIZE = re.compile(r"(\d{1,5})(?:x(\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that a caller may choose."""

    step: type[Step]
    """The step that it belongs to; a recipe without one has no such option."""
    read: Callable[[Any], Mapping[str, Any]]
    """Makes fields of the step out of the value; raises ``RecipeError``."""


def _field(name: str) -> Callable[[Any], Mapping[str, Any]]:
    return lambda value: {name: value}


def _one_style(value: object) -> Mapping[str, Any]:
    return {"style": value, "further_styles": ()}


def _output_size(value: object) -> Mapping[str, Any]:
    match = _SIZE.fullmatch(str(value)) if isinstance(value, str | int) else None
    if match is None:
        raise RecipeError(f"output_size must be pixels such as 2000 or 1600x2000, not {value!r}.")
    return {"width": int(match[1]), "height": int(match[2] or match[1]), "ratio": ""}


OPTIONS: Mapping[str, Option] = {
    "background.style": Option(Backdrop, _one_style),
    "background.palette": Option(Backdrop, _field("palette")),
    "background.colour": Option(Backdrop, _field("colour")),
    "background.seed": Option(Backdrop, _field("seed")),
    "background.horizon": Option(Backdrop, _field("horizon")),
    "light.direction": Option(Backdrop, _field("light_direction")),
    "light.size": Option(Backdrop, _field("light_size")),
    "shadow.mode": Option(Backdrop, _field("shadow_mode")),
    "shadow.opacity": Option(Backdrop, _field("shadow_opacity")),
    "padding": Option(Frame, lambda value: {"padding": value, "margins": ()}),
    "output_size": Option(Frame, _output_size),
    "mask": Option(Cutout, _field("mask")),
}
"""Every option by its name."""


def with_options(recipe: Recipe, options: Mapping[str, Any]) -> Recipe:
    """Return a recipe with some options of its steps replaced.

    Options of the generated backdrop leave a backdrop of one colour alone, as ``white`` has one
    beside the scenes of ``catalogue``. Where there are no scenes, light and shadow are its own.

    Args:
        recipe: what to change.
        options: values by the names of ``OPTIONS``.

    Raises:
        RecipeError: an unknown name, one that no step of the recipe has, or a wrong value.

    >>> from shopimg.contract.builtin import SCENE
    >>> changed = with_options(SCENE, {"background.seed": 7, "output_size": "1600x2000"})
    >>> changed.roles[0].steps[-1].seed, changed.roles[0].result_size(400, 300)
    (7, (1600, 2000))
    """
    for name, value in options.items():
        recipe = _with_option(recipe, name, value)
    return recipe


def _with_option(recipe: Recipe, name: str, value: object) -> Recipe:
    if name not in OPTIONS:
        raise RecipeError(f"There is no option {name!r}. Known: {', '.join(OPTIONS)}.")
    option = OPTIONS[name]
    fields = option.read(value)
    steps = [step for role in recipe.roles for step in role.steps]
    scenes = [step for step in steps if isinstance(step, Backdrop) and not step.is_plain]
    is_plain = set(fields) == {"colour"} or (not scenes and set(fields) <= _LIGHTING)
    roles = tuple(_changed(role, option.step, fields, is_plain=is_plain) for role in recipe.roles)
    if all(new is old for new, old in zip(roles, recipe.roles, strict=True)):
        raise RecipeError(f"The recipe {recipe.name!r} has no option {name!r}.")
    return dataclasses.replace(recipe, roles=roles)


def _changed(role: Role, kind: type[Step], fields: Mapping[str, Any], *, is_plain: bool) -> Role:
    """Replace fields of the steps of a kind; of backdrops only the plain ones, or the others."""
    takes = [
        isinstance(step, kind) and (not isinstance(step, Backdrop) or step.is_plain == is_plain)
        for step in role.steps
    ]
    if not any(takes):
        return role
    steps = tuple(
        dataclasses.replace(step, **fields) if taken else step
        for step, taken in zip(role.steps, takes, strict=True)
    )
    return dataclasses.replace(role, steps=steps)
