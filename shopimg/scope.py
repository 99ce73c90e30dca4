"""Who sees which images: ``SHOPIMG["SCOPE"]`` applied to the rows of the admin and the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from django.contrib.contenttypes.models import ContentType
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils.module_loading import import_string

from shopimg import sources
from shopimg.conf import settings
from shopimg.models import BulkRun, EnhancementJob
from shopimg.querysets import key_as_text

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

    User: TypeAlias = AbstractBaseUser | AnonymousUser

Scope: TypeAlias = "Callable[[User, QuerySet[Any]], QuerySet[Any]]"
"""What ``SHOPIMG["SCOPE"]`` names."""

_Rows = TypeVar("_Rows", bound="QuerySet[Any]")


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


def runs_visible_to(user: User, runs: QuerySet[BulkRun]) -> QuerySet[BulkRun]:
    """Narrow bulk runs to a user's own and those with a job that the user may see.

    Returns:
        ``runs`` itself where no scope is set.
    """
    if settings.SCOPE is None:
        return runs
    of_run = visible_to(user, EnhancementJob.objects.filter(bulk_run=OuterRef("pk")))
    return runs.filter(Exists(of_run) | Q(requested_by=user.pk))


def runs_of(user: User, runs: QuerySet[BulkRun]) -> QuerySet[BulkRun]:
    """Narrow bulk runs to a user's own, as others may hold images that the user may not see.

    Returns:
        ``runs`` itself where the scope hides no image of any watched model.
    """
    watched = [source.model._default_manager.all() for source in sources.all_sources()]
    sees_all = all(images_visible_to(user, images) is images for images in watched)
    return runs if sees_all else runs.filter(requested_by=user.pk)


def images_visible_to(user: User, images: QuerySet[Any]) -> QuerySet[Any]:
    """Narrow the images of a watched model to those that a user may see."""
    if settings.SCOPE is None:
        return images
    scope: Scope = import_string(settings.SCOPE)
    return scope(user, images)


def rows_of(images: QuerySet[Any]) -> Q:
    """Match the jobs or variants of the images in a queryset, without fetching them."""
    keys = images.order_by().values_list(key_as_text(images), flat=True)
    return _all_of(images.model) & Q(source_id__in=keys)


def _all_of(model: type[Model]) -> Q:
    return Q(source_type=ContentType.objects.get_for_model(model))
