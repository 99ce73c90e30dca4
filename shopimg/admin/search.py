"""Search of the photos' own words, which no join reaches: photos are of several models."""

from __future__ import annotations

from typing import TypeVar

from django.core.exceptions import FieldDoesNotExist
from django.db.models import CharField, Model, Q, QuerySet, TextField
from django.http import HttpRequest

from shopimg import sources
from shopimg.admin.readonly import ScopedAdmin
from shopimg.scope import rows_of

_Row = TypeVar("_Row", bound=Model)


class SearchesPhotos(ScopedAdmin[_Row]):
    """Lists of rows that belong to images, whose search finds the photos' own words as well."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[_Row], search_term: str
    ) -> tuple[QuerySet[_Row], bool]:
        """Add the rows of photos that are described by the words."""
        found, duplicates = super().get_search_results(request, queryset, search_term)
        if search_term:
            found = found | queryset.filter(matching(search_term))
        return found, duplicates


def matching(words: str) -> Q:
    """Match rows of photos whose alternative text holds all the words.

    Args:
        words: what was typed into the search box.
    """
    match = Q(pk__in=[])
    for source in sources.all_sources():
        if _is_text(source):
            conditions = Q()
            for word in words.split():
                conditions &= Q(**{f"{source.alt}__icontains": word})
            match |= rows_of(source.model._default_manager.filter(conditions))
    return match


def _is_text(source: sources.Source) -> bool:
    """Tell whether the text is a column; it may be a property of the host's model."""
    try:
        return isinstance(source.model._meta.get_field(source.alt), CharField | TextField)
    except FieldDoesNotExist:
        return False
