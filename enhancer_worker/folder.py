"""Enhances picture files into other files: names, folders, failures of single files."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from enhancer_worker.engine.files import write_whole
from shopimg.contract import (
    MIME_TYPES,
    Deadline,
    EnhancedImage,
    EnhancementError,
    Enhancer,
    Recipe,
    WorkerError,
)

MASKS = "masks"
"""Folder beside photographs: of NAME.jpg it has NAME.png, white where the product is."""
SKIPPED = "there already"
"""Why a picture is skipped: a run that was interrupted goes on where it was."""
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".avif"})
_ENDINGS = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "image/avif": ".avif",
}

Picture = tuple[str, int]
"""A role's name, and the number of one of its candidates, from 0."""


@dataclass(frozen=True, slots=True)
class Job:
    """One file to enhance."""

    source: Path
    """The picture."""
    target: Path
    """Where the result belongs; the ending follows the format that is written."""


@dataclass(frozen=True, slots=True)
class Options:
    """What applies to every file of one run."""

    recipe: Recipe
    """What to make."""
    timeout_seconds: float
    """Time allowed for one file."""
    overwrite: bool
    """Whether files that are there already are replaced."""


def find_jobs(source: Path, target: Path) -> list[Job]:
    """List what is to be done.

    Args:
        source: a picture, or a folder that is searched with all folders below it.
        target: a file or folder; a folder where the source is one, and then folders are kept.

    Returns:
        Jobs in the order of their paths.

    Raises:
        ValueError: the target is a file for a folder, or lies where results and originals would
            mix.
    """
    if source.is_file():
        job = Job(source, target / source.name if target.is_dir() else target)
        if any(_is_same(path, source) for path in _pictures_named(job.target)):
            raise ValueError(_mixed(target, "is the source itself"))
        return [job]
    if target.is_file():
        raise ValueError(f"{target} is a file, and SOURCE a folder.")
    if _lies_in(target, source):
        raise ValueError(_mixed(target, "is the source or lies inside it"))
    if _lies_in(source, target):
        raise ValueError(_mixed(target, "contains the source"))
    return [Job(path, target / path.relative_to(source)) for path in find_pictures(source)]


