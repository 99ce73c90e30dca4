"""Which kind of file an upload is, told by its first bytes and never by its name."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from shopimg.contract.errors import SourceUnreadableError, UnsupportedFormatError

EXIF_FAILURES = (
    SyntaxError, struct.error, ValueError, KeyError, TypeError, OSError, IndexError, OverflowError,
)  # fmt: skip
"""What Pillow raises on damaged EXIF, with which a shop and its workers take a picture alike."""

EXIF_ORIENTATION = 0x0112
"""The tag that says how a camera was held."""
TURNS: Mapping[int, str] = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
"""What puts a picture upright, by its EXIF orientation: names of Pillow's ``Image.Transpose``."""
SIDEWAYS = frozenset({5, 6, 7, 8})
"""Orientations in which width and height change places."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_REFUSED_SIGNATURES = (
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"8BPS", "Photoshop"),
    (b"%!PS", "PostScript"),
    (b"%PDF", "PDF"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"\x00\x00\x01\x00", "icon"),
)
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1")


def sniff(head: bytes) -> str:
    r"""Tell the kind of an upload.

    Args:
        head: the file's first 64 bytes or more.

    Returns:
        jpeg, png, webp or avif; of these, an enhancer accepts AVIF only with the codec.

    Raises:
        UnsupportedFormatError: another kind of picture; the detail names it.
        SourceUnreadableError: nothing that is known as a picture.

    >>> sniff(b"\x89PNG\r\n\x1a\n")
    'png'
    """
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(_PNG_SIGNATURE):
        return "png"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return _sniff_iso_media(head)
    _refuse_known_picture(head)
    raise SourceUnreadableError(detail="no known picture signature")


def late_exif(png: bytes) -> bytes:
    """Return the EXIF that stands behind the pixels of a PNG, without decoding them; or nothing."""
    position = len(_PNG_SIGNATURE)
    while position + 8 <= len(png):
        length, kind = struct.unpack_from(">I4s", png, position)
        if kind == b"eXIf":
            return b"Exif\0\0" + png[position + 8 : position + 8 + length]
        position += 12 + length  # length, kind, content, checksum
    return b""


def _sniff_iso_media(head: bytes) -> str:
    brands = head[8:64]
    if b"avif" in brands or b"avis" in brands:
        return "avif"
    kind = "HEIC" if any(brand in brands for brand in _HEIF_BRANDS) else "video"
    raise UnsupportedFormatError(detail=f"{kind} file")


def _refuse_known_picture(head: bytes) -> None:
    for signature, kind in _REFUSED_SIGNATURES:
        if head.startswith(signature):
            raise UnsupportedFormatError(detail=f"{kind} file")
    text = head[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<svg", b"<?xml", b"<!doctype svg")):
        raise UnsupportedFormatError(detail="SVG file")
