"""Colour profiles: from whatever an upload is tagged with to sRGB."""

from __future__ import annotations

import functools
import io
import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

Primaries = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
"""CIE 1931 x and y of red, green and blue."""

_D65 = (0.3127, 0.3290)
_D65_TO_D50 = np.array(
    [
        [1.0479297925, 0.0229468706, -0.0501922266],
        [0.0296278087, 0.9904344267, -0.0170738007],
        [-0.0092430406, 0.0150551914, 0.7518742814],
    ]
)
"""By Bradford, as in CSS Color 4."""
_FIXED_POINT = 65_536
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


@functools.cache
def profile_of(primaries: Primaries) -> bytes:
    """Return sRGB's profile with other primaries: curve and white, D65, stay.

    Args:
        primaries: what to show red, green and blue by.
    """
    profile = bytearray(srgb_profile())
    tags = (b"rXYZ", b"gXYZ", b"bXYZ")
    for tag, colorant in zip(tags, _colorants(primaries).T, strict=True):
        entry = profile.index(tag)
        value = int.from_bytes(profile[entry + 4 : entry + 8], "big") + 8
        struct.pack_into(">3i", profile, value, *np.rint(colorant * _FIXED_POINT).astype(int))
    return bytes(profile)


def _colorants(primaries: Primaries) -> NDArray[np.float64]:
    """Return the CIE XYZ of red, green and blue, adapted to D50: (3, 3), one a column."""
    xyz = np.array([_xyz(*chromaticity) for chromaticity in primaries]).T
    colorants: NDArray[np.float64] = _D65_TO_D50 @ (xyz * np.linalg.solve(xyz, _xyz(*_D65)))
    return colorants


def _xyz(x: float, y: float) -> tuple[float, float, float]:
    """Return the CIE XYZ of a chromaticity, with a luminance of 1."""
    return x / y, 1.0, (1 - x - y) / y


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
