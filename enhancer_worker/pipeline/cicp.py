"""Colours that a file states by code points (CICP, ITU-T H.273) instead of a profile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from enhancer_worker.pipeline.icc import Primaries, profile_of
from shopimg.contract import UnsupportedFormatError

_PRIMARIES: dict[int, Primaries] = {
    5: ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060)),  # BT.601 with 625 lines
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),  # BT.601 with 525 lines
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),  # BT.2020
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),  # Display P3
}
"""Others than those of sRGB, with its white; table 2."""
_SRGB = 1
_NOT_STATED = 2
_SRGB_CURVES = frozenset({1, _NOT_STATED, 6, 13, 14, 15})
"""That of sRGB, those of television, which browsers show by it too, and none stated; table 3."""
_HDR_CURVES = {16: "PQ", 18: "HLG"}
_PNG_SIGNATURE_BYTES = 8


@dataclass(frozen=True, slots=True)
class CodePoints:
    """What a file says about its colours."""

    primaries: int
    """Colour of red, green, blue and white; 2 where that is not stated."""
    transfer: int
    """Curve from light to levels; likewise."""

    @property
    def are_known(self) -> bool:
        """Whether they say what the colours are; where not, a profile may."""
        if self.transfer in _HDR_CURVES:
            return True
        named = self.primaries == _SRGB or self.primaries in _PRIMARIES
        return named and self.transfer in _SRGB_CURVES - {_NOT_STATED}

    def profile(self) -> bytes | None:
        """Return a profile to convert from; None for sRGB and for what is not known.

        Raises:
            UnsupportedFormatError: levels of high dynamic range, which no profile brings to sRGB.
        """
        if self.transfer in _HDR_CURVES:
            raise UnsupportedFormatError(
                "HDR pictures are not supported. Export this one as SDR, in sRGB or Display P3.",
                detail=f"transfer characteristics {self.transfer}: {_HDR_CURVES[self.transfer]}",
            )
        primaries = _PRIMARIES.get(self.primaries)
        if primaries is None or self.transfer not in _SRGB_CURVES:
            return None
        return profile_of(primaries)


def read_code_points(content: bytes, kind: str) -> CodePoints | None:
    """Find the code points of a picture.

    Args:
        content: the file; may be damaged or hostile.
        kind: jpeg, png, webp or avif.

    Returns:
        None where it has none, or none that can be found.
    """
    reader = {"avif": _read_avif, "png": _read_png}.get(kind)
    if reader is None:
        return None
    try:
        return reader(content)
    except (ValueError, IndexError):
        return None


def _read_avif(content: bytes) -> CodePoints | None:
    """Look among the properties of the picture itself: a gain map has a `colr` of its own."""
    meta = _box(content, b"meta")[4:]
    named = _box(meta, b"pitm")
    primary = _number(named, 4, 4 if named[0] else 2)
    described = _box(meta, b"iprp")
    properties = list(_boxes(_box(described, b"ipco")))
    for place in _places_of(primary, _box(described, b"ipma")):
        kind, body = properties[place - 1]
        if kind == b"colr" and body[:4] == b"nclx":
            return CodePoints(_number(body, 4, 2), _number(body, 6, 2))
    return None


def _places_of(item: int, associations: bytes) -> Iterator[int]:
    """Yield the places of an item's properties in their list, from 1."""
    version, flags = associations[0], associations[3]
    item_bytes, place_bytes = 4 if version else 2, 2 if flags & 1 else 1
    position = 8
    for _ in range(_number(associations, 4, 4)):
        owner = _number(associations, position, item_bytes)
        count = _number(associations, position + item_bytes, 1)
        position += item_bytes + 1
        for _ in range(count):
            place = _number(associations, position, place_bytes)
            position += place_bytes
            # The highest bit says that no reader may pass the property over.
            place &= (1 << (8 * place_bytes - 1)) - 1
            if owner == item and place:
                yield place


def _box(data: bytes, wanted: bytes) -> bytes:
    """Return what is in the first box of a kind (ISO/IEC 14496-12); empty without one."""
    return next((body for kind, body in _boxes(data) if kind == wanted), b"")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + 8 <= len(data):
        length, header = _number(data, position, 4), 8
        if length == 1:
            length, header = _number(data, position + 8, 8), 16
        end = position + max(length, header) if length else len(data)
        yield data[position + 4 : position + 8], data[position + header : end]
        position = end


def _read_png(content: bytes) -> CodePoints | None:
    position = _PNG_SIGNATURE_BYTES
    while (kind := content[position + 4 : position + 8]) != b"IDAT":
        if kind == b"cICP":
            return CodePoints(content[position + 8], content[position + 9])
        position += _number(content, position, 4) + 12
    return None


def _number(data: bytes, position: int, length: int) -> int:
    part = data[position : position + length]
    if len(part) < length:
        raise ValueError("cut off")
    return int.from_bytes(part, "big")
