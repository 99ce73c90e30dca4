"""Named recipes from the settings, and the fingerprint of a recipe with today's weights."""

from __future__ import annotations

from shopimg import enhancers
from shopimg.conf import settings
from shopimg.contract import BUILT_IN, Network, Recipe, RecipeError


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
    own = {name: Recipe.parse(name, table, networks) for name, table in settings.RECIPES.items()}
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


def fingerprint(recipe: Recipe) -> str:
    """Return the identity of a recipe with those of the installed weights that it may run."""
    return recipe.fingerprint(enhancers.weights_for(recipe))
