"""The `plan` command: what this machine needs for pictures of given sizes, before they run."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import click

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.measuring import forget_costs
from enhancer_worker.engine.session import LevelSession, LoadedNet
from enhancer_worker.enhance_command import read_recipe
from enhancer_worker.errors import working
from enhancer_worker.folder import find_pictures
from enhancer_worker.pipeline.planning import JobPrediction, Planner, best_tile, net_runs
from shopimg.contract import CLEAN, EnhancementError, Recipe
from shopimg.contract.limits import check_source_size

_DEFAULT_SIZES = ("512x512", "1000x1000", "3000x2000")
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
_MEGABYTE = 1_000_000
_BUSY_SHARE = 0.5


@click.command()
@click.argument("sizes", nargs=-1, metavar="[WIDTHxHEIGHT | PICTURE | FOLDER]...")
@click.option("--recipe", "name", default=CLEAN.name, show_default=True, help="Recipe to predict.")
@click.option(
    "--recipes",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON file with recipes: name -> role -> steps and output.",
)
@click.option("--device", help="auto, cpu, cuda, cuda:N or torch-cpu.")
@click.option("--again", is_flag=True, help="Measure even what is known.")
@click.option(
    "--memory", type=click.IntRange(min=1), metavar="MB", help="Memory that tiles may take."
)
def plan(
    sizes: tuple[str, ...],
    name: str,
    recipes: Path | None,
    device: str | None,
    again: bool,
    memory: int | None,
) -> None:
    """Predict the time and memory of a recipe for sizes, pictures, or folders of pictures.

    The machine is measured once, medians of several runs; the figures are kept in
    ENHANCER_CACHE_DIR until the machine, the versions, the weights or the precision change, or
    until --again. FIRST is the time of the first job of a size, for which networks are compiled;
    loading them is not included.

    Exit status: 0 done, 1 the machine cannot run the recipe, 2 the command was not understood.
    """
    recipe = read_recipe(recipes, name)
    wanted = Counter(size for text in sizes or _DEFAULT_SIZES for size in parse_sizes(text))
    try:
        config = WorkerConfig.from_environment()
        config = replace(config, device=device) if device else config
        if again:
            forget_costs(config.cache_dir)
        _warn_if_busy()
        click.echo("Measuring what is not known of this machine yet ...", err=True)
        with working():
            found = _predict(config, recipe, list(wanted), (memory or math.inf) * _MEGABYTE)
    except EnhancementError as err:
        raise click.ClickException(err.detail or err.public_message) from err
    click.echo(
        f"{'size':>11}  {'seconds':>8}  {'first':>8}  {'MB':>6}  networks: tiles, fastest tile"
    )
    for size, job, best in found:
        click.echo(_row(size, job, best))
    if sizes and wanted.total() > 1:
        jobs = {size: job for size, job, _ in found}
        seconds = sum(jobs[size].seconds * count for size, count in wanted.items())
        seconds += sum(job.warm_up_seconds for job in jobs.values())
        counts = f"{wanted.total()} pictures of {len(wanted)} sizes"
        click.echo(f"{counts}: at most {seconds / 60:.1f} min in one process")


def parse_sizes(text: str) -> list[tuple[int, int]]:
    """Read a size, the size of a picture file, or those of all pictures below a folder.

    Args:
        text: such as ``1000x800``, or a path. Pictures of a folder that no worker takes are left
            out, and named on stderr.

    Returns:
        Width and height of each, pixels.

    Raises:
        click.BadParameter: it is none of these, or no worker takes an upload of that size.

    >>> parse_sizes("1000x800")
    [(1000, 800)]
    """
    match = _SIZE.fullmatch(text)
    if match:
        width, height = int(match[1]), int(match[2])
        try:
            check_source_size(width, height)
        except EnhancementError as err:
            raise click.BadParameter(f"{text}: {err.public_message}") from err
        return [(width, height)]
    if Path(text).is_file():
        return [_picture_size(Path(text))]
    if Path(text).is_dir():
        return _sizes_below(Path(text))
    raise click.BadParameter(f"{text!r} is neither WIDTHxHEIGHT nor a picture or a folder.")


def _sizes_below(folder: Path) -> list[tuple[int, int]]:
    found = []
    for path in find_pictures(folder):
        try:
            found.append(_picture_size(path))
        except click.BadParameter as err:
            click.echo(f"Left out: {err.message}", err=True)
    if not found:
        raise click.BadParameter(f"{folder}: there are no pictures.")
    return found


def _picture_size(path: Path) -> tuple[int, int]:
    from enhancer_worker.pipeline.decode import open_source  # noqa: PLC0415 - for files only

    try:
        return open_source(path.read_bytes()).size
    except EnhancementError as err:
        raise click.BadParameter(f"{path}: {err.public_message}") from err


def _predict(
    config: WorkerConfig, recipe: Recipe, sizes: list[tuple[int, int]], most_bytes: float
) -> list[tuple[tuple[int, int], JobPrediction, list[int]]]:
    """Predict a job of each size, and pick the fastest tile for each of its networks."""
    engine = Engine(config)
    try:
        planner = Planner(recipe, engine)
        found = []
        for size in sizes:
            job = planner.predict(size)
            runs = net_runs(*size, recipe, engine)
            best = [
                best_tile(net, run, planner.cost(net), engine, most_bytes)
                for net, run in zip(job.nets, runs, strict=True)
            ]
            found.append((size, job, [choice.tile_size for choice in best]))
        return found
    finally:
        engine.close()


def _row(size: tuple[int, int], job: JobPrediction, best: list[int]) -> str:
    networks = ", ".join(
        f"{net.name} on {net.session.device}: {run.tile_count} of {run.tile_size} px, "
        f"{_at_once(net, run.tile_size)} at once, best {tile} px"
        for net, run, tile in zip(job.nets, job.runs, best, strict=True)
    )
    label, first = f"{size[0]}x{size[1]}", job.seconds + job.warm_up_seconds
    figures = f"{job.seconds:>8.2f}  {first:>8.2f}  {job.peak_bytes / _MEGABYTE:>6.0f}"
    return f"{label:>11}  {figures}  {networks}"


def _at_once(net: LoadedNet, side: int) -> int:
    """Tiles that the device takes in one batch."""
    session = net.session
    return session.batch_for(side, side) if isinstance(session, LevelSession) else 1


def _warn_if_busy() -> None:
    """Say that others work on the machine: what is measured meanwhile is kept."""
    load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    if load > _BUSY_SHARE * cores:
        click.echo(
            f"The machine is busy (load {load:.1f} on {cores} cores): what is measured now comes "
            "out too slow. Run it once more with --again when the machine is quiet.",
            err=True,
        )
