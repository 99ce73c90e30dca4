"""What the demo measured: one row per photograph, as a table and as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from demoshop.demo.seeding import Upload
from demoshop.measure import iou, psnr
from shopimg import storage
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.states import JobState

MAIN = "main"
"""Role of the picture that is the photograph itself, only better."""

LOCKS = ("mask IoU", "pixel lock", "white")
"""Heads of the columns about the cut-out: CIEDE2000 inside the product, share of exact white."""


@dataclass(frozen=True, slots=True)
class Row:
    """One photograph before and after; the keys of ``report.json``."""

    name: str
    """Product."""
    source_width: int
    """Pixels of the upload."""
    source_height: int
    """Pixels of the upload."""
    width: int | None
    """Pixels of the result; None where there is none."""
    height: int | None
    """Pixels of the result; None where there is none."""
    psnr_before: float
    """Upload, resized bicubically, against the clean photograph, dB."""
    psnr_after: float | None
    """Result against the clean photograph, dB."""
    seconds: dict[str, float]
    """Wall-clock time of each step."""
    status: str
    """State of the main variant, or of the job where there is none."""
    mask_iou: float | None = None
    """What was taken for the product against what the path tracer knows of it, 0 to 1."""
    pixel_lock: float | None = None
    """CIEDE2000 that 95 of 100 pixels inside the product stay below, in the worst file."""
    white_share: float | None = None
    """Share of the white picture's background that is exactly 255."""

    @property
    def improved(self) -> bool:
        """Whether the result is closer to the clean photograph than the upload."""
        return self.psnr_after is not None and self.psnr_after > self.psnr_before


def measure(upload: Upload) -> Row:
    """Compare an upload and its results with the clean photograph and its exact mask."""
    job = EnhancementJob.objects.for_source(upload.image).latest("created_at")
    variants = list(EnhancedVariant.objects.for_source(upload.image).filter(job=job))
    main = variant_of(variants, MAIN)
    with Image.open(upload.sample.clean_path) as clean, upload.image.original.open() as file:
        source = Image.open(file)
        after = psnr(picture_of(main), clean) if main else None
        return Row(
            name=upload.sample.name,
            source_width=source.width,
            source_height=source.height,
            width=main.width if main else None,
            height=main.height if main else None,
            psnr_before=round(psnr(source, clean), 3),
            psnr_after=round(after, 3) if after is not None else None,
            seconds=dict(job.timings),
            status=main.state if main and job.state == JobState.SUCCEEDED else job.state,
            mask_iou=_mask_iou(upload, variants),
            pixel_lock=_worst(variants, "pixel_lock_p95"),
            white_share=_worst(variants, "white_share", min),
        )


def variant_of(variants: Iterable[EnhancedVariant], role: str) -> EnhancedVariant | None:
    """Return the first variant of a role, of several candidates that of the first seed."""
    of_role = [variant for variant in variants if variant.role == role]
    return min(of_role, key=lambda variant: variant.candidate, default=None)


def _mask_iou(upload: Upload, variants: Iterable[EnhancedVariant]) -> float | None:
    names = [variant.mask_name for variant in variants if variant.mask_name]
    if not names:
        return None
    with storage.drafts().open(names[0]) as file, Image.open(upload.sample.mask_path) as exact:
        return round(iou(Image.open(file), exact), 4)


def _worst(
    variants: Iterable[EnhancedVariant],
    figure: str,
    worst: Callable[[Iterable[float]], float] = max,
) -> float | None:
    values = [variant.quality[figure] for variant in variants if figure in variant.quality]
    return worst(values) if values else None


def picture_of(variant: EnhancedVariant) -> Image.Image:
    """Open the draft of a variant."""
    with storage.drafts().open(variant.draft_name) as file:
        image = Image.open(file)
        image.load()
    return image


def write_json(rows: Iterable[Row], path: Path) -> None:
    """Write the rows as a list of objects."""
    path.write_text(json.dumps([dataclasses.asdict(row) for row in rows], indent=2) + "\n")


def table(rows: Sequence[Row]) -> str:
    """Lay the rows out for a terminal."""
    steps = list(dict.fromkeys(step for row in rows for step in row.seconds))
    head = [
        "product",
        "before",
        "after",
        "PSNR before",
        "PSNR after",
        "gain",
        *LOCKS,
        *steps,
        "state",
    ]
    lines = [head, *(_cells(row, steps) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(_line(line, widths) for line in lines)


def _cells(row: Row, steps: Sequence[str]) -> list[str]:
    after, size, gain = "-", "-", "-"
    if row.psnr_after is not None:
        size = f"{row.width}x{row.height}"
        after, gain = f"{row.psnr_after:.2f} dB", f"{row.psnr_after - row.psnr_before:+.2f} dB"
    seconds = [f"{row.seconds[step]:.2f} s" if step in row.seconds else "-" for step in steps]
    before = f"{row.source_width}x{row.source_height}"
    locks = [
        _cell(row.mask_iou, ".3f"),
        _cell(row.pixel_lock, ".2f"),
        _cell(row.white_share, ".2%"),
    ]
    figures = [f"{row.psnr_before:.2f} dB", after, gain, *locks, *seconds]
    return [row.name, before, size, *figures, row.status]


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *middle = (
        cell.ljust(width) if number == 0 else cell.rjust(width)
        for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *middle]).rstrip()
