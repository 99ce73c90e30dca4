"""Named recipes from the settings, and the fingerprint of a recipe with today's weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from shopimg import contract, enhancers
from shopimg.conf import settings
from shopimg.contract import BUILT_IN, Network, Recipe, RecipeError
from shopimg.presets.keeping import check_kept
from shopimg.presets.markets import get_preset
from shopimg.presets.rules import Preset
from shopimg.presets.target import target_role

_PRESET = "preset"


def all_networks() -> dict[str, Network]:
    """Return every registered network from elsewhere by name.

    Raises:
        RecipeError: an entry in the settings is not valid.
    """
    return {name: Network.parse(name, table) for name, table in settings.NETWORKS.items()}


def all_recipes() -> dict[str, Recipe]:
    """Return every recipe by name.

    Raises:
        RecipeError: a table or a registered network in the settings is not valid.
    """
    networks = all_networks()
    own = {name: parse(name, table, networks) for name, table in settings.RECIPES.items()}
    return {**BUILT_IN, **own}


def get_recipe(name: str) -> Recipe:
    """Return the recipe called ``name``.

    Raises:
        RecipeError: there is none.
    """
    recipes = all_recipes()
    if name not in recipes:
        raise RecipeError(f"There is no recipe {name!r}. Known: {', '.join(sorted(recipes))}.")
    return recipes[name]


def main_role(name: str) -> str:
    """Return the first role of a recipe, which storefronts show; empty where there is no such."""
    try:
        return get_recipe(name).roles[0].name
    except RecipeError:
        return ""


def with_options(recipe: Recipe, options: Mapping[str, Any]) -> Recipe:
    """Return a recipe with some options replaced, of which each role keeps to its market.

    Args:
        recipe: what to change; a market is the one that the settings name for such a role today.
        options: values by the names of ``contract.OPTIONS``.

    Raises:
        RecipeError: an unknown name, one that no step of the recipe has, a wrong value, or one by
            which a role would miss a rule of its market.
    """
    changed = contract.with_options(recipe, options)
    tables = settings.RECIPES.get(recipe.name, {})
    for before, after in zip(recipe.roles, changed.roles, strict=True):
        _, market = _aim(f"{recipe.name}.{after.name}", tables.get(after.name))
        if market:
            check_kept(before, after, get_preset(market), timezone.localdate())
    return changed


def parse(name: str, table: Any, networks: Mapping[str, Network]) -> Recipe:
    """Build a recipe from its settings table, of which a role may aim at a market.

    Args:
        name: the recipe's name.
        table: as ``Recipe.parse`` has it; a role may name its market as ``preset``.
        networks: those from elsewhere that steps may name.

    Raises:
        RecipeError: the table is not valid, or the market does not take what a role makes.
    """
    if not isinstance(table, Mapping):
        return Recipe.parse(name, table, networks)  # says what is wrong
    aims = {role: _aim(f"{name}.{role}", content) for role, content in table.items()}
    recipe = Recipe.parse(name, {role: rest for role, (rest, _) in aims.items()}, networks)
    roles = (
        target_role(role, get_preset(market)) if (market := aims[role.name][1]) else role
        for role in recipe.roles
    )
    return dataclasses.replace(recipe, roles=tuple(roles))


def _aim(where: str, role: Any) -> tuple[Any, str]:
    """Split a role's table into what the contract knows and the name of a market, if any."""
    if not isinstance(role, Mapping) or _PRESET not in role:
        return role, ""
    try:
        preset = get_preset(role[_PRESET])
    except (AttributeError, LookupError) as err:
        raise RecipeError(f"{where}.preset: {err}") from err
    rest = {key: value for key, value in role.items() if key != _PRESET}
    for option in _contradicting(rest, preset):
        raise RecipeError(f"{where}: leave out {option}, which the preset {preset.name!r} sets.")
    return rest, preset.name


def _contradicting(role: Mapping[str, Any], preset: Preset) -> list[str]:
    """Return the options of a role's table that its preset would replace unseen."""
    replaced = {
        "frame": ("width", "height", "ratio", "fill") if preset.target.side else (),
        "backdrop": ("colour",) if preset.target.colour else (),
    }
    steps = [step for step in role.get("steps") or () if isinstance(step, Mapping)]
    return [key for key in ("output",) if key in role] + [
        f"{step['step']}.{option}"
        for step in steps
        for option in replaced.get(step.get("step", ""), ())
        if option in step
    ]


def fingerprint(recipe: Recipe) -> str:
    """Return the identity of a recipe with those of the installed weights that it may run."""
    return recipe.fingerprint(enhancers.weights_for(recipe))
