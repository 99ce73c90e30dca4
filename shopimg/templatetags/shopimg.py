"""Template tags for storefronts: one picture, all roles of an image, the pictures of a list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import template
from django.conf import settings
from django.db.models import Model
from django.forms.utils import flatatt

from shopimg.services import pictures

register = template.Library()


@register.inclusion_tag("shopimg/picture.html")
def product_picture(
    image: Model | None,
    role: str | None = None,
    sizes: str = "100vw",
    alt: str | None = None,
    **attributes: Any,
) -> dict[str, Any]:
    """Show what is published for an image, else the original.

    Args:
        image: a row of a watched model; nothing is shown for None.
        role: role of the recipe; by default the first of the watched model's recipe, else the one
            that was published last.
        sizes: how wide the picture is laid out, as in HTML.
        alt: text for people who cannot see the picture; the host's own by default.
        attributes: further attributes of ``<img>``, such as ``class`` and ``loading``.

    Raises:
        TemplateSyntaxError: it is given something else than a row, or, where ``DEBUG`` is on, a
            role that does not exist.
    """
    if not image:
        return {"picture": None}
    _refuse_mistakes(image, role)
    picture = pictures.picture_of(image, role)
    return {
        "picture": picture,
        "sizes": sizes,
        "alt": picture.alt if alt is None else alt,
        "attributes": flatatt({"loading": "lazy", "decoding": "async", **attributes}),
    }


def _refuse_mistakes(image: object, role: str | None) -> None:
    if not isinstance(image, Model):
        message = f"product_picture takes a row of a watched model, not {image!r}"
        raise template.TemplateSyntaxError(message)
    if settings.DEBUG:  # shoppers get the original, and no query more
        try:
            pictures.check_role(role)
        except LookupError as err:
            raise template.TemplateSyntaxError(str(err)) from err


@register.simple_tag
def product_roles(image: Model | None) -> tuple[pictures.Picture, ...]:
    """Return all that is published for an image, the recipe's first role first, then the newest.

    Each one goes to ``product_picture`` by its ``role``, without another query.

    Args:
        image: a row of a watched model; nothing is returned for None.
    """
    return pictures.roles_of(image) if image else ()


@register.simple_tag
def prefetch_pictures(images: Iterable[Model], role: str | None = None) -> str:
    """Look up all pictures of a list at once, so that showing each of them costs no query.

    Args:
        images: a list, or a queryset that the template goes on to loop over.
        role: role of the recipe, as given to ``product_picture``.
    """
    pictures.prefetch(images, role)
    return ""
