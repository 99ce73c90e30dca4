"""Colour profiles: from whatever an upload is tagged with to sRGB."""

from __future__ import annotations

import functools
import io

import numpy as np
from PIL import Image, ImageCms

_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
_FIXED_DATE = bytes.fromhex("07d0 0001 0001 0000 0000 0000")  # 2000-01-01 00:00:00
_SAME_WITHIN_LEVELS = 1


def to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, str]:
    """Convert a picture to sRGB.

    Args:
        image: L, RGB or CMYK.
        profile: the ICC profile it is tagged with, as found in the file; may be hostile.

    Returns:
        An RGB picture, and what became of the profile: ``none``, ``converted``, ``srgb`` (already
        the same, left untouched) or ``ignored`` (broken, or for another kind of picture).
    """
    if not profile:
        return image.convert("RGB"), "none"
    try:
        transform = _build_transform(image.mode, profile)
        if transform is None:
            return image.convert("RGB"), "ignored"
        if image.mode != "CMYK" and _changes_nothing(transform, image.mode):
            return image.convert("RGB"), "srgb"
        return transform.apply(image), "converted"
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image.convert("RGB"), "ignored"


@functools.cache
def srgb_profile() -> bytes:
    """Return the sRGB profile to embed; the same bytes on every day and every machine."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile[:24] + _FIXED_DATE + profile[36:]


def _build_transform(mode: str, content: bytes) -> ImageCms.ImageCmsTransform | None:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
    if profile.profile.xcolor_space.strip() != _SPACES[mode]:
        return None
    # Absolute and saturation intents tint whites or bend colours: not for product photos.
    relative = profile.profile.rendering_intent in (
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Intent.ABSOLUTE_COLORIMETRIC,
    )
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC if relative else ImageCms.Intent.PERCEPTUAL
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION if relative else ImageCms.Flags.NONE
    return ImageCms.buildTransform(
        profile, ImageCms.createProfile("sRGB"), mode, "RGB", intent, flags
    )


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Try the transform on a sample of colours, so that sRGB by any name is recognised."""
    steps = np.linspace(0, 255, 256 if mode == "L" else 9).round().astype(np.uint8)
    if mode == "L":
        sample = Image.fromarray(steps[None])
    else:
        red, green, blue = np.meshgrid(steps, steps, steps, indexing="ij")
        sample = Image.fromarray(np.stack([red, green, blue], axis=-1).reshape(81, 9, 3))
    before = np.asarray(sample.convert("RGB")).astype(np.int16)
    after = np.asarray(transform.apply(sample)).astype(np.int16)
    return int(np.abs(after - before).max()) <= _SAME_WITHIN_LEVELS
