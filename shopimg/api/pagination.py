"""Cursor pagination: constant work per page, and no row twice while rows are added."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.utils.encoding import force_str
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.filters import OrderingFilter
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView


class Pages(CursorPagination):
    """Pages of 25, at most 100."""

    page_size = 25
    page_size_query_param = "limit"
    max_page_size = 100
    cursor_query_param = "cursor"

    def paginate_queryset(
        self, queryset: Any, request: Request, view: APIView | None = None
    ) -> list[Any] | None:
        """Return one page.

        Raises:
            ValidationError: the cursor was not made by this list.
        """
        try:
            return super().paginate_queryset(queryset, request, view)
        except (NotFound, DjangoValidationError, ValueError, TypeError) as err:
            # NotFound is what a cursor that cannot be decoded gives, the others are positions
            # that the ordered column cannot hold.
            raise ValidationError({"cursor": "Invalid cursor."}, "invalid_cursor") from err


class ByKey(Pages):
    """In the order of primary keys."""

    ordering = ("pk",)


class NewestFirst(Pages):
    """Newest first, unless the request says otherwise."""

    ordering = ("-created_at", "id")


class Ordering(OrderingFilter):
    """``?ordering=-created_at``, always with the key as the last word, so that pages never jump."""

    ordering_param = "ordering"

    def get_ordering(self, request: Request, queryset: Any, view: APIView) -> tuple[str, ...]:
        """Return the fields to order by.

        Raises:
            ValidationError: the list cannot be ordered by one of them.
        """
        asked = request.query_params.get(self.ordering_param, "")
        terms = [term.strip() for term in asked.split(",") if term.strip()]
        allowed: tuple[str, ...] = getattr(view, "ordering_fields", ())
        unknown = [term for term in terms if term.removeprefix("-") not in allowed]
        if unknown:
            known = ", ".join(allowed)
            message = f"{force_str(unknown[0])!r} is not one of: {known}."
            raise ValidationError({self.ordering_param: message})
        return (*terms, "id") if terms else NewestFirst.ordering
