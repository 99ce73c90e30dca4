"""Measures how far recipes move colours, and what the colour gate makes of it.

Run it as `python benchmarks/colour.py --data DIR [--limit N]`, with `DIR/benchmarks/b100` and
`DIR/uploads`; the sample catalogue of the demo shop comes with the project. Every picture is
repaired and enlarged two, three and four times. It prints its tables and writes them to
`benchmarks/results/colour.md`, and the figures to `colour.json`.
"""

from __future__ import annotations

import argparse
import io
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import page
from demoshop.degrade import degrade
from enhancer_worker.backend import NeuralEnhancer
from enhancer_worker.pipeline.colour import linear_from_srgb, srgb_from_linear
from enhancer_worker.pipeline.colour_gate import Colours, ColourVerdict
from enhancer_worker.pipeline.context import Picture
from shopimg.contract import Deadline, Output, Recipe, Restore, Role, Upscale

CATALOGUE = Path(__file__).parents[1] / "demoshop" / "catalogue"
GROUPS = {"b100", "uploads", "catalogue"}
TINT = np.array([0.06, -0.02, -0.08])
"""Share of light that is added to red, green and blue at the right side; none at the left."""
LIMITS = {"mean": 0.3, "p95": 1.0}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write.

    Returns:
        Exit status: 0; 1 where a picture is beyond the goals; 2 where a folder is missing.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the data")
    parser.add_argument("--limit", type=int, default=20, help="pictures of b100 and of uploads")
    parser.add_argument("--results", type=Path, default=page.RESULTS, help="folder to write to")
    arguments = parser.parse_args(argv)
    figures = page.circumstances()
    enhancer = NeuralEnhancer()
    pictures = list(sources(arguments.data, arguments.limit))
    if {group for group, *_ in pictures} != GROUPS:
        sys.stderr.write(f"{arguments.data} has no benchmarks/b100 or no uploads\n")
        return 2
    rows = [
        measure(enhancer, f"{group} x{scale}", name, content, scale)
        for scale in Upscale.SCALES
        for group, name, content in pictures
    ]
    whole = {**figures, "limits": LIMITS, "tint": TINT.tolist(), "pictures": rows}
    page.write("colour", whole, to_markdown(whole), arguments.results)
    return int(not all(within(row["after"]) and within(row["tinted_after"]) for row in rows))


def sources(data: Path, limit: int) -> Iterator[tuple[str, str, bytes]]:
    """Yield set, name and file of every picture; the catalogue as its sellers upload it."""
    folders = {"b100": data / "benchmarks" / "b100", "uploads": data / "uploads"}
    for name, folder in folders.items():
        for path in evenly(sorted(folder.glob("*.*")), limit):
            yield name, path.stem, path.read_bytes()
    for seed, path in enumerate(sorted(CATALOGUE.glob("*.jpg"))):
        yield "catalogue", path.stem, degrade(Image.open(path), seed)


def evenly(paths: Sequence[Path], limit: int) -> list[Path]:
    """Take up to so many, spread over all of them."""
    picked = np.linspace(0, len(paths) - 1, min(limit, len(paths))).round().astype(int)
    return [paths[position] for position in picked]


def measure(
    enhancer: NeuralEnhancer, group: str, name: str, content: bytes, scale: int
) -> dict[str, Any]:
    """Measure one picture as it is, and with a tint that no network made."""
    role = Role("main", (Restore(), Upscale(scale=scale)), Output("png"))
    recipe = Recipe("colour", (role,))
    (image,) = enhancer.enhance(content, recipe, deadline=Deadline(math.inf))
    seconds = {report.name: report.seconds for report in image.steps}
    before, after = read(content), read(image.content)
    tinted = Colours.of(before).judge(Picture(tint(after.pixels)))
    if tinted is None:
        raise ValueError(f"{name} is invisible")
    quality = image.quality
    return {
        "set": group,
        "name": name,
        "before": [quality[f"colour_shift_{kind}_uncorrected"] for kind in LIMITS],
        "after": [quality[f"colour_shift_{kind}"] for kind in LIMITS],
        "corrected": bool(quality["colour_corrected"]),
        "tinted_before": shift(tinted, "before"),
        "tinted_after": shift(tinted, "after"),
        "tinted_psnr": psnr(tinted.picture.pixels, after.pixels),
        "seconds": seconds,
        "gate_share": seconds["colour_gate"] / sum(seconds.values()),
    }


