"""Path-traced training pictures of backdrops: their exact conditions, and what stands in them."""

from pathlib import Path

import mitsuba
import numpy as np
import pytest
from PIL import Image

from enhancer_worker.nets.backdrop_maps import SIDE
from enhancer_worker.training.backdrops import path_traced as traced
from enhancer_worker.training.backdrops.palettes import measure_palette
from enhancer_worker.training.backdrops.path_traced import path_traced, path_traced_scenes


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LIGHT_SIDE": 32, "LIGHT_SAMPLES": 8, "COLOUR_SAMPLES": 1}.items():
        monkeypatch.setattr(traced, name, value)
    mitsuba.set_variant("scalar_rgb")


def test_path_traced_scenes__show_what_their_conditions_say() -> None:
    scenes = list(path_traced_scenes(None, 7, 600, seed=1))
    assert [scene.conditions.style for scene in scenes] == list(traced.STYLES)
    for scene in scenes:
        assert scene.picture.shape == (SIDE, SIDE, 3)
        assert scene.is_paired
        measured = measure_palette(scene.picture / 255, scene.conditions.horizon)
        assert np.abs(np.subtract(measured, scene.conditions.palette)).max() <= 2
        assert abs(scene.conditions.azimuth) <= traced.LARGEST_AZIMUTH
    assert list(path_traced_scenes(None, 7, -1, seed=1)) == [], "the time is over"


def test_path_traced__puts_the_light_where_it_is_said_to_be() -> None:
    sides = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        scene = path_traced("x", "concrete", None, rng, is_held_out=False)
        luma = scene.picture.mean(axis=2)
        half = SIDE // 2
        sides.append((scene.conditions.azimuth, luma[:, half:].mean() - luma[:, :half].mean()))
    far = [(azimuth, gain) for azimuth, gain in sides if abs(azimuth) > 30]
    assert len(far) > 2
    assert all(azimuth * gain > 0 for azimuth, gain in far)


def test_path_traced__uses_photographed_textures_where_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "textures").mkdir()
    (tmp_path / "panoramas").mkdir()
    squares = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((16, 16))) * 200
    for name in traced.REAL_TEXTURES["wood_table"]:
        image = Image.fromarray(squares.astype(np.uint8)).convert("RGB")
        image.save(tmp_path / f"textures/{name}.jpg")
    monkeypatch.setattr(traced, "REAL_SHARE", 1.0)
    pictures = []
    for data in (tmp_path, None):
        rng = np.random.default_rng(2)
        scene = path_traced("x", "wood_table", data, rng, is_held_out=True)
        assert scene.is_paired == (data is None)
        assert scene.is_held_out
        pictures.append(scene.picture.astype(float))
    assert np.abs(pictures[0] - pictures[1]).mean() > 3
