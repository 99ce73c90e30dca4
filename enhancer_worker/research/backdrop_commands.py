"""Command lines that judge backdrop generators and draw sheets of what they make."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from PIL import Image

from enhancer_worker.nets.manifest import SHIPPED_WEIGHTS
from enhancer_worker.research.backdrop_contenders import Painter, network, no_network
from enhancer_worker.research.backdrop_scores import judge, judge_real, per_style, read_bench
from enhancer_worker.training.data import Tile

NETWORK_FILE = "backdrop_s.safetensors"
MOST_SHEET_BYTES = 150_000
_QUALITIES = (88, 80, 70, 60, 50, 40)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("evaluate-backdrops")
@click.option("--data", type=_FOLDER, required=True, help="Written by prepare-backdrops.")
@click.option("--net", "nets", type=_FILE, multiple=True, help="Weights; the shipped by default.")
@click.option(
    "--inception", type=_FILE, help="Weights of Inception-v3, as torch-fidelity has them."
)
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
@click.option("--threads", default=1, show_default=True)
def evaluate_backdrops(
    data: Path, nets: Sequence[Path], inception: Path | None, out: Path | None, threads: int
) -> None:
    """Judge generators of backdrops on held-out pictures, beside real ones and no network.

    Figures end in `own`: their features are those of our restorer, and they must not be compared
    with published ones. KID, FID and IS on Inception's features come with --inception.
    """
    chosen = nets or (SHIPPED_WEIGHTS / NETWORK_FILE,)
    text = json.dumps(figures_of(data, chosen, threads, inception), indent=2)
    if out is not None:
        out.write_text(text + "\n")
    click.echo(text)


def figures_of(
    data: Path, nets: Sequence[Path], threads: int = 1, inception: Path | None = None
) -> dict[str, Any]:
    """Figures of real halves, each network and the baseline, by name.

    Raises:
        NoTrainingImagesError: there are no prepared pictures.
        WorkerError: a file holds other weights than it should.
    """
    torch.set_num_threads(threads)
    bench = read_bench(data, inception=inception)
    contenders: dict[str, Painter] = {
        name: network(path) for name, path in zip(_names(nets), nets, strict=True)
    }
    results: dict[str, Mapping[str, Any]] = {"real halves": judge_real(bench)}
    results |= {name: judge(bench, paint) for name, paint in contenders.items()}
    results["no network"] = judge(bench, no_network)
    published = {} if bench.inception is None else {"inception": bench.inception.name}
    return {"features": bench.network.name, **published, "results": results}


def _names(nets: Sequence[Path]) -> list[str]:
    """Name networks by their files, and where two have one name by their folders, too."""
    stems = [path.stem for path in nets]
    return [
        path.stem if stems.count(path.stem) == 1 else str(path.with_suffix("")) for path in nets
    ]


@click.command("backdrop-sheets")
@click.option("--data", type=_FOLDER, required=True, help="Written by prepare-backdrops.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for STYLE.jpg.")
@click.option("--net", type=_FILE, default=SHIPPED_WEIGHTS / NETWORK_FILE, show_default="shipped")
@click.option("--count", default=64, show_default=True, help="Pictures of each style.")
@click.option("--side", default=96, show_default=True, help="Pixels of each.")
def backdrop_sheets(data: Path, out: Path, net: Path, count: int, side: int) -> None:
    """Draw a sheet of each style at held-out conditions, none chosen by anybody."""
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    for style, pictures in per_style(read_bench(data), network(net), count).items():
        save_small(sheet(pictures, side), out / f"{style}.jpg")
        click.echo(f"{style}.jpg")


def sheet(pictures: Sequence[Tile], side: int) -> Image.Image:
    """Lay pictures out in a square, row by row."""
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    result = Image.new("RGB", (columns * side, rows * side), "white")
    for number, picture in enumerate(pictures):
        small = Image.fromarray(np.asarray(picture)).resize((side, side), Image.Resampling.LANCZOS)
        result.paste(small, (number % columns * side, number // columns * side))
    return result


def save_small(image: Image.Image, path: Path) -> None:
    """Write a JPEG of 150 kB at most, in the best quality that fits."""
    for quality in _QUALITIES:
        image.save(path, quality=quality, optimize=True)
        if path.stat().st_size <= MOST_SHEET_BYTES:
            return
