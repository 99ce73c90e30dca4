"""Look at an upload before trusting it: format, frames and size, without decoding its pixels."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import PurePath

from django.utils.translation import gettext as _
from PIL import Image, features

from shopimg.appearance import orientation
from shopimg.contract import (
    EnhancementError,
    Recipe,
    SourceTooLargeError,
    SourceUnreadableError,
    UnsupportedFormatError,
    limits,
)
from shopimg.contract.formats import SIDEWAYS, sniff

EXTENSIONS = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "PNG": {".png"},
    "WEBP": {".webp"},
    "AVIF": {".avif"},
}
"""Accepted formats and the extensions that match them."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the header of an acceptable upload says."""

    format: str
    """One of ``EXTENSIONS``."""
    width: int
    """Pixels, as people see the picture: after EXIF orientation."""
    height: int
    """Pixels, as people see the picture: after EXIF orientation."""


def inspect(data: bytes, name: str) -> Inspection:
    """Look at an upload.

    Args:
        data: the whole file.
        name: its name; the extension must match the content.

    Raises:
        SourceUnreadableError: empty, damaged or not a picture.
        UnsupportedFormatError: animated, another format, or a misleading extension.
        SourceError: too many bytes or pixels, too few, or the picture is too narrow.
    """
    if not data:
        raise SourceUnreadableError(_("The file is empty."))
    limits.check_source_bytes(len(data))
    found = _read_header(data)
    _check_extension(found.format, name)
    return found


def check_output(found: Inspection, recipe: Recipe) -> None:
    """Refuse an upload whose result would be too large, before anybody computes it.

    Raises:
        SourceTooLargeError: a role would exceed the limits of ``contract.limits``.
    """
    for role in recipe.roles:
        limits.check_output_size(*role.result_size(found.width, found.height))


def _read_header(data: bytes) -> Inspection:
    kind = sniff(data[:64])
    if kind == "avif" and not features.check("avif"):
        raise UnsupportedFormatError(detail="Pillow was built without AVIF")
    try:
        with Image.open(io.BytesIO(data), formats=(kind.upper(),)) as image:
            return _describe(image, data)
    except EnhancementError:
        raise
    except Image.DecompressionBombError as err:
        raise SourceTooLargeError(detail=str(err)) from err
    except Exception as err:
        # Readers raise whatever comes to their mind on a damaged header.
        raise SourceUnreadableError(detail=f"{type(err).__name__}: {err}") from err


def _describe(image: Image.Image, data: bytes) -> Inspection:
    # What Pillow calls MPO is a phone's JPEG with a second picture (a gain map, a depth map)
    # behind the first, which is the photograph.
    image_format = "JPEG" if image.format == "MPO" else str(image.format)
    if image_format != "JPEG" and getattr(image, "n_frames", 1) > 1:
        raise UnsupportedFormatError(_("Animated pictures are not supported."))
    width, height = image.size
    limits.check_source_size(width, height)
    if orientation(image, data) in SIDEWAYS:
        width, height = height, width
    return Inspection(image_format, width, height)


def _check_extension(image_format: str, name: str) -> None:
    suffix = PurePath(name).suffix.lower()
    if suffix not in EXTENSIONS[image_format]:
        raise UnsupportedFormatError(
            _("The file is a %(format)s picture, but its name ends in “%(suffix)s”. Rename it.")
            % {"format": image_format, "suffix": suffix}
        )
