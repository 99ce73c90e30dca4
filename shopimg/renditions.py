"""Responsive sizes of published files, made by django-pictures."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.core.files.base import ContentFile
from pictures.models import PillowPicture
from PIL import Image

from shopimg import storage
from shopimg.contract.provenance import UNKNOWN, xmp_packet
from shopimg.models import EnhancedVariant

FORMATS = ("AVIF", "WEBP", "JPEG")
"""Formats offered to browsers, best first."""

_WIDTHS = (320, 640, 960, 1280, 1600, 1920, 2560, 3200)
"""Pixels: one to five columns of 320, on screens with one and with two pixels for each. Not those
of the host's ``PICTURES``: files would be missing as soon as it changed them."""
_NEAR = 0.9
"""A width that is this share of the picture's own is left out: nobody would see the difference."""


@dataclass(frozen=True, slots=True)
class Rendition:
    """One file of a ``srcset``."""

    name: str
    """Name in the public storage."""
    width: int
    """Pixels."""


def sources(variant: EnhancedVariant) -> dict[str, list[Rendition]]:
    """Return the sizes of a variant by media type, best format and smallest size first.

    The published file itself is the largest of its own format: nothing is gained by encoding it
    once more, and what was approved would be shown a little worse.
    """
    found = {
        f"image/{name.lower()}": [Rendition(sizes[w].name, w) for w in sorted(sizes)]
        for name, sizes in _pictures(variant).items()
        if not (name == "JPEG" and variant.mime_type == "image/webp")
    }
    own = found.get(variant.mime_type)
    if own and own[-1].width == variant.width:
        own[-1] = Rendition(variant.published_name, variant.width)
    return found


def widths(width: int) -> tuple[int, ...]:
    """Return how wide the files of a picture are, pixels, ascending.

    Its own width is one of them, up to the largest of all: browsers take one of these files where
    there are any, so that without it they would show less than there is.

    >>> widths(2000), widths(400), widths(100)
    ((320, 640, 960, 1280, 1600, 2000), (320, 400), (100,))
    """
    largest = min(width, _WIDTHS[-1])
    return (*(usual for usual in _WIDTHS if usual < _NEAR * largest), largest)


def names(variant: EnhancedVariant) -> Iterator[str]:
    """Yield the file name of every size of a variant, besides the published file."""
    for files in sources(variant).values():
        yield from (file.name for file in files if file.name != variant.published_name)


def write(variant: EnhancedVariant) -> None:
    """Write the files of every size; writing twice gives the same files."""
    with storage.published().open(variant.published_name) as file:
        content = io.BytesIO(file.read())
    wanted = set(names(variant))
    with Image.open(content) as image:
        prepared = PillowPicture.pre_process(image)
    statement = xmp_packet(variant.provenance.get("digital_source_type", UNKNOWN))
    for name, sizes in _pictures(variant).items():
        shown = _on_white(prepared) if name == "JPEG" else prepared
        for picture in sizes.values():
            if picture.name in wanted:
                _save(picture, shown, statement)


def _on_white(image: Image.Image) -> Image.Image:
    """Hide the colours that pixels have where they cannot be seen; a JPEG would show them."""
    if image.getchannel("A").getextrema() == (255, 255):
        return image
    ground = Image.new("RGBA", image.size, "white")
    ground.alpha_composite(image)
    return ground


def _save(picture: PillowPicture, prepared: Image.Image, statement: bytes) -> None:
    """Write one size; django-pictures' own ``save`` drops what the file says of its origin."""
    content = io.BytesIO()
    picture.resize(prepared).save(
        content, picture.file_type, exif=b"", icc_profile=b"", xmp=statement
    )
    picture.delete()
    picture.storage.save(picture.name, ContentFile(content.getvalue()))


def _pictures(variant: EnhancedVariant) -> Mapping[str, Mapping[int, PillowPicture]]:
    public = storage.published()
    return {
        name: {
            width: PillowPicture(variant.published_name, name, None, public, width)
            for width in widths(variant.width)
        }
        for name in FORMATS
    }
