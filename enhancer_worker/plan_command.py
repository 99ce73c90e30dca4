"""The `plan` command: what this machine needs for pictures of given sizes, before they run."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import click

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.measuring import cost_of
from enhancer_worker.enhance_command import read_recipe
from enhancer_worker.pipeline.planning import (
    JobPrediction,
    TimedEngine,
    best_tile,
    measure_surroundings,
    net_runs,
    predict_job,
)
from shopimg.contract import CLEAN, Deadline, EnhancementError, Recipe

_DEFAULT_SIZES = ("512x512", "1000x1000", "3000x2000")
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
_MEGABYTE = 1_000_000


@click.command()
@click.argument("sizes", nargs=-1, metavar="[WIDTHxHEIGHT | PICTURE]...")
@click.option("--recipe", "name", default=CLEAN.name, show_default=True, help="Recipe to predict.")
@click.option(
    "--recipes",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON file with recipes: name -> role -> steps and output.",
)
@click.option("--device", help="auto, cpu, cuda, cuda:N or torch-cpu.")
@click.option(
    "--memory", type=click.IntRange(min=1), metavar="MB", help="Memory that tiles may take."
)
def plan(
    sizes: tuple[str, ...],
    name: str,
    recipes: Path | None,
    device: str | None,
    memory: int | None,
) -> None:
    """Predict the time and memory of a recipe for pictures of SIZES.

    The networks are measured once; the figures are kept in ENHANCER_CACHE_DIR until the machine,
    the versions, the weights or the precision change. Time for the first job, which loads and
    compiles networks, is not included.

    Exit status: 0 done, 1 the machine cannot run the recipe, 2 the command was not understood.
    """
    recipe = read_recipe(recipes, name)
    wanted = [parse_size(text) for text in sizes or _DEFAULT_SIZES]
    try:
        config = WorkerConfig.from_environment()
        config = replace(config, device=device) if device else config
        rows = list(_rows(config, recipe, wanted, (memory or math.inf) * _MEGABYTE))
    except EnhancementError as err:
        raise click.ClickException(err.detail or err.public_message) from err
    click.echo(f"{'size':>11}  {'seconds':>8}  {'MB':>6}  networks: tiles, fastest tile")
    for row in rows:
        click.echo(row)


def parse_size(text: str) -> tuple[int, int]:
    """Read a size, or the size of a picture file.

    Args:
        text: such as ``1000x800``, or a path.

    Returns:
        Width and height, pixels, above 0.

    Raises:
        click.BadParameter: it is neither.

    >>> parse_size("1000x800")
    (1000, 800)
    """
    match = _SIZE.fullmatch(text)
    if match:
        width, height = int(match[1]), int(match[2])
        if width and height:
            return width, height
    elif Path(text).is_file():
        return _picture_size(Path(text))
    raise click.BadParameter(f"{text!r} is neither WIDTHxHEIGHT nor a picture.")


def _picture_size(path: Path) -> tuple[int, int]:
    from enhancer_worker.pipeline.decode import open_source  # noqa: PLC0415 - for files only

    try:
        return open_source(path.read_bytes()).size
    except EnhancementError as err:
        raise click.BadParameter(f"{path}: {err.public_message}") from err


def _rows(
    config: WorkerConfig, recipe: Recipe, sizes: list[tuple[int, int]], most_bytes: float
) -> list[str]:
    engine = TimedEngine(config)
    try:
        runs = [list(net_runs(*size, recipe, engine)) for size in sizes]
        nets = {run.net.name: run.net for found in runs for run in found}
        costs = {name: cost_of(net, config.threads, config.cache_dir) for name, net in nets.items()}
        around = measure_surroundings(recipe, engine, Deadline(math.inf))
        rows = []
        for size, found in zip(sizes, runs, strict=True):
            job = predict_job(size, recipe, engine, costs, around)
            best = [best_tile(run, costs[run.net.name], engine, most_bytes) for run in found]
            rows.append(_row(size, job, [choice.tile_size for choice in best]))
        return rows
    finally:
        engine.close()


def _row(size: tuple[int, int], job: JobPrediction, best: list[int]) -> str:
    networks = ", ".join(
        f"{name}: {run.tile_count} of {run.tile_size} px, best {tile} px"
        for name, run, tile in zip(job.nets, job.runs, best, strict=True)
    )
    label = f"{size[0]}x{size[1]}"
    return f"{label:>11}  {job.seconds:>8.2f}  {job.peak_bytes / _MEGABYTE:>6.0f}  {networks}"
