"""Drawing and sorting: small, seeded, without data from elsewhere."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from enhancer_worker.nets.backdrop_generator import (
    BackdropGenerator,
    BackdropGeneratorConfig,
)
from enhancer_worker.nets.backdrop_input import NUMBERS, PLANES, network_input
from enhancer_worker.nets.backdrop_maps import MAPS, SIDE
from enhancer_worker.nets.backdrop_scenery import PANEL
from enhancer_worker.training.backdrops.dcgan import DCGANGenerator
from enhancer_worker.training.backdrops.discriminators import LAYOUT_MAPS, Discriminator
from enhancer_worker.training.backdrops.materials import random_conditions, random_materials
from enhancer_worker.training.backdrops.module import known_difference, palette_difference
from enhancer_worker.training.backdrops.objectives import OBJECTIVES
from enhancer_worker.training.backdrops.palettes import measure_palette
from enhancer_worker.training.backdrops.photographs import (
    find_views,
    measure_azimuth,
    measure_horizon,
    out_of_focus,
    panorama_of,
)
from enhancer_worker.training.backdrops.samples import (
    PANELS,
    BackdropBatches,
    codes_of,
    read_samples,
)
from enhancer_worker.training.backdrops.scenes import drawn
from enhancer_worker.training.backdrops.shading import encoded, linear, shade
from enhancer_worker.training.data import NoTrainingImagesError, read_tile

TINY = BackdropGeneratorConfig(
    (16, 16, 16, 16, 16), (1, 1, 1, 1, 1), mapped=16, texture=8, scenery=(8, 8, 8, 8)
)


def tiny_generator(seed: int = 0) -> BackdropGenerator:
    torch.manual_seed(seed)
    net = BackdropGenerator(TINY)
    for part in (net.to_pixels, net.texture_to_pixels):
        nn.init.normal_(part.weight, std=0.05)
    return net


def test_prepare__writes_exact_conditions_beside_each_picture(prepared: Path) -> None:
    told = json.loads((prepared / "drawn-00003.json").read_text())
    assert (told["style"], told["source"], told["is_paired"]) == ("wood_table", "drawn", True)
    again = drawn("x", "wood_table", np.random.default_rng((1, 3)), is_held_out=True)
    assert json.loads(json.dumps(again.conditions.to_plain())) == {
        key: told[key] for key in again.conditions.to_plain()
    }
    assert np.array_equal(read_tile(prepared / "drawn-00003.png"), again.picture)
    mixed = json.loads((prepared / "mixed-00000.json").read_text())
    assert (mixed["style"], mixed["is_paired"]) == ("interior_bokeh", True)
    assert read_tile(prepared / "mixed-00000-behind.png").shape == (*PANEL, 3)
    surfaced = json.loads((prepared / "surfaced-00000.json").read_text())
    assert (surfaced["style"], surfaced["is_paired"]) == ("wood_table", False)
    outdoors = json.loads((prepared / PANELS / "panel-00003.json").read_text())
    picture = read_tile(prepared / PANELS / "panel-00003.png")
    assert outdoors["style"] == "outdoor_bokeh"
    assert outdoors["palette"][1] == pytest.approx(picture.mean((0, 1)), abs=0.5)


def test_read_samples__keeps_held_out_pictures_apart(prepared: Path) -> None:
    training, held_out = read_samples(prepared)
    assert len(training) + len(held_out) == 15
    assert sum(sample.source == "drawn" for sample in held_out) == 7
    with pytest.raises(NoTrainingImagesError, match="prepare-backdrops"):
        read_samples(prepared.parent)


def test_read_samples__tells_which_picture_is_missing(prepared: Path, tmp_path: Path) -> None:
    told = min(prepared.glob("*.json"))
    (tmp_path / told.name).write_text(told.read_text())
    with pytest.raises(NoTrainingImagesError, match=rf"{told.stem}.png is missing: copy the whole"):
        read_samples(tmp_path)


def test_batches__are_the_same_for_the_same_seed(prepared: Path) -> None:
    training, _ = read_samples(prepared)
    batches = BackdropBatches(training, 3)
    planes, truth = batches(np.random.default_rng(1), 0)
    assert planes.shape == (3, PLANES, SIDE, SIDE)
    assert truth.shape == (3, 7, SIDE, SIDE)
    again, _ = batches(np.random.default_rng(1), 0)
    assert torch.equal(planes, again)


def test_batches__mirror_light_with_the_picture(prepared: Path) -> None:
    sample = next(s for s in read_samples(prepared)[1] if s.source == "drawn")
    draws = [BackdropBatches([sample], 1)(np.random.default_rng(seed), 0)[0] for seed in range(6)]
    across = {round(float(codes_of(one)[0, 19]), 4) for one in draws}
    assert across == {v * round(sample.conditions.light()[0], 4) for v in (1, -1)}


@pytest.mark.parametrize("style", ["studio_white", "wood_table", "marble", "concrete", "fabric"])
def test_shade__measures_what_it_draws(style: str) -> None:
    rng = np.random.default_rng(4)
    conditions = random_conditions(style, rng)
    picture = shade(conditions, random_materials(style, rng))
    assert picture.shape == (SIDE, SIDE, 3)
    assert 0 <= picture.min() <= picture.max() <= 1
    surface, _, _ = measure_palette(picture, conditions.horizon)
    below = picture[-int(SIDE * (conditions.horizon - 0.05)) :].reshape(-1, 3).mean(0) * 255
    assert np.abs(below - surface).max() < 6
    assert np.array_equal(picture, shade(conditions, random_materials(style, _after(style))))


def _after(style: str) -> np.random.Generator:
    rng = np.random.default_rng(4)
    random_conditions(style, rng)
    return rng


def test_encoded__undoes_linear_below_the_knee() -> None:
    levels = np.linspace(0, 0.85, 50)
    assert encoded(linear(levels)) == pytest.approx(levels, abs=1e-5)
    assert encoded(np.array([0.9, 5.0])).max() <= 1


def test_photographs__are_sorted_and_measured(tmp_path: Path) -> None:
    folder = tmp_path / "backdrops"
    folder.mkdir()
    for name in ("hall-0", "forest-1", "sky-2"):
        Image.new("RGB", (8, 8)).save(folder / f"{name}.jpg")
    found = find_views(tmp_path)
    assert [(v.path.stem, v.style) for v in found] == [
        ("forest-1", "outdoor_bokeh"),
        ("hall-0", "interior_bokeh"),
    ]
    assert panorama_of(Path("a_b-12.jpg")) == "a_b"
    picture = np.full((100, 100, 3), 0.8, np.float32)
    picture[60:] = 0.2
    assert measure_horizon(picture) == pytest.approx(0.4, abs=0.03)
    ramp = np.broadcast_to(np.linspace(0, 1, 100)[None, :, None], (100, 100, 3))
    assert measure_azimuth(ramp.astype(np.float32)) > 45
    assert measure_azimuth(picture) == pytest.approx(0, abs=1)


def test_out_of_focus__keeps_light_and_makes_discs() -> None:
    picture = np.full((41, 41, 3), 0.2, np.float32)
    assert out_of_focus(picture, 5) == pytest.approx(linear(picture), rel=1e-4)
    picture[20, 20] = 1
    blurred = out_of_focus(picture, 5)[..., 0]
    disc = blurred > blurred.min() * 1.2
    assert disc.sum() == pytest.approx(np.pi * 5.5**2, rel=0.15)
    assert blurred[20, 20] == pytest.approx(blurred[20, 24], rel=0.02)


def test_generator__is_a_function_of_its_input_and_starts_at_the_palette() -> None:
    torch.manual_seed(0)
    conditions = random_conditions("wood_table", np.random.default_rng(0))
    conditions = replace(conditions, palette=((200, 100, 50), (10, 20, 30), (0, 0, 0)))
    given = torch.from_numpy(network_input(conditions))
    fresh = BackdropGenerator(TINY)(given).detach()
    assert fresh[0, :, -1, 0] * 255 == pytest.approx(torch.tensor([200.0, 100, 50]), abs=0.01)
    assert fresh[0, :, 0, 0] * 255 == pytest.approx(torch.tensor([10.0, 20, 30]), abs=0.01)
    net = tiny_generator()
    assert torch.equal(net(given), net(given))
    other = torch.from_numpy(network_input(replace(conditions, seed=conditions.seed + 1)))
    assert not torch.equal(net(given), net(other))


def test_generator__paints_a_window_as_it_paints_the_whole_but_for_the_rim() -> None:
    net = tiny_generator()
    net.excitations = nn.ModuleList()  # they look at the whole picture
    given = torch.from_numpy(network_input(random_conditions("marble", np.random.default_rng(0))))
    maps, numbers = given[:, : len(MAPS)], given[:, len(MAPS)].flatten(1)[:, :NUMBERS]
    scenery = net.scenery(numbers)[..., :128, :128]
    window = net.paint(maps[..., :128, :128], numbers, net.constant[..., :4, :4], scenery)
    whole = net(given)[..., :128, :128]
    assert window.shape == whole.shape
    near, far = ((window - whole).abs()[..., s, s] for s in (slice(0, 4), slice(120, 128)))
    assert float(near.detach().mean()) < float(far.detach().mean())


def test_generator__a_studio_cannot_show_texture_or_scenery() -> None:
    net = tiny_generator()
    conditions = random_conditions("cove", np.random.default_rng(0))
    given = torch.from_numpy(network_input(conditions))
    changed = given.clone()
    noise = slice(MAPS.index("clouds"), len(MAPS))
    changed[:, noise] = torch.rand_like(changed[:, noise])
    assert torch.equal(net(given), net(changed))


def test_known_difference__counts_known_pixels_only() -> None:
    made = torch.zeros(1, 3, 2, 2)
    truth = torch.zeros(1, 4, 2, 2)
    truth[:, :3] = 0.5
    assert float(known_difference(made, truth)) == 0
    truth[0, 3, 0] = 1
    assert float(known_difference(made, truth)) == pytest.approx(3.0 / 7)


def test_palette_difference__is_zero_where_means_are_right() -> None:
    conditions = random_conditions("wood_table", np.random.default_rng(0))
    conditions = replace(conditions, palette=((200, 100, 50), (10, 20, 30), (0, 0, 0)))
    given = torch.from_numpy(network_input(conditions))
    surface = given[:, :1]
    colours = [torch.tensor(c)[None, :, None, None] / 255 for c in conditions.palette]
    made = surface * colours[0] + (1 - surface) * colours[1]
    assert float(palette_difference(made, given)) == pytest.approx(0, abs=1e-4)
    assert float(palette_difference(made + 0.1, given)) == pytest.approx(0.1, abs=1e-3)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives__one_step_lowers_the_loss_on_a_toy_set(name: str, prepared: Path) -> None:
    torch.manual_seed(0)
    training, _ = read_samples(prepared)
    planes, truth = BackdropBatches(training, 2)(np.random.default_rng(0), 0)
    net, judge = tiny_generator(), Discriminator((8, 8, 8, 8))
    layout, codes = planes[:, list(LAYOUT_MAPS)], codes_of(planes)
    real = torch.cat([truth[:, :3], layout], dim=1)
    objective = OBJECTIVES[name]

    def judge_loss() -> torch.Tensor:
        fake = torch.cat([net(planes), layout], dim=1).detach()
        torch.manual_seed(1)
        penalty = objective.penalty(lambda seen: judge(seen, codes), real, fake)
        scores = objective.discriminator(judge(real, codes), judge(fake, codes))
        return scores + objective.weight * penalty

    def generator_loss() -> torch.Tensor:
        fake = torch.cat([net(planes), layout], dim=1)
        return objective.generator(judge(real, codes), judge(fake, codes))

    for part, loss, rate in ((judge, judge_loss, 1e-6), (net, generator_loss, 1e-3)):
        optimizer = torch.optim.SGD(part.parameters(), lr=rate)
        optimizer.zero_grad()
        before = loss()
        before.backward()
        optimizer.step()
        assert float(loss().detach()) < float(before.detach())


def test_dcgan__paints_from_numbers_alone() -> None:
    torch.manual_seed(0)
    net = DCGANGenerator((8, 8, 8, 8, 8, 8)).eval().requires_grad_(False)
    planes = torch.rand(2, PLANES, SIDE, SIDE)
    made = net(planes)
    assert made.shape == (2, 3, SIDE, SIDE)
    assert 0 <= float(made.min()) <= float(made.max()) <= 1
    planes[:, : len(MAPS)] = 0
    assert torch.equal(net(planes), made)
