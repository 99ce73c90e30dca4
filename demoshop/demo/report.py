"""What the demo measured: one row per photograph, as a table and as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from demoshop.demo.seeding import Upload
from demoshop.measure import psnr
from shopimg import storage
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.states import JobState


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
    """State of the variant, or of the job where there is no variant."""

    @property
    def improved(self) -> bool:
        """Whether the result is closer to the clean photograph than the upload."""
        return self.psnr_after is not None and self.psnr_after > self.psnr_before


def measure(upload: Upload) -> Row:
    """Compare an upload and its result with the clean photograph."""
    job = EnhancementJob.objects.for_source(upload.image).latest("created_at")
    variant = EnhancedVariant.objects.for_source(upload.image).filter(job=job).first()
    with Image.open(upload.sample.clean_path) as clean, upload.image.original.open() as file:
        source = Image.open(file)
        after = psnr(picture_of(variant), clean) if variant else None
        return Row(
            name=upload.sample.name,
            source_width=source.width,
            source_height=source.height,
            width=variant.width if variant else None,
            height=variant.height if variant else None,
            psnr_before=round(psnr(source, clean), 3),
            psnr_after=round(after, 3) if after is not None else None,
            seconds=dict(job.timings),
            status=variant.state if variant and job.state == JobState.SUCCEEDED else job.state,
        )


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
    head = ["product", "before", "after", "PSNR before", "PSNR after", "gain", *steps, "state"]
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
    return [row.name, before, size, f"{row.psnr_before:.2f} dB", after, gain, *seconds, row.status]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *middle = (
        cell.ljust(width) if number == 0 else cell.rjust(width)
        for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *middle]).rstrip()
