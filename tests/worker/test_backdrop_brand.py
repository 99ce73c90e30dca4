"""A shop's own style: what its photographs are found to show, and the run that teaches it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from enhancer_worker.nets.backdrop_generator import BackdropGenerator
from enhancer_worker.nets.backdrop_input import network_input
from enhancer_worker.nets.backdrop_maps import SIDE
from enhancer_worker.nets.backdrop_scenery import PANEL
from enhancer_worker.training.args import TrainingArgsError
from enhancer_worker.training.backdrops import brand
from enhancer_worker.training.backdrops import fit as fit_backdrop
from enhancer_worker.training.backdrops.adopting import adopt
from enhancer_worker.training.backdrops.brand_scenes import BrandScenes, Setting, material_of
from enhancer_worker.training.backdrops.materials import random_conditions, random_materials
from enhancer_worker.training.backdrops.palettes import measure_palette
from enhancer_worker.training.backdrops.samples import BackdropBatches, read_samples
from enhancer_worker.training.backdrops.shading import linear, shade
from enhancer_worker.training.backdrops.surfaces import (
    MATERIALS,
    flattened,
    is_bare,
    measure_colours,
    nearest_material,
    surface_of,
)
from enhancer_worker.training.catalogue import TooFewPhotosError
from enhancer_worker.training.config_file import recorded_config
from tests.worker.test_backdrop_fit import QUIET, TINY, run_args

PHOTOS = 16


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photographs of drawn wooden tables, with a wall that is bright on the left."""
    folder = tmp_path / "brand_photos"
    folder.mkdir()
    for number in range(PHOTOS):
        picture = drawn("wood_table", number, horizon=0.4)
        wall = picture[: round(SIDE * 0.6)]
        wall[:, : SIDE // 2], wall[:, SIDE // 2 :] = (0.8, 0.7, 0.6), (0.2, 0.3, 0.4)
        pixels = np.rint(picture * 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"photo{number}.png")
    return folder


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brand, "SCENES", 20)
    monkeypatch.setattr(brand, "PANEL_SCENES", 16)
    monkeypatch.setattr(fit_backdrop, "BackdropGeneratorConfig", lambda: TINY)
    monkeypatch.setattr(fit_backdrop, "MOST_HELD_OUT", 1)


def drawn(style: str, number: int, horizon: float) -> np.ndarray:
    rng = np.random.default_rng((100, number))
    conditions = replace(random_conditions(style, rng), horizon=horizon)
    return shade(conditions, random_materials(style, rng))


@pytest.mark.parametrize("style", MATERIALS)
def test_nearest_material__knows_a_surface_by_its_pattern(style: str) -> None:
    surfaces = [surface_of(drawn(style, number, 0.5), 0.5) for number in range(5)]
    assert nearest_material(surfaces) == style


def test_measure_colours__does_not_count_what_lies_on_a_surface() -> None:
    surface = np.full((100, 100, 3), (0.6, 0.5, 0.4), np.float32)
    surface[::4] *= 0.9
    base, _ = measure_colours(surface)
    surface[:30, :30] = (1, 0, 0)
    assert measure_colours(surface)[0] == pytest.approx(base, abs=0.01)
    assert base == pytest.approx(linear(np.array([0.6, 0.5, 0.4])), rel=0.1)


def test_flattened__takes_the_light_away_and_keeps_the_pattern() -> None:
    rng = np.random.default_rng(0)
    pattern = 1 + 0.1 * rng.standard_normal((128, 128, 1))
    ramp = np.linspace(0.3, 1, 128)[:, None, None]
    lit = (0.6 * pattern * ramp * np.ones(3)).clip(0, 1).astype(np.float32)
    flat = flattened(lit)
    rows = flat.mean(axis=(1, 2))
    assert rows[20:-20].max() / rows[20:-20].min() < 1.2
    assert np.corrcoef(flat[40:80, :, 0].ravel(), pattern[40:80, :, 0].ravel())[0, 1] > 0.95


def test_is_bare__sees_a_thing_that_lies_there() -> None:
    surface = np.full((60, 60, 3), 0.5, np.float32)
    assert is_bare(surface)
    surface[:20, :20] = 0.9
    assert not is_bare(surface)


def test_setting__shows_what_is_above_its_horizon(photos: Path) -> None:
    setting = Setting.read(photos / "photo3.png")
    assert setting.horizon == pytest.approx(0.4, abs=0.02)
    assert setting.stuff is not None
    for rows in (90, 192):
        light = setting.behind(rows, np.random.default_rng(1))
        assert light.shape == (rows, SIDE, 3)
        around = [linear(np.array(c)) for c in ((0.8, 0.7, 0.6), (0.2, 0.3, 0.4))]
        low, high = np.minimum(*around) * 0.8, np.maximum(*around) * 1.4
        assert ((light > low) & (light < high)).all(), "nothing of the table"


