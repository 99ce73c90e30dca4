"""Which crops of an upload are judged, and what becomes of the estimates."""

import io
import itertools
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.engine import Engine
from enhancer_worker.pipeline.assessment import NOTHING_TO_SEE, Assessment, assess
from enhancer_worker.pipeline.crops import detailed_crops
from tests.worker.fixed_session import judging

CATALOGUE = Path(__file__).resolve().parents[2] / "demoshop/catalogue"


def noisy(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("size", "count"), [((128, 128), 1), ((40, 30), 1), ((200, 128), 5), ((900, 1200), 9)]
)
def test_detailed_crops__cover_any_size(size: tuple[int, int], count: int) -> None:
    crops = detailed_crops(noisy(*size))
    assert crops.shape == (count, 128, 128, 3)
    assert crops.dtype == np.uint8


def test_detailed_crops__lie_on_the_grid_of_jpeg() -> None:
    pixels = np.zeros((507, 613, 3), np.uint8)
    pixels[..., 0] = np.arange(507)[:, None] % 8
    pixels[..., 1] = np.arange(613) % 8
    pixels *= 30
    crops = detailed_crops(pixels)
    assert len(crops) == 9
    assert (crops[:, 0, :, 0] == 0).all()
    assert (crops[:, :, 0, 1] == 0).all()


@pytest.mark.parametrize(("step", "count"), [(2, 0), (4, 1)])
def test_detailed_crops__leave_out_what_deviates_by_less_than_one_and_a_half(
    step: int, count: int
) -> None:
    pixels = np.full((128, 128, 3), 200, np.uint8)
    pixels[::2, :, 2] += np.uint8(step)  # a deviation of half a step
    assert len(detailed_crops(pixels)) == count


def test_detailed_crops__prefer_detail_to_flat_areas() -> None:
    pixels = np.full((700, 700, 3), 255, np.uint8)
    pixels[300:420, 300:420] = noisy(120, 120)
    crops = detailed_crops(pixels)
    assert 1 <= len(crops) < 9
    assert (crops.std(axis=(1, 2)) > 1).all()


def test_assess__of_a_flat_picture_finds_nothing() -> None:
    flat = np.full((300, 300, 3), 200, np.uint8)
    assert assess(judging(lambda _: [9.0, 9.0, 9.0]), flat) == NOTHING_TO_SEE


def test_assess__converts_to_natural_units() -> None:
    found = assess(judging(lambda _: [0.4, 0.5, 1.25]), noisy(300, 300))
    assert found == Assessment(noise=pytest.approx(10), jpeg_quality=pytest.approx(75), blur=1.25)
    assert found.figures() == {
        "estimated_noise": 10.0,
        "estimated_jpeg_quality": 75.0,
        "estimated_blur": 1.25,
    }


def test_assess__stays_in_range() -> None:
    found = assess(judging(lambda _: [-0.1, -0.2, -0.3]), noisy(300, 300))
    assert found == Assessment(0.0, 100.0, 0.0)


def test_assess__judges_blur_by_the_sharper_crops() -> None:
    detailed, quiet = [0.1, 0.1, 0.1, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0], itertools.repeat(3.0)
    answers = itertools.chain(detailed, quiet)
    found = assess(judging(lambda _: [0, 0, next(answers)]), noisy(900, 900))
    assert found.blur == pytest.approx(0.1, abs=1e-6)


def before(background: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Something with much detail in the middle of a smooth picture."""
    pixels = background.copy()
    pixels[200:700, 200:700] = noisy(500, 500)
    return pixels


def wall() -> NDArray[np.uint8]:
    """A wall on which the light falls off, as in photographs."""
    fall = np.linspace(0, 60, 900)
    return np.rint(200 - (fall[:, None] + fall) / 2)[..., None].repeat(3, axis=2).astype(np.uint8)


def by_detail(crop: NDArray[np.float32]) -> list[float]:
    return [0.8, 0.6, 0.1] if crop.std() > 0.1 else [0.08, 0.1, 0.9]


def test_assess__does_not_take_for_damage_what_only_the_detail_shows() -> None:
    found = assess(judging(by_detail), before(wall()))
    assert found == Assessment(
        noise=pytest.approx(2), jpeg_quality=pytest.approx(95), blur=pytest.approx(0.1)
    )


@pytest.mark.parametrize("paper", [255, 225])
def test_assess__does_not_ask_about_damage_where_all_is_of_one_colour(paper: int) -> None:
    found = assess(judging(by_detail), before(np.full((900, 900, 3), paper, np.uint8)))
    assert found == Assessment(
        noise=pytest.approx(20), jpeg_quality=pytest.approx(70), blur=pytest.approx(0.1)
    )


@pytest.mark.parametrize("product", ["book", "lamp"])
def test_assess__knows_linen_and_glass_fibre_from_noise(product: str) -> None:
    """The network that ships, on the sample products whose surfaces look most like noise."""
    net = Engine(WorkerConfig(device="cpu", threads=1)).net("estimate", 1)
    with Image.open(CATALOGUE / f"{product}.jpg") as image:
        upload = image.convert("RGB")
    pixels, compressed = np.asarray(upload), io.BytesIO()
    assert assess(net, pixels).looks_clean
    noise = np.random.default_rng(0).normal(0, 10, pixels.shape)
    assert not assess(net, np.clip(pixels + noise, 0, 255).astype(np.uint8)).looks_clean
    upload.save(compressed, "JPEG", quality=60)
    assert not assess(net, np.asarray(Image.open(compressed))).looks_clean


def test_assess__feeds_unit_range_channels_first() -> None:
    seen: list[NDArray[np.float32]] = []

    def remember(crop: NDArray[np.float32]) -> list[float]:
        seen.append(crop)
        return [0.0, 0.0, 0.0]

    pixels = noisy(128, 128)
    assess(judging(remember), pixels)
    expected = cast(NDArray[np.float32], pixels.transpose(2, 0, 1) / np.float32(255))
    np.testing.assert_allclose(seen[0], expected, atol=1e-6)
