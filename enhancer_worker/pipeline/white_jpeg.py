"""Makes white in a JPEG file exactly 255, up to the product's edge.

A block of 8 x 8 pixels that holds some of the product rings: quantised waves leave the white
around it a few levels darker or coloured. Two things undo that:

* Luma above 255 is cut off by every decoder. So what the white pixels are to be may lie as far
  above it as quantisation needs, the idea of mozjpeg's "overshoot deringing".
* Chroma has no such end: grey is in the middle of its range, and one level to either side shows.
  White needs it to within half a level, which coefficients in steps of one can express. So chroma
  is written in steps of one throughout; away from the edge it keeps the coarser values it had.

Which coefficients do that is found block by block, and the file is decoded to see that they did,
with libjpeg's default transform. Its fast one rounds too coarsely for white in any such file.

Where the product is thin, hard and of a strong colour, a block may have no solution that keeps it
so. Its chroma gives way there, by half at most but where a line crosses the block or a tip reaches
into it; what is left even then is a level or two off. Of 146 cut-outs of shops, at 1,000 and at
1,600 pixels and quality 92, none has such a pixel. On average the product is as near as without; in
20 of them, at 1,000, some opaque pixel of the edge is further off, by 71 levels at most.

Sources: ITU-T T.81 (A.3.3: the transform, A.3.4: quantisation), JFIF 1.02 (the colours).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jpeglib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from enhancer_worker.pipeline.bounded_blocks import SIDE, Flags, Values, solved

Pixels = NDArray[np.uint8]

_LIKE_RGB: Mapping[str, Values] = {
    "Y": np.array([0.299, 0.587, 0.114], np.float32),
    "Cb": np.array([-0.168735892, -0.331264108, 0.5], np.float32),
    "Cr": np.array([0.5, -0.418687589, -0.081312411], np.float32),
}
"""Shares of red, green and blue in the components."""
_CENTRE = {"Y": 128.0, "Cb": 0.0, "Cr": 0.0}
_WHITE = {"Y": (127.0, np.inf), "Cb": (0.0, 1.0), "Cr": (0.0, 0.0)}
"""Least and largest level of white, from the centre; one level of Cb rounds away in RGB."""
_SLACKS = (0.46, 0.47, 0.48) * 3
"""How far beyond them chroma may be, trial by trial. What is left of a half is for the decoder's
own rounding: with more of it fewer blocks have a solution, with less more are rounded away."""
_FRAME, _SCAN = 0xC0, 0xDA
"""Second bytes of the markers before what lists the components (T.81, table B.1)."""
_LARGEST_COEFFICIENT = 1023
"""Of a sequential file (ITU-T T.81, table F.2); a block's mean may be larger, and need not be."""


def whiten(content: bytes, pixels: Pixels, white: Flags) -> bytes:
    """Rewrite a JPEG file so that white is 255 in all channels.

    Args:
        content: of YCbCr with full chroma (4:4:4), one table for luma and one for chroma, of any
            quality, as Pillow writes it.
        pixels: (H, W, 3), uint8: what was encoded.
        white: (H, W), bool: where it is to be exactly white.

    Returns:
        A sequential file with the same metadata. Some pixels may still be a level or two off.

    Raises:
        ValueError: the file has another size, other tables, or chroma that is not full.
    """
    blocks = _Blocks.of(pixels, white)
    with tempfile.TemporaryDirectory(prefix="shopimg-") as folder:
        path = Path(folder, "white.jpg")
        path.write_bytes(content)
        file = jpeglib.read_dct(str(path))
        size, planes = (file.height, file.width), (file.Y, file.Cb, file.Cr)
        if size != white.shape or list(file.quant_tbl_no) != [0, 1, 1]:
            raise ValueError("white needs a JPEG file of this size, of luma and chroma")
        if any(plane.shape[:2] != blocks.shape for plane in planes):
            raise ValueError("white needs a JPEG file with full chroma")
        # The writer adds its own.
        file.markers = [marker for marker in file.markers if marker.type.name != "JPEG_APP0"]
        _prepare(file, blocks.whole)
        wrong = np.ones(len(blocks.white), bool)
        for trial in range(len(_SLACKS)):
            _settle(file, blocks, wrong, trial)
            file.write_dct(str(path), flags=["+OPTIMIZE_CODING"])
            wrong = blocks.that_miss(path)
            if not wrong.any():
                break
        return _numbered(path.read_bytes())


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The blocks of a picture that hold white."""

    whole: Flags
    """(rows, columns): those that are white throughout."""
    mixed: Flags
    """(rows, columns): those that hold something else too."""
    white: Flags
    """(mixed, 64): where they are white."""
    colours: Values
    """(mixed, 64, 3): 0 to 255."""

    @classmethod
    def of(cls, pixels: Pixels, white: Flags) -> _Blocks:
        """Cut a picture up; beyond its borders they are repeated."""
        flags: Flags = _cut(white[..., None])[..., 0]
        whole = np.logical_and.reduce(flags, axis=2)
        mixed = np.logical_or.reduce(flags, axis=2) & ~whole
        return cls(whole, mixed, flags[mixed], _cut(pixels)[mixed].astype(np.float32))

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns of blocks."""
        return self.whole.shape

    def that_miss(self, path: Path) -> Flags:
        """Tell which of the mixed ones are not white where they should be: (mixed,)."""
        with Image.open(path) as image:
            shown = _cut(np.asarray(image))[self.mixed]
        missed: Flags = np.logical_or.reduce((shown.min(axis=2) < 255) & self.white, axis=1)
        return missed