def find_pictures(folder: Path, suffixes: Collection[str] = _SUFFIXES) -> list[Path]:
    """List the files below a folder that are named like pictures, in the order of their paths.

    Those in a folder ``MASKS`` that have the name of a picture beside it say where the product of
    that one is, and are not listed.

    Args:
        folder: searched with all folders below it.
        suffixes: lower case, with their dots; those of uploads if not given.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes)
    names = {path.with_suffix("") for path in found}
    masks = {name for name in names if name.parent.name == MASKS and _masked(name) in names}
    return [path for path in found if path.with_suffix("") not in masks and path.is_file()]


def _masked(mask: Path) -> Path:
    return mask.parent.parent / mask.name


def _mixed(target: Path, problem: str) -> str:
    return f"{target} {problem}: originals are never altered. Name another target."


def _lies_in(path: Path, folder: Path) -> bool:
    """Tell whether a path, there or not, is the folder or lies below it, links followed."""
    place = path.resolve()
    return any(_is_same(parent, folder) for parent in (place, *place.parents))


def _is_same(path: Path, other: Path) -> bool:
    """Compare as the file system does, which may not tell ``A`` from ``a``."""
    return path.exists() and other.exists() and path.samefile(other)


def _pictures_named(target: Path) -> list[Path]:
    """Return a target as it was named, and with the ending of each format."""
    return [target, *(target.with_suffix(ending) for ending in _ENDINGS.values())]


def run_job(enhancer: Enhancer, job: Job, options: Options) -> dict[str, Any]:
    """Enhance one file and write its results.

    Args:
        enhancer: does the work.
        job: from where to where.
        options: of the run.

    Returns:
        JSON-serialisable: ``source``, ``seconds`` and ``outputs``, one table per picture that
        was written, or ``skipped`` and why, or ``error`` and ``code``; with ``outputs`` besides
        where some could be made.
    """
    started = time.perf_counter()
    result: dict[str, Any] = {"source": str(job.source)}
    try:
        wanted = missing(job, options)
        if not wanted:
            return result | {"skipped": SKIPPED, "seconds": 0.0}
        deadline = Deadline(options.timeout_seconds)
        problem: EnhancementError | None = None
        try:
            images = enhancer.enhance(job.source.read_bytes(), options.recipe, deadline=deadline)
        except EnhancementError as err:
            if not err.images:
                raise
            images, problem = err.images, err
        result["outputs"] = [
            _write(image, job, options)
            for image in images
            if (image.role, image.candidate) in wanted
        ]
        if problem is not None:
            raise problem
    except WorkerError as err:
        # What it says in public is for sellers, whose jobs run again by themselves.
        result |= {"error": err.detail or str(err), "code": err.code}
    except EnhancementError as err:
        result |= {"error": str(err), "code": err.code}
    except OSError as err:
        result |= {"error": f"{err.strerror}: {err.filename}", "code": "file_error"}
    result["seconds"] = round(time.perf_counter() - started, 3)
    return result


def output_path(job: Job, recipe: Recipe, picture: Picture, ending: str) -> Path:
    """Name the file of one picture.

    Args:
        job: from where to where.
        recipe: with more than one role, the role's name becomes part of the file name.
        picture: which one; of several candidates for a role, the number becomes part of it, too.
        ending: with its dot.

    >>> from shopimg.contract import CLEAN, SCENE
    >>> job = Job(Path("a.png"), Path("out/a.png"))
    >>> output_path(job, CLEAN, ("main", 0), ".jpg").as_posix()
    'out/a.jpg'
    >>> output_path(job, SCENE, ("scene", 1), ".jpg").as_posix()
    'out/a-2.jpg'
    """
    name, candidate = picture
    is_choice = any(role.name == name and role.candidates > 1 for role in recipe.roles)
    parts = [job.target.stem]
    parts += [name] if len(recipe.roles) > 1 else []
    parts += [str(candidate + 1)] if is_choice else []
    return job.target.with_name("-".join(parts) + ending)


def output_paths(job: Job, recipe: Recipe) -> dict[Picture, Path]:
    """Name the files of a job before it is done, in the recipe's order.

    A picture with transparency becomes ``.webp`` where this says ``.jpg``.
    """
    return {
        (role.name, candidate): output_path(
            job, recipe, (role.name, candidate), _ENDINGS[MIME_TYPES[role.output.format]]
        )
        for role in recipe.roles
        for candidate in range(role.candidates)
    }


def missing(job: Job, options: Options) -> dict[Picture, Path]:
    """Name the files that are to be written: those that are there, whatever their ending, are not.

    All of them where files that are there are replaced.
    """
    return {
        picture: path
        for picture, path in output_paths(job, options.recipe).items()
        if options.overwrite
        or not any(
            output_path(job, options.recipe, picture, ending).exists()
            for ending in _ENDINGS.values()
        )
    }


def taken_twice(jobs: Iterable[Job]) -> tuple[Job, Job] | None:
    """Find two jobs that would write the same files, as of ``a.jpg`` and ``a.png``."""
    seen: dict[Path, Job] = {}
    for job in jobs:
        first = seen.setdefault(job.target.with_suffix(""), job)
        if first is not job:
            return first, job
    return None


def _write(image: EnhancedImage, job: Job, options: Options) -> dict[str, Any]:
    picture = (image.role, image.candidate)
    path = output_path(job, options.recipe, picture, _ENDINGS[image.mime_type])
    write_whole(path, image.content)
    return {
        "role": image.role,
        "candidate": image.candidate,
        "path": str(path),
        "width": image.width,
        "height": image.height,
        "mime_type": image.mime_type,
        "digital_source_type": image.digital_source_type,
        "quality": dict(image.quality),
        "weights": dict(image.weights),
        "steps": {report.name: round(report.seconds, 3) for report in image.steps},
    }
