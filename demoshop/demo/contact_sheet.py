"""One picture to judge by: every product clean, as uploaded and as enhanced, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from demoshop.catalogue import Sample
from demoshop.demo.report import MAIN, Row, picture_of, variant_of
from demoshop.demo.seeding import Upload
from shopimg.models import EnhancedVariant

TILE = 300
"""Side of one tile of the sheet, pixels; crops of the photograph are shown at their own pixels, a
picture with another background as a whole."""
GAP, MARGIN, HEADER, CAPTION = 12, 24, 56, 44
PAPER, INK, QUIET = (250, 250, 248), (29, 31, 30), (104, 110, 106)
TITLES = ("clean rendering", "uploaded (enlarged)", "enhanced", "white", "scene")
WIDTH = len(TITLES) * TILE + (len(TITLES) - 1) * GAP


def write(uploads: Sequence[Upload], rows: Sequence[Row], path: Path) -> None:
    """Draw the sheet; a product without a result shows an empty tile."""
    step = CAPTION + TILE + GAP
    size = (2 * MARGIN + WIDTH, 2 * MARGIN + HEADER + len(uploads) * step)
    sheet = Image.new("RGB", size, PAPER)
    _titles(sheet)
    for number, (upload, row) in enumerate(zip(uploads, rows, strict=True)):
        _line(sheet, MARGIN + HEADER + number * step, upload, row)
    sheet.save(path, optimize=True)


def _titles(sheet: Image.Image) -> None:
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(20)
    for number, title in enumerate(TITLES):
        place = (MARGIN + number * (TILE + GAP), MARGIN + HEADER / 2)
        pen.text(place, title, INK, font, anchor="lm")


def _line(sheet: Image.Image, top: int, upload: Upload, row: Row) -> None:
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(17)
    pen.text((MARGIN, top + CAPTION / 2), row.name, INK, font, anchor="lm")
    figures = f"{row.psnr_before:.2f} dB"
    if row.psnr_after is not None:
        figures += f"  to  {row.psnr_after:.2f} dB"
    if row.mask_iou is not None:
        figures += f"   mask IoU {row.mask_iou:.3f}"
    pen.text((MARGIN + WIDTH, top + CAPTION / 2), figures, QUIET, font, anchor="rm")
    variants = list(EnhancedVariant.objects.for_source(upload.image).order_by("-created_at"))
    tiles = [*_crops(upload, variants), *(_whole(variants, role) for role in TITLES[3:])]
    for number, tile in enumerate(tiles):
        if tile is not None:
            sheet.paste(tile, (MARGIN + number * (TILE + GAP), top + CAPTION))


def _crops(upload: Upload, variants: Sequence[EnhancedVariant]) -> list[Image.Image | None]:
    """Return the same part of the three pictures, at the clean picture's pixels."""
    with Image.open(upload.sample.clean_path) as file:
        clean = file.convert("RGB")
    with upload.image.original.open() as file:
        source = Image.open(file).convert("RGB").resize(clean.size, Image.Resampling.BICUBIC)
    box = _box(upload.sample, clean)
    main = variant_of(variants, MAIN)
    if main is None:
        return [clean.crop(box), source.crop(box), None]
    result = picture_of(main).convert("RGB").resize(clean.size, Image.Resampling.BICUBIC)
    return [clean.crop(box), source.crop(box), result.crop(box)]


def _whole(variants: Sequence[EnhancedVariant], role: str) -> Image.Image | None:
    variant = variant_of(variants, role)
    if variant is None:
        return None
    return picture_of(variant).convert("RGB").resize((TILE, TILE), Image.Resampling.LANCZOS)


def _box(sample: Sample, clean: Image.Image) -> tuple[int, int, int, int]:
    """Centre the crop on the sample's point of interest, inside the picture."""
    x, y = (round(share * side) for share, side in zip(sample.focus, clean.size, strict=True))
    left = min(max(x - TILE // 2, 0), clean.width - TILE)
    top = min(max(y - TILE // 2, 0), clean.height - TILE)
    return left, top, left + TILE, top + TILE
