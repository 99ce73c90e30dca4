"""Writes the training pictures of backdrops, each beside a JSON file of its exact conditions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

from enhancer_worker.training.backdrops.photo_scenes import SURFACES, mixed, panel, surfaced
from enhancer_worker.training.backdrops.photographs import Photograph, find_chosen, find_views
from enhancer_worker.training.backdrops.samples import PANELS
from enhancer_worker.training.backdrops.scenes import Scene, drawn
from enhancer_worker.training.backdrops.shading import BOKEH
from enhancer_worker.training.backdrops.writing import counted, scenes_of, write_scenes

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


def drawn_scenes(count: int, seed: int) -> Iterator[Scene]:
    """Draw scenes of all styles in turn; every tenth is held out."""
    for number in range(count):
        style = DRAWN_STYLES[number % len(DRAWN_STYLES)]
        held_out = number // len(DRAWN_STYLES) % HELD_OUT_ONE_IN == 0
        rng = np.random.default_rng((seed, number))
        yield drawn(f"drawn-{number:05d}", style, rng, is_held_out=held_out)


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write to.")
@click.option("--drawn", "drawn_count", default=1750, show_default=True, help="By closed form.")
@click.option("--mixed", "mixed_count", default=700, show_default=True, help="Before photographs.")
@click.option(
    "--surfaced", "surfaced_count", default=140, show_default=True, help="On photographs."
)
@click.option("--panels", "panel_count", default=2400, show_default=True, help="Behind tables.")
@click.option("--path-traced", default=0, show_default=True, help="By Mitsuba, seconds each.")
@click.option("--minutes", default=20.0, show_default=True, help="For the path-traced ones.")
@click.option("--seed", default=1, show_default=True)
def prepare_backdrops(
    data: Path | None,
    out: Path,
    drawn_count: int,
    mixed_count: int,
    surfaced_count: int,
    panel_count: int,
    path_traced: int,
    minutes: float,
    seed: int,
) -> None:
    """Write training pictures of backdrops with their exact conditions.

    DATA holds `backdrops/` and, where there are, `photos/`, `textures/` and `panoramas/`; without
    it only drawn scenes are made.
    """
    views: list[Photograph] = []
    if data is not None and (mixed_count or panel_count):
        # Before anything is drawn, which takes long and would be for nothing where there are none.
        views = [*find_views(data), *find_chosen(data, BOKEH)]
    made = write_scenes(counted(drawn_scenes(drawn_count, seed), drawn_count, "Drawing"), out)
    if data is not None:
        surfaces = find_chosen(data, SURFACES)
        kinds = (
            (mixed, views, mixed_count, out),
            (surfaced, surfaces, surfaced_count if surfaces else 0, out),
            (panel, views, panel_count, out / PANELS),
        )
        for stream, (make, photos, count, folder) in enumerate(kinds):
            named = scenes_of(make, photos, count, (seed, stream))
            made += write_scenes(counted(named, count, make.__name__.capitalize()), folder)
    if path_traced:
        from enhancer_worker.training.backdrops.path_traced import (  # noqa: PLC0415 - render extra
            path_traced_scenes,
        )

        made += write_scenes(path_traced_scenes(data, path_traced, minutes * 60, seed), out)
    click.echo("  ".join(f"{source} {count}" for source, count in sorted(made.items())))