def _prepare(file: Any, whole: Flags) -> None:
    """Give chroma steps of one, and make blocks white that are white throughout."""
    tables = file.qt.astype(np.int16)
    for name in ("Cb", "Cr"):
        plane = _limited(getattr(file, name) * tables[1].astype(np.int32))
        plane[whole] = 0
        setattr(file, name, plane)
    tables[1] = 1
    file.Y[whole] = 0
    file.Y[whole, 0, 0] = np.ceil(_WHITE["Y"][0] * SIDE / tables[0, 0, 0])
    file.qt = tables.astype(file.qt.dtype)


def _settle(file: Any, blocks: _Blocks, chosen: Flags, trial: int) -> None:
    """Find coefficients of chosen blocks, (mixed,), with which their white is white."""
    rows, columns = (indices[chosen] for indices in np.nonzero(blocks.mixed))
    for name, shares in _LIKE_RGB.items():
        wanted = blocks.colours[chosen] @ shares - np.float32(_CENTRE[name])
        steps = file.qt[0 if name == "Y" else 1].reshape(-1).astype(np.float32)
        slack = 0 if name == "Y" else _SLACKS[trial]
        bounds = (_WHITE[name][0] - slack, _WHITE[name][1] + slack)
        found = solved(wanted, blocks.white[chosen], steps, bounds, seed=trial)
        getattr(file, name)[rows, columns] = _limited(found.reshape(-1, SIDE, SIDE))


def _limited(coefficients: NDArray[Any]) -> NDArray[np.int16]:
    limited: NDArray[np.int16] = np.clip(
        coefficients, -_LARGEST_COEFFICIENT, _LARGEST_COEFFICIENT
    ).astype(np.int16)
    return limited


def _numbered(content: bytes) -> bytes:
    """Number the components 1, 2, 3, as JFIF wants it; the writer begins at 0."""
    changed = bytearray(content)
    at = 2
    while True:
        marker, length = changed[at + 1], int.from_bytes(changed[at + 2 : at + 4], "big")
        first, each = {_FRAME: (at + 10, 3), _SCAN: (at + 5, 2)}.get(marker, (at, 0))
        if each:
            changed[first : first + 3 * each : each] = b"\x01\x02\x03"
        if marker == _SCAN:
            return bytes(changed)
        at += 2 + length


def _cut(picture: NDArray[Any]) -> NDArray[Any]:
    """Cut (H, W, C) into (rows, columns, 64, C)."""
    height, width, channels = picture.shape
    padded = np.pad(picture, ((0, -height % SIDE), (0, -width % SIDE), (0, 0)), mode="edge")
    rows, columns = padded.shape[0] // SIDE, padded.shape[1] // SIDE
    cut = padded.reshape(rows, SIDE, columns, SIDE, channels).swapaxes(1, 2)
    return cut.reshape(rows, columns, SIDE * SIDE, channels)
