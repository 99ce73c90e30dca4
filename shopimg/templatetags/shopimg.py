"""Template tags for storefronts: one picture, all roles of an image, the pictures of a list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import template
from django.conf import settings
from django.db.models import Model
from django.forms.utils import flatatt

from shopimg import sources
from shopimg.services import pictures

register = template.Library()

_OWN = frozenset({"src", "srcset", "width", "height"})
"""Attributes of ``<img>`` that follow from the picture."""


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
        attributes: further attributes of ``<img>``, such as ``class`` and ``loading``; names have
            ``_`` for ``-``, as in ``data_zoom``.

    Raises:
        TemplateSyntaxError: it is given something else than a row of a watched model, an attribute
            that the picture itself has, or, where ``DEBUG`` is on, a role that does not exist.
    """
    if not image:
        return {"picture": None}
    _refuse_mistakes(image, role, attributes)
    picture = pictures.picture_of(image, role)
    further = {name.replace("_", "-"): value for name, value in attributes.items()}
    return {
        "picture": picture,
        "sizes": sizes,
        "alt": picture.alt if alt is None else alt,
        "attributes": flatatt({"loading": "lazy", "decoding": "async", **further}),
    }


def _refuse_mistakes(image: object, role: str | None, attributes: Iterable[str]) -> None:
    if not isinstance(image, Model):
        message = f"product_picture takes a row of a watched model, not {image!r}"
        raise template.TemplateSyntaxError(message)
    if own := sorted(_OWN.intersection(attributes)):
        message = f"product_picture sets {', '.join(own)} itself: style the picture by class"
        raise template.TemplateSyntaxError(message)
    try:
        sources.source_for(type(image))
    except LookupError as err:
        raise template.TemplateSyntaxError(f"product_picture: {err}") from err
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


class _Images(list[Model | None]):
    """A list of which a template shows nothing where a tag returns it without ``as``."""

    def __str__(self) -> str:
        return ""


@register.simple_tag
def prefetch_pictures(images: Iterable[Model | None] | None) -> _Images:
    """Look up all pictures of a list at once, so that showing each of them costs no query.

    Returns them, for templates that loop over what each mention fetches anew:
    ``{% prefetch_pictures product.images.all as images %}``.

    Args:
        images: a list, a queryset, or None.
    """
    found = _Images(images or ())
    pictures.prefetch(found)
    return found