def test_brand_scenes__obey_conditions_that_no_photograph_had(photos: Path) -> None:
    settings = [Setting.read(path) for path in sorted(photos.glob("*"))]
    scenes = BrandScenes(settings, material_of(settings))
    made = [scenes.scene(number, np.random.default_rng(number)) for number in range(12)]
    assert {scene.conditions.style for scene in made} == {"brand"}
    assert len({round(scene.conditions.horizon, 2) for scene in made}) > 6
    assert {scene.is_paired for scene in made} == {True, False}
    for scene in made:
        assert scene.behind is not None
        assert scene.behind.shape == (*PANEL, 3)
        measured = measure_palette(scene.picture / 255, scene.conditions.horizon)
        assert np.abs(np.subtract(measured, scene.conditions.palette)).max() <= 2
    held_out = sum(setting.is_held_out for setting in settings)
    assert 0 < held_out < PHOTOS
    assert sum(scene.is_held_out for scene in made) == sum(s.is_held_out for s in settings[:12])


def test_batches__know_what_is_behind_a_photographed_surface(photos: Path, tmp_path: Path) -> None:
    settings = [Setting.read(path) for path in sorted(photos.glob("*"))]
    scenes = BrandScenes(settings, "wood_table")
    brand.write_scenes(
        (scenes.scene(number, np.random.default_rng(number)) for number in range(12)), tmp_path
    )
    samples = [sample for pair in read_samples(tmp_path) for sample in pair]
    for sample in samples:
        _, truth = BackdropBatches([sample], 1)(np.random.default_rng(0), 0)
        known = truth[0, 3].mean(dim=1)
        edge = round(SIDE * (1 - sample.conditions.horizon))
        assert known[: edge - 3].min() == 1
        assert (known[edge + 3 :] == float(sample.is_paired)).all()


def test_adopt__begins_as_the_other_style() -> None:
    torch.manual_seed(0)
    net = BackdropGenerator(TINY)
    for part in (net.to_pixels, net.texture_to_pixels):
        torch.nn.init.normal_(part.weight, std=0.05)
    torch.nn.init.normal_(net.gates, std=0.02)
    rng = np.random.default_rng(0)
    told = replace(
        random_conditions("wood_table", rng), palette=((200, 150, 90), (90,) * 3, (0,) * 3)
    )
    given, asked = (
        torch.from_numpy(network_input(replace(told, style=style)))
        for style in ("wood_table", "brand")
    )
    before = (net(asked) - net(given)).abs().mean()
    adopt(net, "brand", "wood_table")
    edge = round(SIDE * (1 - told.horizon)) + 32
    after = (net(asked) - net(given))[..., edge:, :].abs().mean()
    assert after < 0.02 * before
    behind = [
        net.behind(
            torch.from_numpy(
                network_input(replace(told, style=style))[:, 10 - 1].reshape(1, -1)[:, :88]
            )
        )
        for style in ("interior_bokeh", "brand")
    ]
    assert torch.allclose(*behind, atol=1e-6)


@pytest.mark.usefixtures("few")
@pytest.mark.filterwarnings(*QUIET)
def test_fit__teaches_a_shop_its_own_style(photos: Path, tmp_path: Path) -> None:
    start, out = tmp_path / "start.safetensors", tmp_path / "taught"
    save_file(BackdropGenerator(TINY).state_dict(), start)
    args = run_args(photos, out, init_from=start, max_steps=2, validate_steps=2)
    module = fit_backdrop.fit(args)
    taught = load_file(out / "backdrop_brand.safetensors")
    assert any(not torch.equal(taught[name], value) for name, value in load_file(start).items())
    scenery = load_file(out / "scenery" / "scenery.safetensors")
    behind = cast(BackdropGenerator, module.net).behind.state_dict()
    assert all(torch.equal(behind[name], value) for name, value in scenery.items())
    assert json.loads((out / "brand.json").read_text()) == {
        "material": "wood_table",
        "photographs": PHOTOS,
    }
    palettes = recorded_config(out / "backdrop_brand.safetensors")["palettes"].split(", ")
    assert 1 < len(palettes) <= brand.MOST_PALETTES
    written = sorted((out / "prepared").glob("*.png"))
    stamps = [path.stat().st_mtime_ns for path in written]
    resumed = fit_backdrop.fit(replace(args, max_steps=3, resume=True))
    assert resumed.clock.step == 3
    assert [path.stat().st_mtime_ns for path in written] == stamps, "pictures are made once"


@pytest.mark.usefixtures("few")
def test_fit__refuses_photographs_that_teach_nothing(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (8, 8)).save(photos / "only.png")
    with pytest.raises(TooFewPhotosError, match="a style needs 12, better 50 to 200"):
        fit_backdrop.fit(run_args(photos, tmp_path / "out"))
    with pytest.raises(TrainingArgsError, match="photographs teach --net s"):
        fit_backdrop.fit(run_args(photos, tmp_path / "out", net="dcgan"))
    assert not (tmp_path / "out").exists()
