"""Measures what the limits of the review hold back: bad results, and good ones by mistake.

Run it as `python benchmarks/limits.py --data DIR --renderings DIR [--limit N]`, with the held-out
cut-outs and backgrounds below `--data` and what `render_scans --held-out` has written. Every
picture goes through the last steps of the recipe `white`. It prints its tables and writes them to
`benchmarks/results/limits.md`, and the figures to `limits.json`.
"""

from __future__ import annotations

import argparse
import functools
import io
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import page
from enhancer_worker.backend import NeuralEnhancer
from enhancer_worker.config import WorkerConfig
from enhancer_worker.matting.confidence import GOOD_IOU
from enhancer_worker.training.matting_metrics import region_figures
from enhancer_worker.training.matting_sets import Judged, matting_test
from shopimg.contract import (
    WHITE,
    Backdrop,
    Cutout,
    Deadline,
    Frame,
    Output,
    PixelLockError,
    ProductNotFoundError,
    Recipe,
    Role,
)
from shopimg.reasons import LIMITS, Limit

CONFIDENCES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
HALOS = (4.0, 6.0, 8.0, 10.0, 12.0, 16.0)
SHARES = (0.95, 0.97, 0.98, 0.99, 0.995, 1.0)
FORMATS = ("jpeg", "webp", "avif")
"""Of the files in which the white is measured; the built-in recipe writes PNG, all white."""
SIDE = 1000
"""Of the frame, pixels: the smallest that marketplaces enlarge."""
CONFIG = WorkerConfig.from_environment({"ENHANCER_STEP_CACHE_MEGABYTES": "0"})
"""Nothing is kept for later: no picture comes twice."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write.

    Returns:
        Exit status: 0; 2 where a folder is missing.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the data")
    parser.add_argument("--renderings", type=Path, help="of held-out scans; default: none")
    parser.add_argument("--limit", type=int, default=0, help="pictures per kind; 0: all")
    parser.add_argument("--results", type=Path, default=page.RESULTS, help="folder to write to")
    arguments = parser.parse_args(argv)
    if not (arguments.data / "cutouts").is_dir():
        sys.stderr.write(f"{arguments.data} has no cutouts\n")
        return 2
    figures = page.circumstances()
    enhancer = NeuralEnhancer(CONFIG)
    pictures = matting_test(arguments.data, arguments.renderings, arguments.limit)
    rows = [measure(enhancer, picture) for picture in pictures]
    whole = {**figures, "good_iou": GOOD_IOU, "side": SIDE, "pictures": rows}
    page.write("limits", whole, to_lines(whole), arguments.results)
    return 0


def recipe(*formats: str) -> Recipe:
    """Return the last steps of `white` in a smaller frame, as files of PNG and of other formats."""
    (role,) = WHITE.roles
    steps = tuple(
        replace(step, width=SIDE, height=SIDE) if isinstance(step, Frame) else step
        for step in role.steps
        if isinstance(step, (Cutout, Frame, Backdrop))
    )
    roles = (Role(name, steps, Output(name)) for name in ("png", *formats))
    return Recipe("limits", tuple(roles))


def measure(enhancer: NeuralEnhancer, judged: Judged) -> dict[str, Any]:
    """Cut a picture out, set it before white, and compare the cut-out with the truth.

    Returns:
        Figures; without those of other formats where one is too far from its product, and only
        ``failure`` where no product was found.
    """
    buffer = io.BytesIO()
    Image.fromarray(judged.picture).save(buffer, "PNG", compress_level=1)
    enhance = functools.partial(enhancer.enhance, buffer.getvalue(), deadline=Deadline(math.inf))
    row: dict[str, Any] = {"kind": judged.kind}
    try:
        images = enhance(recipe(*FORMATS))
    except PixelLockError:
        images = enhance(recipe())
    except ProductNotFoundError as err:
        return row | {"failure": str(err)}
    with Image.open(io.BytesIO(images[0].mask)) as mask:
        row |= region_figures(np.asarray(mask), judged.alpha)
    row |= {name: images[0].quality[name] for name in ("cutout_confidence", "white_halo")}
    return row | {f"white_share_{image.role}": image.quality.get("white_share") for image in images}


def outcome(rows: Sequence[Mapping[str, Any]], limits: Mapping[str, Limit]) -> dict[str, float]:
    """Tell what limits do.

    Args:
        rows: of pictures, with `iou` and the figures.
        limits: how figures are judged, by name; a picture is held where one is beyond its own.

    Returns:
        Shares: of all pictures that are held, of the bad ones that are held, of the good ones that
        are, and of bad ones among those that pass.
    """
    held = [not all(limit.holds(row[name]) for name, limit in limits.items()) for row in rows]
    bad = [row["iou"] < GOOD_IOU for row in rows]
    pairs = list(zip(held, bad, strict=True))
    return {
        "held": _share(held),
        "bad_held": _share([is_held for is_held, is_bad in pairs if is_bad]),
        "good_held": _share([is_held for is_held, is_bad in pairs if not is_bad]),
        "bad_passed": _share([is_bad for is_held, is_bad in pairs if not is_held]),
    }


def to_lines(figures: Mapping[str, Any]) -> list[str]:
    """Lay the figures out as a page."""
    rows = [row for row in figures["pictures"] if "failure" not in row]
    bad = sum(row["iou"] < GOOD_IOU for row in rows)
    both = outcome(rows, {name: LIMITS[name] for name in ("cutout_confidence", "white_halo")})
    return [
        "# Limits of the review",
        "",
        page.preface(figures, "python benchmarks/limits.py --data DIR --renderings DIR"),
        "",
        f"{len(figures['pictures'])} held-out composites and renderings, {_kinds(figures)}. In "
        f"{len(figures['pictures']) - len(rows)} no product was found: such jobs fail. Of the "
        f"others {bad} are cut out badly, to an IoU below {GOOD_IOU}. The confidence was "
        "calibrated on other composites of the same products and backgrounds. The limit in force "
        "is bold.",
        "",
        "## Confidence of the cut-out, at least",
        "",
        *_cutout_table(rows, "cutout_confidence", CONFIDENCES),
        "",
        "## Old background at the edge, at most",
        "",
        f"CIEDE2000, in a frame of {figures['side']} pixels.",
        "",
        *_cutout_table(rows, "white_halo", HALOS),
        "",
        f"In force together, both hold {both['bad_held']:.0%} of the bad and "
        f"{both['good_held']:.0%} of the good.",
        "",
        "## Share of exact white, at least",
        "",
        f"Share of the pictures that are held, by the format of their file (quality "
        f"{Output().quality}); it does not depend on how well a product is cut out. PNG files, as "
        "`white` writes them, are white.",
        "",
        *_white_table(rows),
    ]


def _kinds(figures: Mapping[str, Any]) -> str:
    kinds = [row["kind"] for row in figures["pictures"]]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))


def _cutout_table(
    rows: Sequence[Mapping[str, Any]], name: str, values: Sequence[float]
) -> list[str]:
    header = ["limit", "held", "of the bad", "of the good", "bad among those that pass"]
    lines = []
    for value in values:
        found = outcome(rows, {name: _limit(name, value)})
        lines.append([_cell(name, value), *(f"{share:.0%}" for share in found.values())])
    return page.markdown_table(header, lines)


def _white_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for value in SHARES:
        limit, cells = _limit("white_share", value), []
        for name in FORMATS:
            found = [row.get(f"white_share_{name}") for row in rows]
            cells.append(_share([not limit.holds(one) for one in found if one is not None]))
        lines.append([_cell("white_share", value), *(f"{cell:.0%}" for cell in cells)])
    return page.markdown_table(["limit", *FORMATS], lines)


def _limit(name: str, value: float) -> Limit:
    """The limit of a figure, moved."""
    limit = LIMITS[name]
    side = "largest" if limit.smallest is None else "smallest"
    return replace(limit, **{side: value})


def _cell(name: str, value: float) -> str:
    return f"**{value:g}**" if LIMITS[name] == _limit(name, value) else f"{value:g}"


def _share(found: Sequence[bool]) -> float:
    return sum(found) / len(found) if found else 0.0


if __name__ == "__main__":
    sys.exit(main())
