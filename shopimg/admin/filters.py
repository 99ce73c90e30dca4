"""Filters of the queue and of the job list; none of them asks the database for its choices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from shopimg import contract, recipes, sources
from shopimg.states import JobState, ReviewState

ALL = "all"
"""Value of the state filter that hides nothing."""

QUEUE_LOOKUPS: Mapping[str, str] = {
    "role": "role",
    "recipe": "job__recipe",
    "model": "source_type",
}
"""Filters of the queue that the review page keeps: name in the address -> lookup."""


def narrow(variants: QuerySet[Any], parameters: Mapping[str, str], prefix: str = "") -> Any:
    """Apply the filters that the queue and the review page share.

    Args:
        variants: what to narrow.
        parameters: those of the address; unknown names and values are ignored.
        prefix: path from the rows to the variant, such as ``variant__``.
    """
    for name, value in kept(parameters).items():
        variants = variants.filter(**{prefix + QUEUE_LOOKUPS[name]: value})
    return variants


def kept(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that the review page passes on."""
    choices = {"role": _role_names, "recipe": _recipe_names, "model": _model_names}
    return {
        name: parameters[name]
        for name, known in choices.items()
        if parameters.get(name) in dict(known())
    }


class ChoiceFilter(admin.SimpleListFilter):
    """One column, known values."""

    lookup: ClassVar[str]

    def has_output(self) -> bool:
        """Hide a filter that has nothing to choose from."""
        return len(self.lookup_choices) > 1

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows with the chosen value; an unknown one hides nothing."""
        if self.value() not in {str(value) for value, _label in self.lookup_choices}:
            return queryset
        return queryset.filter(**{self.lookup: self.value()})


class RecipeFilter(ChoiceFilter):
    """By recipe, as the settings name them today."""

    title = _("recipe")
    parameter_name = "recipe"
    lookup = "recipe"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        """Return the recipes."""
        return _recipe_names()


class VariantRecipeFilter(RecipeFilter):
    """By the recipe of the job behind a variant."""

    lookup = QUEUE_LOOKUPS["recipe"]


class RoleFilter(ChoiceFilter):
    """By role, as the recipes name them today."""

    title = _("role")
    parameter_name = "role"
    lookup = QUEUE_LOOKUPS["role"]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        """Return the roles of all recipes."""
        return _role_names()


class ModelFilter(ChoiceFilter):
    """By watched model."""

    title = _("kind of photo")
    parameter_name = "model"
    lookup = QUEUE_LOOKUPS["model"]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        """Return the watched models."""
        return _model_names()


class ErrorFilter(ChoiceFilter):
    """By error code."""

    title = _("error")
    parameter_name = "error"
    lookup = "error_code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        """Return the codes of the contract."""
        errors = [getattr(contract, name) for name in contract.__all__ if name.endswith("Error")]
        return sorted({(error.code, error.code) for error in errors})


class JobStateFilter(ChoiceFilter):
    """By state of the job."""

    title = _("state")
    parameter_name = "state"
    lookup = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        """Return the states."""
        return JobState.choices


class ReviewStateFilter(admin.SimpleListFilter):
    """By state of the variant: what waits for review unless another one is asked for."""

    title = _("state")
    parameter_name = "state"
    template = "shopimg/admin/filter_shown_as_tabs.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        """Return the states."""
        return [*ReviewState.choices, (ALL, _("All"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows in the chosen state."""
        state = chosen_state({"state": self.value() or ""})
        return queryset if state == ALL else queryset.filter(state=state)


def chosen_state(parameters: Mapping[str, str]) -> str:
    """Return the state whose rows the queue shows, or ``ALL``."""
    asked = parameters.get("state", "")
    return asked if asked in {*ReviewState.values, ALL} else ReviewState.AWAITING_REVIEW


def _recipe_names() -> list[tuple[str, str]]:
    return [(name, name) for name in sorted(recipes.all_recipes())]


def _role_names() -> list[tuple[str, str]]:
    names = {role.name for recipe in recipes.all_recipes().values() for role in recipe.roles}
    return [(name, name) for name in sorted(names)]


def _model_names() -> list[tuple[str, Any]]:
    return [
        (
            str(ContentType.objects.get_for_model(source.model).pk),
            capfirst(source.model._meta.verbose_name_plural),
        )
        for source in sources.all_sources()
    ]
