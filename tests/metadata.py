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


def linear_grey_profile() -> bytes:
    """Grey without a curve: ICC.1, with no more tags than a reader needs."""
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63_190, 65_536, 54_061)
    curve = b"curv" + bytes(8)
    start = 128 + 4 + 2 * 12
    tags = struct.pack(">I", 2)
    tags += b"wtpt" + struct.pack(">2I", start, len(white))
    tags += b"kTRC" + struct.pack(">2I", start + len(white), len(curve))
    size = start + len(white) + len(curve)
    header = bytearray(128)
    struct.pack_into(">I", header, 0, size)
    header[8:24] = struct.pack(">I4s4s4s", 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    header[36:40] = b"acsp"
    struct.pack_into(">3i", header, 68, 63_190, 65_536, 54_061)
    return bytes(header) + tags + white + curve


def unwritable_exif(orientation: int) -> bytes:
    """EXIF that can be read, and that Pillow fails to write: the place of strips is text."""
    strips = struct.pack("<HHI4s", 0x0111, 2, 4, b"none")
    turned = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + strips + turned + bytes(4)
