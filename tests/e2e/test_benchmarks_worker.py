"""The worker benchmark: a real queue and worker, and what is made of the figures."""

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from benchmarks import queueing, worker
from benchmarks.queueing import ECHO, Setup


def rates(**images_per_minute: float) -> dict[str, dict[str, float]]:
    labels = {"prefork1": "prefork 1", "prefork2": "prefork 2", "solo": "solo 1"}
    return {labels[name]: {"images_per_minute": rate} for name, rate in images_per_minute.items()}


@pytest.mark.parametrize(
    ("neural", "best"),
    [
        (rates(prefork1=95.1, prefork2=99, solo=100), "prefork 1"),
        (rates(prefork1=94, prefork2=96, solo=100), "prefork 2"),
        (rates(prefork1=94, prefork2=90, solo=100), "solo 1"),
    ],
)
def test_best_setup__is_the_safest_that_is_about_as_fast(
    neural: dict[str, dict[str, float]], best: str
) -> None:
    assert worker.best_setup(neural).label == best


def test_setups__have_labels_that_differ() -> None:
    labels = [setup.label for setup in worker.SETUPS]
    assert len(set(labels)) == len(labels)
    assert Setup("prefork", 2, threads=1).label == "prefork 2, ENHANCER_THREADS=1"


def test_small_jpeg__is_what_sellers_send() -> None:
    content = queueing.small_jpeg(min(queueing.CATALOGUE.glob("*.jpg")))
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == "JPEG"
        assert max(image.size) == queueing.UPLOAD_SIDE_PIXELS


def test_memory__is_that_of_a_process_group() -> None:
    assert 1 < queueing.memory_megabytes(os.getpgid(0)) < 20_000
    assert queueing.memory_megabytes(2**22 + 1) == 0


@pytest.mark.slow
def test_shop__measures_a_real_worker(tmp_path: Path) -> None:
    with queueing.site(tmp_path, "clean") as shop:
        raced = shop.race(Setup("solo", 1), ECHO, 3)
        single = shop.singles(Setup("solo", 1), 2)
    assert raced["uploads"] == 3
    assert raced["images_per_minute"] == pytest.approx(60_000 / raced["milliseconds_per_job"])
    assert raced["memory_megabytes"] > 20
    assert 0 < single["median_milliseconds"] <= single["slowest_milliseconds"]


def test_to_markdown__names_the_best() -> None:
    one = {
        "uploads": 5,
        "images_per_minute": 60.0,
        "milliseconds_per_job": 20.0,
        "memory_megabytes": 300.0,
    }
    figures = {
        "date": "2026-01-01",
        "hardware": "2 cores",
        "commit": "abc",
        "recipe": "clean",
        "upload": "400 pixels",
        "neural": {"prefork 1": one},
        "echo": {"prefork 1": {**one, "images_per_minute": 3000.0, "uploads": 200}},
        "single": {"uploads": 20, "median_milliseconds": 30.4, "slowest_milliseconds": 99.0},
        "best": "prefork 1",
        "best_with_all_uploads": {**one, "uploads": 200},
    }
    lines = worker.to_markdown(figures)
    assert "| prefork 1 | 60 | 300 | 20.0 | 3000 |" in lines
    assert any(line.startswith("Best default: **prefork 1**") for line in lines)
