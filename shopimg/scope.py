"""Who sees which images: ``SHOPIMG["SCOPE"]`` applied to the rows of the admin and the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from django.contrib.contenttypes.models import ContentType
from django.db import connections
from django.db.models import CharField, Field, Model, Q, QuerySet, UUIDField, Value
from django.db.models.functions import Cast, Concat, Substr
from django.utils.module_loading import import_string

from shopimg import sources
from shopimg.conf import settings

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

    User: TypeAlias = AbstractBaseUser | AnonymousUser

Scope: TypeAlias = "Callable[[User, QuerySet[Any]], QuerySet[Any]]"
"""What ``SHOPIMG["SCOPE"]`` names."""

_Rows = TypeVar("_Rows", bound="QuerySet[Any]")

# First character (from 1) and length of the groups of a UUID in hexadecimal.
_UUID_GROUPS = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))


def visible_to(user: User, rows: _Rows) -> _Rows:
    """Narrow jobs or variants to the images that a user may see.

    A function that returns the very queryset it was given leaves all rows of that model visible,
    also those of deleted images; rows of models that are not watched are hidden from everybody.

    Args:
        user: whose view it is; superusers are treated like everybody else.
        rows: a queryset of ``EnhancementJob`` or ``EnhancedVariant``.

    Returns:
        ``rows`` itself where no scope is set.
    """
    if settings.SCOPE is None:
        return rows
    match = Q(pk__in=[])
    for source in sources.all_sources():
        images = source.model._default_manager.all()
        narrowed = images_visible_to(user, images)
        match |= _all_of(source.model) if narrowed is images else rows_of(narrowed)
    return rows.filter(match)


def images_visible_to(user: User, images: QuerySet[Any]) -> QuerySet[Any]:
    """Narrow the images of a watched model to those that a user may see."""
    if settings.SCOPE is None:
        return images
    scope: Scope = import_string(settings.SCOPE)
    return scope(user, images)


def rows_of(images: QuerySet[Any]) -> Q:
    """Match the jobs or variants of the images in a queryset, without fetching them."""
    keys = images.order_by().values_list(_key_as_text(images), flat=True)
    return _all_of(images.model) & Q(source_id__in=keys)


def _all_of(model: type[Model]) -> Q:
    return Q(source_type=ContentType.objects.get_for_model(model))


def hyphenated(digits: Any) -> Concat:
    """Write 32 hexadecimal digits in SQL as ``str(uuid)`` does in Python.

    Args:
        digits: a text expression.
    """
    first, *others = (Substr(digits, start, length) for start, length in _UUID_GROUPS)
    return Concat(first, *(part for group in others for part in (Value("-"), group)))


def _key_as_text(images: QuerySet[Any]) -> Any:
    """Write primary keys in SQL as ``str(instance.pk)`` does in Python."""
    text = Cast("pk", CharField())
    native = connections[images.db].features.has_native_uuid_field
    is_uuid = isinstance(_key_field(images.model), UUIDField)
    return hyphenated(text) if is_uuid and not native else text


def _key_field(model: type[Model]) -> Field[Any, Any]:
    field: Any = model._meta.pk
    while field.remote_field is not None:  # a child of another model shares its parent's key
        field = field.target_field
    return field  # type: ignore[no-any-return]
