"""What all admin pages of shopimg have in common: rows are looked at, services change them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.contrib import admin
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from shopimg.scope import visible_to

_Row = TypeVar("_Row", bound=Model)

if TYPE_CHECKING:

    class _Admin(admin.ModelAdmin[_Row]):
        """``ModelAdmin`` has a type parameter for type checkers only."""

else:

    class _Admin(admin.ModelAdmin):
        def __class_getitem__(cls, _: Any) -> type:
            return cls


class ReadOnlyAdmin(_Admin[_Row]):
    """Pages without forms: nothing is added, edited or deleted by hand."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: workers make rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: services change rows."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: rows are history."""
        return False


class ScopedAdmin(ReadOnlyAdmin[_Row]):
    """Pages of rows that belong to images: narrowed to the images that the user may see."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[_Row]:
        """Return what the user may see."""
        return visible_to(request.user, super().get_queryset(request))


def person(request: HttpRequest) -> AbstractBaseUser:
    """Return who is signed in; every page of the admin has made sure that somebody is."""
    return cast("AbstractBaseUser", request.user)
