"""Bulk selections under a scope: nobody runs the images of somebody else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rest_framework.exceptions import NotFound, ValidationError

from shopimg import keys, sources
from shopimg.scope import images_visible_to
from shopimg.services import bulk
from shopimg.services.bulk import Selection

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

MAX_IMAGES = 10_000
"""Most images of a scoped run: it keeps the keys of all of them."""


def scoped(user: AbstractBaseUser, selection: Selection) -> Selection:
    """Narrow a selection to what a user may see, as of now.

    Args:
        user: who asks.
        selection: what was asked for, already checked.

    Returns:
        The selection itself for users whose scope is everything; otherwise one that names the
        images, so that nothing is added to it later.

    Raises:
        NotFound: an image that was named does not exist, or is none of the user's business.
        ValidationError: the images are too many, or of several models.
    """
    watched = sources.chosen(selection.model)
    if selection.ids:
        return _named(user, watched[0], selection)
    if all(_sees_everything(user, source) for source in watched):
        return selection
    if selection.model is None:
        raise ValidationError({"model": "Name the model: you see only some of the images."})
    return replace(selection, ids=_visible(user, watched[0], selection))


def _named(user: AbstractBaseUser, source: sources.Source, selection: Selection) -> Selection:
    try:
        asked = {keys.parse(source.model, text) for text in selection.ids}
    except ValueError as err:
        raise ValidationError({"ids": str(err)}) from err
    images = images_visible_to(user, source.model._default_manager.all())
    if images.filter(pk__in=asked).values("pk").distinct().count() < len(asked):
        raise NotFound("There is no such image.")
    return selection


def _visible(
    user: AbstractBaseUser, source: sources.Source, selection: Selection
) -> tuple[str, ...]:
    """Return the keys of the visible images that a selection holds, never none."""
    seen = images_visible_to(user, source.model._default_manager.all()).order_by()
    keys = bulk.images(source, selection).filter(pk__in=seen.values("pk"))
    size = MAX_IMAGES + 1 if selection.limit is None else min(selection.limit, MAX_IMAGES + 1)
    found: list[Any] = list(keys.values_list("pk", flat=True)[:size])
    if len(found) > MAX_IMAGES:
        message = f"These are more than {MAX_IMAGES} images: name some of them."
        raise ValidationError({"ids": message})
    # Without any key, a selection is about all images. One that the selection leaves out will do.
    found = found or list(seen.values_list("pk", flat=True)[:1])
    if not found:
        raise NotFound("There is no such image.")
    return tuple(map(str, found))


def _sees_everything(user: AbstractBaseUser, source: sources.Source) -> bool:
    images = source.model._default_manager.all()
    return images_visible_to(user, images) is images
