"""Draws photographs before, after the recipe ``clean`` and after bicubic, at 100 %.

Run it as ``python -m docs.contact_sheet --data DIR --out sheet.jpg``.
"""

from __future__ import annotations

import argparse
import io
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageOps

from enhancer_worker.backend import NeuralEnhancer
from enhancer_worker.training.catalogue import SUFFIXES
from enhancer_worker.training.contact_sheet import Cell, Row, draw_sheet, liveliest_window
from enhancer_worker.training.data import to_tensor
from shopimg.contract import CLEAN, Deadline, Output, Recipe, Role

COLUMNS = ("before", "clean: ours", "bicubic")
LOSSLESS = Recipe(CLEAN.name, tuple(Role(r.name, r.steps, Output("png")) for r in CLEAN.roles))
"""What shops run; the sheet's own compression is enough."""
QUALITIES = range(92, 50, -4)
"""Of the sheet: the best that keeps the file small."""
UPLOAD_QUALITY = 80
"""JPEG quality of a photograph that is shrunk first."""


def main(argv: Sequence[str] | None = None) -> int:
    """Draw the sheet.

    Returns:
        Exit status: 0, or 2 where there are no photographs.
    """
    parser = argparse.ArgumentParser(prog="docs.contact_sheet", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with uploads")
    parser.add_argument("--out", type=Path, required=True, help="JPEG or WebP")
    parser.add_argument("--pictures", type=int, default=10, help="taken evenly from the folder")
    parser.add_argument("--shrink", type=int, default=1, help="first, to the size of an upload")
    parser.add_argument("--side", type=int, default=240, help="of each window, pixels")
    parser.add_argument("--kilobytes", type=int, default=400, help="largest file")
    args = parser.parse_args(argv)
    found = sorted(path for path in args.data.glob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        sys.stderr.write(f"no photographs in {args.data}\n")
        return 2
    count = min(args.pictures, len(found))
    files = [found[number * len(found) // count] for number in range(count)]
    enhancer = NeuralEnhancer()
    with click.progressbar(files, label="Enhancing", file=sys.stderr) as bar:
        rows = [row(enhancer, file.stem, upload(file, args.shrink), args.side) for file in bar]
    enhancer.close()
    save(draw_sheet(COLUMNS, rows, args.side), args.out, 1000 * args.kilobytes)
    return 0


def upload(file: Path, shrink: int) -> bytes:
    """Return a file as it is, or as a JPEG so many times smaller."""
    if shrink == 1:
        return file.read_bytes()
    content = io.BytesIO()
    with Image.open(file) as photo:
        photo.convert("RGB").reduce(shrink).save(content, "JPEG", quality=UPLOAD_QUALITY)
    return content.getvalue()


def row(enhancer: NeuralEnhancer, name: str, content: bytes, side: int) -> Row:
    """Draw the window of one photograph in which ours and bicubic differ most.

    Args:
        enhancer: runs the recipe.
        name: written beside it.
        content: an upload whose enlarged sides are at least `side`.
        side: of the window, pixels.
    """
    (result,) = enhancer.enhance(content, LOSSLESS, deadline=Deadline(math.inf))
    with Image.open(io.BytesIO(content)) as picture:
        before = ImageOps.exif_transpose(picture).convert("RGB")
    size = (result.width, result.height)
    with Image.open(io.BytesIO(result.content)) as picture:
        ours = picture.convert("RGB")
    # Repeated pixels show what was given; any interpolation would be a method of its own.
    given = before.resize(size, Image.Resampling.NEAREST)
    bicubic = before.resize(size, Image.Resampling.BICUBIC)
    tensors = [to_tensor([np.asarray(image)]) for image in (given, ours, bicubic)]
    top, left = liveliest_window(tensors[1], tensors[2], side)
    window = (slice(top, top + side), slice(left, left + side))
    cells = tuple(Cell(tensor[..., *window], "") for tensor in tensors)
    return Row(name, f"{before.width} x {before.height}", cells)


def save(sheet: Image.Image, out: Path, most_bytes: int) -> None:
    """Write the sheet in the best quality that keeps the file small."""
    for quality in QUALITIES:
        sheet.save(out, quality=quality)
        if out.stat().st_size <= most_bytes:
            return


if __name__ == "__main__":
    sys.exit(main())
