"""What the shop tells customers about a photograph."""

from __future__ import annotations

from dataclasses import dataclass

from django import template
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from demoshop.models import ProductImage
from shopimg.contract.provenance import COMPOSITE_WITH_GENERATED, GENERATED
from shopimg.services import pictures

register = template.Library()


@dataclass(frozen=True, slots=True)
class Note:
    """How an enhanced photograph came about."""

    steps: str
    """What was done to it, for people."""
    original_url: str
    """The photograph as it was uploaded."""


@register.simple_tag
def photo_note(image: ProductImage) -> Note | None:
    """Describe what was done to a photograph, or None where the original is shown."""
    picture = pictures.picture_of(image)
    if picture.variant is None:
        return None
    operations = picture.variant.provenance.get("operations", [])
    names = [operation.get("name", "") for operation in operations]
    labels = {"restore": _("noise and compression marks removed"), "upscale": _("enlarged")}
    return Note(
        steps=capfirst(", ".join(labels[name] for name in names if name in labels)),
        original_url=picture.original_url,
    )


@register.filter
def has_generated_background(picture: pictures.Picture) -> bool:
    """Tell whether customers should be told that a picture's background was never there."""
    provenance = picture.variant.provenance if picture.variant else {}
    return provenance.get("digital_source_type") in {COMPOSITE_WITH_GENERATED, GENERATED}
