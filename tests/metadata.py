"""Colour profiles and EXIF for the pictures of tests."""

from __future__ import annotations

import struct

from PIL import ImageCms


def linear_rgb_profile() -> bytes:
    """sRGB primaries without its curve, so that middle levels move far."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # The first 'para' curve: gamma 2.4 and its four parameters become gamma 1 and a plain line.
    position = srgb.index(b"para\x00\x00\x00\x00\x00\x03")
    fixed = struct.pack(">5i", 65_536, 65_536, 0, 65_536, 0)
    return srgb[: position + 12] + fixed + srgb[position + 32 :]


def unwritable_exif(orientation: int) -> bytes:
    """EXIF that can be read, and that Pillow fails to write: the place of strips is text."""
    strips = struct.pack("<HHI4s", 0x0111, 2, 4, b"none")
    turned = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + strips + turned + bytes(4)
