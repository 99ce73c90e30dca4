"""A shop's own style: what its photographs are found to show, and the run that teaches it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image
from safetensors.torch import load_file, save_file

from enhancer_worker.nets.backdrop_generator import BackdropGenerator
from enhancer_worker.nets.backdrop_input import NUMBERS, network_input
from enhancer_worker.nets.backdrop_maps import MAPS, SIDE
from enhancer_worker.nets.backdrop_scenery import PANEL
from enhancer_worker.training.args import TrainingArgsError
from enhancer_worker.training.backdrops import brand
from enhancer_worker.training.backdrops import fit as fit_backdrop
from enhancer_worker.training.backdrops.adopting import adopt
from enhancer_worker.training.backdrops.brand_scenes import BrandScenes, Setting
from enhancer_worker.training.backdrops.materials import random_conditions, random_materials
from enhancer_worker.training.backdrops.palettes import measure_palette
from enhancer_worker.training.backdrops.samples import BackdropBatches, read_samples
from enhancer_worker.training.backdrops.shading import encoded, linear, shade
from enhancer_worker.training.backdrops.surfaces import (
    MATERIALS,
    flattened,
    is_bare,
    measure_colours,
    measure_pattern,
    nearest_material,
    surface_of,
)
from enhancer_worker.training.backdrops.writing import scenes_of, write_scenes
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
    assert nearest_material([measure_pattern(surface) for surface in surfaces]) == style


def test_measure_colours__does_not_count_what_lies_on_a_surface() -> None:
    surface = np.full((100, 100, 3), (0.6, 0.5, 0.4), np.float32)
    surface[::10] *= 0.65
    base, accent = measure_colours(surface)
    surface[:30, :20] = (1, 0, 0)
    assert measure_colours(surface)[0] == pytest.approx(base, abs=0.01)
    own, grain = (linear(share * np.array([0.6, 0.5, 0.4])) for share in (1, 0.65))
    assert base == pytest.approx(0.9 * own + 0.1 * grain, rel=0.02)
    assert accent[0] < 0.7 * base[0], "the grain is darker"


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
    assert len(setting.above) == pytest.approx(0.6 * 512, abs=8)
    assert setting.stuff is not None
    for rows in (90, 192):
        light = setting.behind(rows, np.random.default_rng(1))
        assert light.shape == (rows, SIDE, 3)
        around = [linear(np.array(c)) for c in ((0.8, 0.7, 0.6), (0.2, 0.3, 0.4))]
        low, high = np.minimum(*around) * 0.8, np.maximum(*around) * 1.4
        assert ((light > low) & (light < high)).all(), "nothing of the table"


@pytest.mark.parametrize("wall", [(244, 235, 220), (9, 10, 12), (10, 20, 120)])
def test_setting__keeps_the_colour_of_a_wall(wall: tuple[int, int, int], tmp_path: Path) -> None:
    write_set(tmp_path / "wall.png", wall)
    light = Setting.read(tmp_path / "wall.png").behind(150, np.random.default_rng(0))
    assert encoded(light).mean((0, 1)) * 255 == pytest.approx(np.array(wall), abs=5)


def write_set(path: Path, wall: tuple[int, int, int], orientation: int = 1) -> None:
    """A wall above a wooden floor, as a camera held sideways stores it where it is turned."""
    pixels = np.rint(drawn("wood_table", 0, horizon=0.3) * 255).astype(np.uint8)
    pixels[: round(SIDE * 0.7)] = wall
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    turned = image.rotate(90) if orientation == 6 else image
    turned.save(path, exif=exif)


def test_setting__stands_upright(tmp_path: Path) -> None:
    for orientation in (1, 6):
        write_set(tmp_path / f"{orientation}.png", (200, 190, 180), orientation)
    upright, turned = (Setting.read(tmp_path / f"{orientation}.png") for orientation in (1, 6))
    assert np.array_equal(upright.above, turned.above)


def test_brand_scenes__stand_before_an_even_wall_in_any_light(tmp_path: Path) -> None:
    write_set(tmp_path / "wall.png", (200, 190, 180))
    settings = [Setting.read(tmp_path / "wall.png")]
    made = [*scenes_of(BrandScenes(settings, "wood_table").scene, settings, 8, (0, 0))]
    assert max(abs(scene.conditions.azimuth) for scene in made) > 60


def test_brand_scenes__obey_conditions_that_no_photograph_had(photos: Path) -> None:
    settings = [Setting.read(path) for path in sorted(photos.glob("*"))]
    made = [*scenes_of(BrandScenes(settings, "wood_table").scene, settings, 12, (0, 0))]
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
    write_scenes(scenes_of(scenes.scene, settings, 12, (0, 0)), tmp_path)
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
    rooms = torch.from_numpy(network_input(replace(told, style="interior_bokeh")))
    scenery = [net.behind(one[:, len(MAPS)].flatten(1)[:, :NUMBERS]) for one in (rooms, asked)]
    assert torch.allclose(*scenery, atol=1e-6)


@pytest.mark.usefixtures("few")
@pytest.mark.filterwarnings(*QUIET)
def test_fit__teaches_a_shop_its_own_style(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, out = tmp_path / "start.safetensors", tmp_path / "taught"
    # As a run on prepared pictures writes it: it was taught no style of a shop.
    save_file(BackdropGenerator(TINY).state_dict(), start, {"config": '{"palettes": ""}'})
    adopted: list[str] = []
    monkeypatch.setattr(fit_backdrop, "adopt", lambda _net, *styles: adopted.extend(styles))
    args = run_args(photos, out, init_from=start, max_steps=4, validate_steps=1)
    with pytest.raises(
        TrainingArgsError, match="no figure 'val/beauty' to stop on; there are val/"
    ):
        fit_backdrop.fit(replace(args, stop_on="val/beauty"))
    assert not (out / "scenery").exists(), "told before the first part takes its hours"
    adopted.clear()
    module = fit_backdrop.fit(args)
    assert adopted == ["brand", "wood_table"]
    assert module.clock.step == 2, "the rest of four steps"
    taught, first = load_file(out / "backdrop_s_brand.safetensors"), load_file(start)
    assert not torch.equal(taught["to_pixels.bias"], first["to_pixels.bias"])
    scenery = load_file(out / "scenery" / "scenery.safetensors")
    assert not torch.equal(scenery["to_colours.bias"], first["behind.to_colours.bias"])
    assert all(torch.equal(taught[f"behind.{name}"], value) for name, value in scenery.items())
    told = json.loads((out / "brand.json").read_text())
    assert (told["material"], len(told["photographs"])) == ("wood_table", PHOTOS)
    config = recorded_config(out / "backdrop_s_brand.safetensors")
    assert (config["data"], config["max_steps"]) == ("brand_photos", 4)
    assert 1 < len(config["palettes"].split(", ")) <= brand.MOST_PALETTES
    written = sorted((out / "prepared").glob("*.png"))
    stamps = [path.stat().st_mtime_ns for path in written]
    resumed = fit_backdrop.fit(replace(args, max_steps=8, resume=True))
    assert resumed.clock.step == 3
    taught_again = replace(
        args, out=tmp_path / "again", init_from=out / "backdrop_s_brand.safetensors"
    )
    fit_backdrop.fit(taught_again)
    assert adopted == ["brand", "wood_table"] * 2, "on resuming, but not of a taught network"
    assert [path.stat().st_mtime_ns for path in written] == stamps, "pictures are made once"
    taught = load_file(out / "backdrop_s_brand.safetensors")
    assert all(torch.equal(taught[f"behind.{name}"], value) for name, value in scenery.items())


@pytest.mark.usefixtures("few")
def test_prepare_brand__makes_pictures_again_of_other_photographs(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "prepared"
    brand.prepare_brand(photos, out, seed=1)
    stamp = (out / "scene-00000.png").stat().st_mtime_ns
    (photos / "._photo1.jpg").write_bytes(b"not a picture")
    Image.new("RGB", (40, 400)).save(photos / "strip.png")
    brand.prepare_brand(photos, out, seed=1)
    assert (out / "scene-00000.png").stat().st_mtime_ns > stamp
    assert "._photo1.jpg is left out: cannot be read" in caplog.text
    assert "strip.png is left out: too small: 40x400 pixels" in caplog.text
    assert not brand.is_prepared(photos)
    assert brand.is_prepared(out)


@pytest.mark.usefixtures("few")
def test_prepare_brand__takes_no_half_written_pictures_for_whole_ones(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "prepared"
    brand.prepare_brand(photos, out, seed=1)
    whole = sorted(path.name for path in out.glob("*.png"))

    def interrupted(scenes: object, folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(brand, "write_scenes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        brand.prepare_brand(photos, out, seed=2)
    monkeypatch.undo()
    monkeypatch.setattr(brand, "SCENES", 20)
    monkeypatch.setattr(brand, "PANEL_SCENES", 16)
    out.mkdir(exist_ok=True)
    brand.prepare_brand(photos, out, seed=1)
    assert sorted(path.name for path in out.glob("*.png")) == whole


def test_usual_palettes__come_from_many_photographs(photos: Path, tmp_path: Path) -> None:
    settings = [Setting.read(path) for path in sorted(photos.glob("*"))][:4]
    scenes = BrandScenes(settings, "wood_table")
    write_scenes(scenes_of(scenes.scene, settings, 64, (0, 0)), tmp_path)
    training, held_out = read_samples(tmp_path)
    text = brand.usual_palettes(training + held_out, np.random.default_rng(0))
    reds = [int(palette[:2], 16) for palette in text.split(", ")]
    assert len(reds) == brand.MOST_PALETTES
    assert len({red // 16 for red in reds}) > 2


@pytest.mark.usefixtures("few")
def test_fit__refuses_photographs_that_teach_nothing(prepared: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (300, 300)).save(photos / "only.png")
    with pytest.raises(TooFewPhotosError, match="1 usable photographs in "):
        fit_backdrop.fit(run_args(photos, tmp_path / "out"))
    with pytest.raises(TrainingArgsError, match="photographs teach --net s"):
        fit_backdrop.fit(run_args(photos, tmp_path / "out", net="dcgan"))
    with pytest.raises(TrainingArgsError, match="--palettes is for photographs"):
        fit_backdrop.fit(run_args(prepared, tmp_path / "out", palettes="#111111 #222222 #333333"))
    assert not (tmp_path / "out").exists()
