"""Look at an upload before trusting it: format, frames and size, without decoding its pixels."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import PurePath

from django.utils.translation import gettext as _
from PIL import Image, UnidentifiedImageError, features

from shopimg.contract import (
    Recipe,
    SourceTooLargeError,
    SourceUnreadableError,
    UnsupportedFormatError,
    Upscale,
    limits,
)

EXTENSIONS = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "PNG": {".png"},
    "WEBP": {".webp"},
    "AVIF": {".avif"},
}
"""Accepted formats and the extensions that match them."""

_SIDEWAYS = {5, 6, 7, 8}
_ORIENTATION = 0x0112


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
        SourceUnreadableError: empty or damaged.
        UnsupportedFormatError: animated, another format, or a misleading extension.
        SourceError: too many bytes or pixels, too few, or the picture is too narrow.
    """
    if not data:
        raise SourceUnreadableError(_("The file is empty."))
    limits.check_source_bytes(len(data))
    found = _read_header(data)
    _check_extension(found.format, name)
    limits.check_source_size(found.width, found.height)
    return found


def check_output(found: Inspection, recipe: Recipe) -> None:
    """Refuse an upload whose result would be too large, before anybody computes it.

    Raises:
        SourceTooLargeError: a role would exceed the limits of ``contract.limits``.
    """
    for role in recipe.roles:
        width, height = found.width, found.height
        for step in role.steps:
            if isinstance(step, Upscale):
                width, height = _upscaled(width, height, step)
        limits.check_output_size(width, height)


def _read_header(data: bytes) -> Inspection:
    formats = [name for name in EXTENSIONS if name != "AVIF" or features.check("avif")]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=formats) as image:
                if getattr(image, "n_frames", 1) > 1:
                    raise UnsupportedFormatError(_("Animated pictures are not supported."))
                width, height = image.size
                if image.getexif().get(_ORIENTATION) in _SIDEWAYS:
                    width, height = height, width
                return Inspection(str(image.format), width, height)
    except UnidentifiedImageError as err:
        raise UnsupportedFormatError from err
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as err:
        raise SourceTooLargeError(detail=str(err)) from err
    except (OSError, SyntaxError, ValueError, EOFError) as err:
        # Pillow's readers raise all of these on damaged headers.
        raise SourceUnreadableError(detail=f"{type(err).__name__}: {err}") from err


def _check_extension(image_format: str, name: str) -> None:
    suffix = PurePath(name).suffix.lower()
    if suffix not in EXTENSIONS[image_format]:
        raise UnsupportedFormatError(
            _("The file is a %(format)s picture, but its name ends in “%(suffix)s”.")
            % {"format": image_format, "suffix": suffix}
        )


def _upscaled(width: int, height: int, step: Upscale) -> tuple[int, int]:
    if step.scale is not None:
        return width * step.scale, height * step.scale
    longest = max(width, height)
    wanted = max(longest, step.to or 0)
    return round(width * wanted / longest), round(height * wanted / longest)
