"""Writes the training pictures of backdrops, each beside a JSON file of its exact conditions."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np
from PIL import Image

from enhancer_worker.training.backdrops.photographs import find_views
from enhancer_worker.training.backdrops.scenes import (
    Scene,
    drawn,
    mixed,
    photographed,
    principal_latents,
)
from enhancer_worker.training.backdrops.shading import BOKEH

DRAWN_STYLES = (
    "studio_white",
    "studio_gradient",
    "cove",
    "wood_table",
    "marble",
    "concrete",
    "fabric",
)
HELD_OUT_ONE_IN = 10
QUALITY = 95


def drawn_scenes(count: int, seed: int) -> Iterator[Scene]:
    """Draw scenes of all styles in turn; every tenth is held out."""
    for number in range(count):
        style = DRAWN_STYLES[number % len(DRAWN_STYLES)]
        held_out = number // len(DRAWN_STYLES) % HELD_OUT_ONE_IN == 0
        rng = np.random.default_rng((seed, number))
        yield drawn(f"drawn-{number:05d}", style, rng, is_held_out=held_out)


def mixed_scenes(data: Path, count: int, seed: int) -> Iterator[Scene]:
    """Set drawn tables before photographs; views of held-out panoramas are held out."""
    views = find_views(data)
    for number in range(count):
        rng = np.random.default_rng((seed, 1, number))
        yield mixed(f"mixed-{number:05d}", views[number % len(views)], rng)


def photographed_scenes(data: Path, seed: int) -> Iterator[Scene]:
    """Take each photograph once."""
    for number, view in enumerate(find_views(data)):
        rng = np.random.default_rng((seed, 2, number))
        yield photographed(f"photograph-{view.path.stem}", view, rng)


def write_scenes(scenes: Sequence[Scene], out: Path, seed: int) -> None:
    """Write `NAME.jpg` and `NAME.json` of each.

    Args:
        scenes: of any styles.
        out: folder.
        seed: of the numbers that describe nothing.
    """
    out.mkdir(parents=True, exist_ok=True)
    latents: dict[str, list[float]] = {}
    for style in BOKEH:
        known = [s for s in scenes if s.layout is not None and s.conditions.style == style]
        layouts = [s.layout for s in known if s.layout is not None]
        if layouts:
            found = principal_latents(layouts, np.random.default_rng((seed, 3)))
            latents |= {s.name: latent for s, latent in zip(known, found, strict=True)}
    for scene in scenes:
        image = Image.fromarray(scene.picture)
        image.save(out / f"{scene.name}.jpg", quality=QUALITY, subsampling=0)
        plain = scene.to_plain(latents.get(scene.name))
        (out / f"{scene.name}.json").write_text(json.dumps(plain))


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write to.")
@click.option("--drawn", "drawn_count", default=1750, show_default=True, help="By closed form.")
@click.option("--mixed", "mixed_count", default=700, show_default=True, help="Before photographs.")
@click.option("--path-traced", default=0, show_default=True, help="By Mitsuba, seconds each.")
@click.option("--minutes", default=20.0, show_default=True, help="For the path-traced ones.")
@click.option("--seed", default=1, show_default=True)
def prepare_backdrops(
    data: Path | None,
    out: Path,
    drawn_count: int,
    mixed_count: int,
    path_traced: int,
    minutes: float,
    seed: int,
) -> None:
    """Write training pictures of backdrops with their exact conditions.

    DATA holds `backdrops/` and `textures/`; without it only drawn scenes are made.
    """
    scenes = list(_counted(drawn_scenes(drawn_count, seed), drawn_count, "Drawing"))
    if data is not None and mixed_count:
        scenes += _counted(mixed_scenes(data, mixed_count, seed), mixed_count, "Mixing")
        scenes += photographed_scenes(data, seed)
    write_scenes(scenes, out, seed)
    made = Counter(scene.source for scene in scenes)
    if path_traced:
        from enhancer_worker.training.backdrops.path_traced import (  # noqa: PLC0415 - render extra
            path_traced_scenes,
        )

        for scene in path_traced_scenes(data, path_traced, minutes * 60, seed):
            write_scenes([scene], out, seed)
            made[scene.source] += 1
    click.echo("  ".join(f"{source} {count}" for source, count in sorted(made.items())))


def _counted(scenes: Iterator[Scene], count: int, label: str) -> list[Scene]:
    with click.progressbar(scenes, length=count, label=label, file=sys.stderr) as bar:
        return list(bar)
