"""Which files a run over a folder writes, and what a second run does with them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from PIL import Image

from enhancer_worker.folder import (
    Job,
    Options,
    find_jobs,
    find_pictures,
    output_paths,
    run_job,
    taken_twice,
)
from shopimg.backends.echo import EchoEnhancer
from shopimg.backends.pillow import PillowEnhancer
from shopimg.contract import CATALOGUE, CLEAN, SCENE, Recipe
from tests.testapp.enhancers import BlindEnhancer

PAIR = Recipe.parse(
    "pair",
    {
        "large": {"steps": [{"step": "upscale", "scale": 2}], "output": {"format": "png"}},
        "small": {"steps": [{"step": "restore"}]},
    },
)
RESUMING = Options(PAIR, math.inf, overwrite=False)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    Image.new("RGB", (32, 24), (200, 30, 40)).save(tmp_path / "a.JPG")
    return Job(tmp_path / "a.JPG", tmp_path / "out" / "a.JPG")


def test_find_pictures__masks_of_pictures_are_none(tmp_path: Path) -> None:
    names = ("mug.jpg", "masks/mug.png", "masks/ffp2.jpg", "shop/masks/cup.png", "shop/cup.png")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in find_pictures(tmp_path)]
    assert found == ["masks/ffp2.jpg", "mug.jpg", "shop/cup.png"]
    assert [path.name for path in find_pictures(tmp_path / "masks")] == ["ffp2.jpg", "mug.png"]


def test_output_paths__are_those_that_are_written(job: Job) -> None:
    for recipe in (CLEAN, PAIR):
        result = run_job(PillowEnhancer(), job, Options(recipe, math.inf, overwrite=False))
        written = [output["path"] for output in result["outputs"]]
        assert written == [str(path) for path in output_paths(job, recipe).values()]
    names = sorted(path.name for path in job.target.parent.iterdir())
    assert names == ["a-large.png", "a-small.jpg", "a.jpg"]


def test_run_job__skips_what_is_done(job: Job) -> None:
    run_job(PillowEnhancer(), job, RESUMING)
    before = {path: path.stat().st_mtime_ns for path in job.target.parent.iterdir()}
    result = run_job(PillowEnhancer(), job, RESUMING)
    assert result["skipped"] == "there already"
    assert not {"error", "outputs"} & set(result)
    assert {path: path.stat().st_mtime_ns for path in job.target.parent.iterdir()} == before


def test_run_job__makes_the_role_that_an_interruption_left_out(job: Job) -> None:
    job.target.parent.mkdir()
    large = job.target.with_name("a-large.webp")  # of a transparent picture, say
    large.write_bytes(b"precious")
    result = run_job(PillowEnhancer(), job, RESUMING)
    assert [output["role"] for output in result["outputs"]] == ["small"]
    names = sorted(path.name for path in job.target.parent.iterdir())
    assert names == ["a-large.webp", "a-small.jpg"]
    assert large.read_bytes() == b"precious"


def test_run_job__keeps_every_candidate(job: Job) -> None:
    scenes = Options(SCENE, math.inf, overwrite=False)
    result = run_job(EchoEnhancer(), job, scenes)
    names = ["a-1.jpg", "a-2.jpg", "a-3.jpg"]
    assert [Path(output["path"]).name for output in result["outputs"]] == names
    assert sorted(path.name for path in job.target.parent.iterdir()) == names
    job.target.with_name("a-2.jpg").unlink()
    result = run_job(EchoEnhancer(), job, scenes)
    assert [(output["role"], output["candidate"]) for output in result["outputs"]] == [("scene", 1)]


def test_run_job__writes_what_needs_no_product_and_says_what_is_missing(job: Job) -> None:
    options = Options(CATALOGUE, math.inf, overwrite=False)
    result = run_job(BlindEnhancer(), job, options)
    assert (result["code"], result["error"]) == (
        "product_not_found",
        "No product was found in this photo.",
    )
    assert [output["role"] for output in result["outputs"]] == ["main"]
    assert [path.name for path in job.target.parent.iterdir()] == ["a-main.jpg"]


def test_taken_twice__finds_pictures_that_differ_in_their_ending(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for name in ("a.jpg", "b.jpg", "b.png"):
        Image.new("RGB", (8, 8)).save(source / name)
    jobs = find_jobs(source, tmp_path / "out")
    assert taken_twice(jobs[:2]) is None
    assert taken_twice(jobs) == (jobs[1], jobs[2])
