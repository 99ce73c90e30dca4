"""The `enhance` command: files and folders in, files out, without a shop."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from pathlib import Path
from typing import Any

import click

from enhancer_worker.backend import NeuralEnhancer
from enhancer_worker.config import WorkerConfig
from enhancer_worker.folder import (
    SKIPPED,
    Job,
    Options,
    find_jobs,
    missing,
    run_job,
    taken_twice,
)
from shopimg.contract import BUILT_IN, CLEAN, EnhancementError, Recipe, Role, Upscale


@click.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--recipe", "name", default=CLEAN.name, show_default=True, help="Recipe to run.")
@click.option(
    "--recipes",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON file with recipes: name -> role -> steps and output.",
)
@click.option("--scale", type=int, metavar="2|3|4", help="Enlarge by this factor.")
@click.option("--to", type=int, metavar="PIXELS", help="Enlarge until the longest side has these.")
@click.option(
    "--flavour",
    type=click.Choice(Upscale.CHOICES),
    help="Enlarge with the networks for photographs with mild damage, with those faithful to every "
    "pixel of others, or with what suits the picture.",
)
@click.option(
    "--strength",
    type=float,
    metavar="0..1",
    help="Share of the networks' detail over plain resampling in what is enlarged.",
)
@click.option("--device", help="auto, cpu, cuda, cuda:N or torch-cpu.")
@click.option("--timeout", default=math.inf, help="Seconds allowed for one picture.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per picture.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there already.")
@click.option("--dry-run", is_flag=True, help="Say what would be enhanced, and do nothing.")
def enhance(source: Path, target: Path, **options: Any) -> None:
    """Enhance the picture SOURCE, or all pictures below the folder SOURCE, into TARGET.

    TARGET is a folder where SOURCE is one; folders below it are kept. Neither lies in the other:
    originals are never altered. A file's ending is that of the format that is written. With several
    roles, the role's name becomes part of the file name, and of several candidates the number.

    Pictures whose results are there already are skipped, so that a run that was interrupted can be
    resumed by the same command.

    --scale, --to, --flavour and --strength take the place of what the recipe says of enlarging.

    Exit status: 0 all are there, 1 some pictures failed, 2 the command was not understood.
    """
    recipe = _changed(read_recipe(options["recipes"], options["name"]), options)
    config = _read_config(options["device"])
    jobs = _find_jobs(source, target)
    if not jobs:
        raise click.ClickException(f"There are no pictures in {source}.")
    run_options = Options(recipe, options["timeout"], options["overwrite"])
    if options["dry_run"]:
        _print_plan(jobs, run_options)
        return
    failed = _run_all(NeuralEnhancer(config), jobs, run_options, as_json=options["as_json"])
    if failed:
        click.echo(f"{failed} of {len(jobs)} pictures failed.", err=True)
        sys.exit(1)


def _find_jobs(source: Path, target: Path) -> list[Job]:
    try:
        jobs = find_jobs(source, target)
    except ValueError as err:
        raise click.UsageError(str(err)) from err
    if pair := taken_twice(jobs):
        names = " and ".join(str(job.source) for job in pair)
        raise click.UsageError(f"{names} would be one file. Rename one of them.")
    return jobs


def _run_all(enhancer: NeuralEnhancer, jobs: list[Job], options: Options, *, as_json: bool) -> int:
    """Enhance all, report each, and count the failures."""
    results = []
    hidden = as_json or len(jobs) == 1
    with click.progressbar(jobs, label="Enhancing", file=sys.stderr, hidden=hidden) as bar:
        for job in bar:
            result = run_job(enhancer, job, options)
            results.append(result)
            if as_json:
                click.echo(json.dumps(result))
    enhancer.close()
    if not as_json:
        for result in results:
            _print_result(result)
    return sum("error" in result for result in results)


def _print_plan(jobs: list[Job], options: Options) -> None:
    recipe = options.recipe
    roles = ", ".join(role.name for role in recipe.roles)
    for job in jobs:
        wanted = missing(job, options)
        if not wanted:
            click.echo(f"{job.source}: skipped: {SKIPPED}")
        for path in wanted.values():
            click.echo(f"{job.source} -> {path}")
    click.echo(f"{len(jobs)} pictures, recipe {recipe.name}, roles: {roles}. Nothing was written.")


def _print_result(result: dict[str, Any]) -> None:
    if "error" in result:
        click.echo(f"{result['source']}: {result['error']} [{result['code']}]", err=True)
    if "skipped" in result:
        click.echo(f"{result['source']}: skipped: {result['skipped']}")
        return
    for output in result.get("outputs", ()):
        size = f"{output['width']}x{output['height']}"
        click.echo(f"{output['path']}  {size}  {result['seconds']:.1f} s")


def read_recipe(path: Path | None, name: str) -> Recipe:
    """Find the recipe that the options ``--recipe`` and ``--recipes`` name.

    Args:
        path: JSON file of recipes; None for those that are always there.
        name: of the recipe.

    Raises:
        click.UsageError: there is no such recipe, or the file is not understood.
    """
    if path is None:
        if name in BUILT_IN:
            return BUILT_IN[name]
        known = ", ".join(BUILT_IN)
        raise click.UsageError(f"There is no recipe {name!r}, only {known}, or --recipes FILE.")
    try:
        tables = json.loads(path.read_text())
        if name not in tables:
            raise click.UsageError(f"{path} has no recipe {name!r}, only {', '.join(tables)}.")
        return Recipe.parse(name, tables[name])
    except (ValueError, TypeError) as err:
        raise click.UsageError(f"{path} is not a JSON table of recipes: {err}") from err
    except EnhancementError as err:
        raise click.UsageError(str(err)) from err


def _changed(recipe: Recipe, options: dict[str, Any]) -> Recipe:
    """Put the options of the command line into every step that enlarges."""
    changes = {
        name: options[name]
        for name in ("scale", "to", "flavour", "strength")
        if options[name] is not None
    }
    if not changes:
        return recipe
    if not any(isinstance(step, Upscale) for role in recipe.roles for step in role.steps):
        raise click.UsageError(f"The recipe {recipe.name!r} does not enlarge.")
    if {"scale", "to"} & set(changes):
        changes = {"scale": None, "to": None, **changes}
    try:
        roles = tuple(_changed_role(role, changes) for role in recipe.roles)
    except EnhancementError as err:
        raise click.UsageError(str(err)) from err
    return dataclasses.replace(recipe, roles=roles)


def _changed_role(role: Role, changes: dict[str, Any]) -> Role:
    steps = (
        dataclasses.replace(step, **changes) if isinstance(step, Upscale) else step
        for step in role.steps
    )
    return dataclasses.replace(role, steps=tuple(steps))


def _read_config(device: str | None) -> WorkerConfig:
    try:
        config = WorkerConfig.from_environment()
        return dataclasses.replace(config, device=device) if device else config
    except EnhancementError as err:
        raise click.UsageError(err.detail) from err
