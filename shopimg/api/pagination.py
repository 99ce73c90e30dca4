"""Cursor pagination: constant work per page, and no row twice while rows are added."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.signing import BadSignature, Signer
from django.utils.encoding import force_str
from rest_framework.exceptions import ValidationError
from rest_framework.filters import OrderingFilter
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView


class Pages(CursorPagination):
    """Pages of 25, at most 100."""

    page_size = 25
    page_size_query_param = "limit"
    max_page_size = 100
    cursor_query_param = "cursor"
    request: Request
    """Of the page at hand; Django REST framework sets it."""

    def get_page_size(self, request: Request) -> int:
        """Return how many rows a page has.

        Raises:
            ValidationError: what the request names is no number, or below 1.
        """
        asked = request.query_params.get(self.page_size_query_param)
        if asked is None:
            return self.page_size
        if not (asked.isascii() and asked.isdecimal() and int(asked[:9])):
            raise ValidationError({self.page_size_query_param: "A number from 1 on."})
        return min(int(asked[:9]), self.max_page_size)

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Read the position of a page; it is signed, as it goes into a query as it is.

        Raises:
            BadSignature: this list has not given it out.
        """
        encoded = request.query_params.get(self.cursor_query_param)
        return None if encoded is None else Cursor(*self._signer().unsign_object(encoded))

    def encode_cursor(self, cursor: Cursor) -> str:
        """Return the address of the page that starts at a position."""
        encoded = self._signer().sign_object(list(cursor))
        return replace_query_param(self.base_url or "", self.cursor_query_param, encoded)

    def paginate_queryset(
        self, queryset: Any, request: Request, view: APIView | None = None
    ) -> list[Any] | None:
        """Return one page.

        Raises:
            ValidationError: the cursor was not made by this list.
        """
        try:
            return super().paginate_queryset(queryset, request, view)
        except (BadSignature, DjangoValidationError, ValueError, TypeError) as err:
            # A host that changes a key's type leaves positions that its column cannot hold.
            raise ValidationError({"cursor": "Invalid cursor."}, "invalid_cursor") from err

    def _signer(self) -> Signer:
        """Sign for one list in one order: in another one, a position is somewhere else."""
        return Signer(salt=f"shopimg.api.pagination {self.request.path} {self.ordering}")


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
