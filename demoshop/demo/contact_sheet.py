"""One picture to judge by: clean, upload and result of every product, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from demoshop.catalogue import Sample
from demoshop.demo.report import Row, picture_of
from demoshop.demo.seeding import Upload
from shopimg.models import EnhancedVariant

TILE = 300
"""Side of one crop on the sheet, pixels; crops are shown at their own pixels."""
GAP, MARGIN, HEADER, CAPTION = 12, 24, 56, 44
PAPER, INK, QUIET = (250, 250, 248), (29, 31, 30), (104, 110, 106)
COLUMNS = 2
"""Products beside each other."""
TITLES = ("clean rendering", "uploaded (enlarged)", "enhanced")


def write(uploads: Sequence[Upload], rows: Sequence[Row], path: Path) -> None:
    """Draw the sheet; a product without a result shows an empty tile."""
    block = (3 * TILE + 2 * GAP, CAPTION + TILE)
    lines = -(-len(uploads) // COLUMNS)
    size = (
        2 * MARGIN + COLUMNS * block[0] + (COLUMNS - 1) * 2 * MARGIN,
        2 * MARGIN + HEADER + lines * (block[1] + GAP),
    )
    sheet = Image.new("RGB", size, PAPER)
    for column in range(COLUMNS):
        _titles(sheet, MARGIN + column * (block[0] + 2 * MARGIN))
    for number, (upload, row) in enumerate(zip(uploads, rows, strict=True)):
        left = MARGIN + number % COLUMNS * (block[0] + 2 * MARGIN)
        top = MARGIN + HEADER + number // COLUMNS * (block[1] + GAP)
        _block(sheet, (left, top), upload, row)
    sheet.save(path, optimize=True)


def _titles(sheet: Image.Image, left: int) -> None:
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(20)
    for number, title in enumerate(TITLES):
        place = (left + number * (TILE + GAP), MARGIN + HEADER / 2)
        pen.text(place, title, INK, font, anchor="lm")


def _block(sheet: Image.Image, place: tuple[int, int], upload: Upload, row: Row) -> None:
    left, top = place
    pen = ImageDraw.Draw(sheet)
    pen.text((left, top + CAPTION / 2), row.name, INK, ImageFont.load_default(17), anchor="lm")
    figures = f"{row.psnr_before:.2f} dB"
    if row.psnr_after is not None:
        figures += f"  to  {row.psnr_after:.2f} dB"
    end = (left + 3 * TILE + 2 * GAP, top + CAPTION / 2)
    pen.text(end, figures, QUIET, ImageFont.load_default(17), anchor="rm")
    for number, crop in enumerate(_crops(upload)):
        sheet.paste(crop, (left + number * (TILE + GAP), top + CAPTION))


def _crops(upload: Upload) -> list[Image.Image]:
    """Return the same part of the three pictures, at the clean picture's pixels."""
    with Image.open(upload.sample.clean_path) as file:
        clean = file.convert("RGB")
    with upload.image.original.open() as file:
        source = Image.open(file).convert("RGB").resize(clean.size, Image.Resampling.BICUBIC)
    box = _box(upload.sample, clean)
    crops = [clean.crop(box), source.crop(box)]
    variant = EnhancedVariant.objects.for_source(upload.image).order_by("created_at").last()
    if variant is not None:
        result = picture_of(variant).convert("RGB").resize(clean.size, Image.Resampling.BICUBIC)
        crops.append(result.crop(box))
    return crops


def _box(sample: Sample, clean: Image.Image) -> tuple[int, int, int, int]:
    """Centre the crop on the sample's point of interest, inside the picture."""
    x, y = (round(share * side) for share, side in zip(sample.focus, clean.size, strict=True))
    left = min(max(x - TILE // 2, 0), clean.width - TILE)
    top = min(max(y - TILE // 2, 0), clean.height - TILE)
    return left, top, left + TILE, top + TILE
