"""The sample photographs, what spoils them, and how closeness to them is measured."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image

from demoshop.catalogue import FOLDER, Sample, samples
from demoshop.degrade import damage_for, degrade
from demoshop.measure import psnr
from demoshop.models import Category

LIMIT_BYTES = 3_000_000
SAMPLES = samples()


def clean(sample: Sample) -> Image.Image:
    with Image.open(sample.clean_path) as image:
        return image.convert("RGB")


def test_catalogue__is_large_enough_and_small_enough() -> None:
    assert len(SAMPLES) >= 8
    assert len({sample.name for sample in SAMPLES}) == len(SAMPLES)
    assert sum(path.stat().st_size for path in FOLDER.glob("*.jpg")) <= LIMIT_BYTES
    assert {path.stem for path in FOLDER.glob("*.jpg")} == {sample.photo for sample in SAMPLES}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.photo)
def test_sample__is_complete(sample: Sample) -> None:
    assert clean(sample).size == (800, 1000)
    assert sample.category in Category
    assert sample.price > 0
    assert 20 <= len(sample.alt) <= 200
    assert all(0 <= share <= 1 for share in sample.focus)


@pytest.mark.parametrize(("seed", "sample"), list(enumerate(SAMPLES)), ids=str)
def test_degrade__makes_what_sellers_upload(seed: int, sample: Sample) -> None:
    photo = clean(sample)
    content = degrade(photo, seed)
    upload = Image.open(io.BytesIO(content))
    assert (upload.format, upload.size) == ("JPEG", (400, 500))
    assert 26 < psnr(upload, photo) < 36


def test_degrade__gives_the_same_bytes_every_time() -> None:
    photo = clean(SAMPLES[0])
    assert degrade(photo, 3) == degrade(photo, 3)
    assert degrade(photo, 3) != degrade(photo, 4)


@pytest.mark.parametrize("seed", range(50))
def test_damage__stays_mild(seed: int) -> None:
    damage = damage_for(seed)
    assert damage.shrink == 2
    assert 55 <= damage.jpeg_quality <= 75
    assert damage.dimming <= 0.03


def test_psnr__of_equal_pictures() -> None:
    grey = Image.new("RGB", (8, 8), (90, 90, 90))
    assert psnr(grey, grey.copy()) == math.inf


def test_psnr__of_a_known_error() -> None:
    first = np.zeros((10, 10, 3), np.uint8)
    second = first.copy()
    second[0, 0, 0] = 255  # one value of 300 is wrong by the whole range
    value = psnr(Image.fromarray(second), Image.fromarray(first))
    assert value == pytest.approx(10 * math.log10(300), abs=1e-9)


def test_psnr__resizes_to_the_reference() -> None:
    small, large = Image.new("RGB", (4, 4), (50, 50, 50)), Image.new("RGB", (8, 8), (55, 55, 55))
    assert psnr(small, large) == pytest.approx(20 * math.log10(255 / 5), abs=1e-9)