def shift(verdict: ColourVerdict, when: str) -> list[float]:
    """Return mean and p95."""
    measured = getattr(verdict, when)
    return [round(measured.mean, 4), round(measured.p95, 4)]


def read(content: bytes) -> Picture:
    """Decode a picture that needs no care."""
    return Picture(np.array(Image.open(io.BytesIO(content)).convert("RGB")))


def tint(pixels: np.ndarray) -> np.ndarray:
    """Warm a picture, more and more from left to right, as light would."""
    gains = 1 + np.linspace(0, 1, pixels.shape[1])[:, None] * TINT
    light = np.clip(linear_from_srgb(pixels / 255) * gains, 0, 1)
    return np.rint(srgb_from_linear(light) * 255).astype(np.uint8)


def psnr(pixels: np.ndarray, reference: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB over all RGB values."""
    error = float(np.mean((pixels.astype(float) - reference) ** 2))
    return math.inf if error == 0 else round(10 * math.log10(255**2 / error), 2)


def within(figures: Sequence[float]) -> bool:
    """Tell whether a mean and a p95 are within the goals."""
    return all(value <= limit for value, limit in zip(figures, LIMITS.values(), strict=True))


def to_markdown(figures: dict[str, Any]) -> list[str]:
    """Lay the figures out as a page."""
    rows = figures["pictures"]
    share = median(row["gate_share"] for row in rows)
    return [
        "# Colour",
        "",
        page.preface(figures, "python benchmarks/colour.py --data DIR"),
        "",
        "CIEDE2000 between upload and result of `restore` and `upscale`, over areas of at least "
        "32 pixels of the upload. Goals: a mean of 0.3, a p95 of 1. `tinted` is the same result "
        f"after its light was changed by {', '.join(f'{gain:+.0%}' for gain in TINT)} (red, "
        "green, blue) towards the right side: what the gate is for. PSNR is that of the tinted "
        "and corrected result against the untinted one.",
        "",
        f"The gate takes {share:.1%} of a job's time (median).",
        "",
        *page.markdown_table(
            ["set", "pictures", "corrected", *_columns("recipe"), *_columns("tinted"), "PSNR"],
            [_summary(rows, name) for name in dict.fromkeys(row["set"] for row in rows)],
        ),
        "",
        "Every picture:",
        "",
        *page.markdown_table(
            ["set", "picture", *_columns("recipe"), *_columns("tinted"), "PSNR"],
            [_line(row) for row in rows],
        ),
    ]


def _columns(name: str) -> list[str]:
    return [f"{name}, mean / p95", f"{name}, after the gate"]


def _summary(rows: Sequence[dict[str, Any]], name: str) -> list[str]:
    mine = [row for row in rows if row["set"] == name]
    kinds = ("before", "after", "tinted_before", "tinted_after")
    worst = [_pair([max(row[kind][i] for row in mine) for i in (0, 1)]) for kind in kinds]
    corrected = sum(row["corrected"] for row in mine)
    quality = fmean(min(row["tinted_psnr"], 99) for row in mine)
    return [f"{name}, worst", str(len(mine)), str(corrected), *worst, f"{quality:.1f}"]


def _line(row: dict[str, Any]) -> list[str]:
    kinds = ("before", "after", "tinted_before", "tinted_after")
    pairs = [_pair(row[kind]) for kind in kinds]
    return [row["set"], row["name"], *pairs, f"{row['tinted_psnr']:.1f}"]


def _pair(values: Sequence[float]) -> str:
    return f"{values[0]:.2f} / {values[1]:.2f}"


if __name__ == "__main__":
    sys.exit(main())
