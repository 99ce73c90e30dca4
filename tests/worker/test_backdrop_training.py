"""Drawing, sorting and training: small, seeded, without data from elsewhere."""

import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from enhancer_worker.nets.backdrop_generator import (
    FREE,
    BackdropGenerator,
    BackdropGeneratorConfig,
)
from enhancer_worker.nets.backdrop_input import NUMBERS, PLANES, network_input
from enhancer_worker.nets.backdrop_maps import MAPS, SIDE
from enhancer_worker.training.args import TrainingArgsError
from enhancer_worker.training.backdrops import fit as fit_backdrop
from enhancer_worker.training.backdrops.args import BackdropArgs
from enhancer_worker.training.backdrops.brand import read_any
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
from enhancer_worker.training.backdrops.prepare import prepare_backdrops
from enhancer_worker.training.backdrops.samples import BackdropBatches, codes_of, read_samples
from enhancer_worker.training.backdrops.scenes import drawn, principal_latents
from enhancer_worker.training.backdrops.shading import encoded, linear, shade
from enhancer_worker.training.catalogue import TooFewPhotosError
from enhancer_worker.training.data import NoTrainingImagesError

F32, BF16 = torch.float32, torch.bfloat16
TINY = BackdropGeneratorConfig((16, 16, 16, 16, 16), (1, 1, 1, 1, 1), mapped=16, texture=8)


def tiny_generator(seed: int = 0) -> BackdropGenerator:
    torch.manual_seed(seed)
    net = BackdropGenerator(TINY)
    for part in (net.to_pixels, net.texture_to_pixels):
        nn.init.normal_(part.weight, std=0.05)
    nn.init.normal_(net.layouts_behind, std=0.02)
    return net


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    data = tmp_path_factory.mktemp("data")
    (data / "backdrops").mkdir()
    rng = np.random.default_rng(0)
    for name in ("hall-0", "hall-1", "park-0"):
        rows = np.linspace(0, 255, 64)[:, None, None] * rng.uniform(0.3, 1, 3)
        picture = np.broadcast_to(rows, (64, 64, 3)).astype(np.uint8)
        Image.fromarray(picture).save(data / "backdrops" / f"{name}.jpg")
    options = ["--data", str(data), "--out", str(folder), "--drawn", "9", "--mixed", "3"]
    result = CliRunner().invoke(prepare_backdrops, options, catch_exceptions=False)
    assert "drawn 9  mixed 3  photograph 3" in result.output
    return folder


def test_prepare__writes_exact_conditions_beside_each_picture(prepared: Path) -> None:
    told = json.loads((prepared / "drawn-00003.json").read_text())
    assert (told["style"], told["source"], told["is_paired"]) == ("wood_table", "drawn", True)
    again = drawn("x", "wood_table", np.random.default_rng((1, 3)), is_held_out=True)
    assert json.loads(json.dumps(again.conditions.to_plain())) == {
        key: told[key] for key in again.conditions.to_plain()
    }
    with Image.open(prepared / "drawn-00003.jpg") as image:
        assert np.abs(np.asarray(image, float) - again.picture).mean() < 1.5
    mixed = json.loads((prepared / "mixed-00000.json").read_text())
    assert mixed["style"] == "interior_bokeh"
    assert len(mixed["latent"]) == 64
    photograph = json.loads((prepared / "photograph-park-0.json").read_text())
    assert (photograph["style"], photograph["is_paired"]) == ("outdoor_bokeh", False)


def test_read_samples__keeps_held_out_pictures_apart(prepared: Path) -> None:
    training, held_out = read_samples(prepared)
    assert len(training) + len(held_out) == 15
    assert sum(sample.source == "drawn" for sample in held_out) == 7
    with pytest.raises(NoTrainingImagesError, match="prepare-backdrops"):
        read_samples(prepared.parent)


def test_batches__are_the_same_for_the_same_seed(prepared: Path) -> None:
    training, _ = read_samples(prepared)
    batches = BackdropBatches(training, 3)
    planes, truth = batches(np.random.default_rng(1), 0)
    assert planes.shape == (3, PLANES, SIDE, SIDE)
    assert truth.shape == (3, 4, SIDE, SIDE)
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


def test_principal_latents__are_about_standard_normal_and_tell_layouts_apart() -> None:
    rng = np.random.default_rng(0)
    basis = rng.standard_normal((3, 30))
    hidden = rng.standard_normal((80, 3)) * (5, 3, 1)
    found = np.array(principal_latents(list((hidden @ basis).astype(np.float32)), rng))
    assert found.shape == (80, 64)
    assert found.std(axis=0) == pytest.approx(np.ones(64), abs=0.3)
    strongest = np.abs(np.corrcoef(found[:, 0], hidden[:, 0])[0, 1])
    assert strongest > 0.9


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


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"objective": "lsgan"}, "--objective is one of r3gan, dcgan, wgan_gp"),
        ({"net": "m"}, "--net is one of s, dcgan"),
        ({"style": "beach"}, "--style is one of studio_white"),
        ({"first_part": 1.5}, "first-part is a fraction"),
    ],
)
def test_args__refuse_what_cannot_run(option: dict[str, object], words: str) -> None:
    with pytest.raises(TrainingArgsError, match=words):
        BackdropArgs(data=Path("a"), out=Path("b"), **option)


def run_args(data: Path, out: Path, **options: object) -> BackdropArgs:
    values: dict[str, object] = {
        "hours": 0.0,
        "max_steps": 3,
        "batch": 2,
        "first_part": 0.3,
        "window_part": 0.6,
        "validate_steps": 3,
    }
    return BackdropArgs(data=data, out=out, accelerator="cpu", **values | options)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_backdrop, "BackdropGeneratorConfig", lambda: TINY)
    monkeypatch.setattr(fit_backdrop, "Discriminator", lambda: Discriminator((8, 8, 8, 8)))
    monkeypatch.setattr(fit_backdrop, "MOST_HELD_OUT", 1)


QUIET = (
    "ignore:.*does not have many workers:UserWarning",
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore::lightning.fabric.utilities.rank_zero.LightningDeprecationWarning",
    "ignore::UserWarning:lightning",
)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("objective", ["r3gan", "wgan_gp"])
@pytest.mark.filterwarnings(*QUIET)
def test_fit__trains_and_resumes(objective: str, prepared: Path, tmp_path: Path) -> None:
    args = run_args(prepared, tmp_path, objective=objective)
    module = fit_backdrop.fit(args)
    first = load_file(tmp_path / "backdrop_s.safetensors")
    assert module.clock.step == 3
    resumed = fit_backdrop.fit(replace(args, max_steps=4, resume=True))
    assert resumed.clock.step == 4
    assert any(
        not torch.equal(first[key], value) for key, value in resumed.net.state_dict().items()
    )


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(("bf16_part", "kinds"), [(0.0, {F32}), (1.0, {F32, BF16})])
@pytest.mark.filterwarnings(*QUIET)
def test_fit__computes_scores_in_half_precision_and_penalties_in_full(
    prepared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bf16_part: float,
    kinds: set[torch.dtype],
) -> None:
    scores: list[Tensor] = []

    def build() -> Discriminator:
        judge = Discriminator((8, 8, 8, 8))
        judge.register_forward_hook(lambda _module, _given, found: scores.append(found))
        return judge

    monkeypatch.setattr(fit_backdrop, "Discriminator", build)
    module = fit_backdrop.fit(run_args(prepared, tmp_path, bf16_part=bf16_part, first_part=0.0))
    assert {found.dtype for found in scores} == kinds
    assert {p.dtype for p in module.parameters()} == {F32}


@pytest.mark.usefixtures("tiny")
@pytest.mark.filterwarnings(*QUIET)
def test_fit__trains_the_generator_of_the_textbooks(prepared: Path, tmp_path: Path) -> None:
    module = fit_backdrop.fit(run_args(prepared, tmp_path, net="dcgan", objective="dcgan"))
    assert module.clock.step == 3
    DCGANGenerator().load_state_dict(load_file(tmp_path / "dcgan.safetensors"))


@pytest.mark.usefixtures("tiny")
@pytest.mark.filterwarnings(*QUIET)
def test_fit__teaches_a_shop_its_own_style(tmp_path: Path) -> None:
    photos = tmp_path / "brand_photos"
    photos.mkdir()
    rng = np.random.default_rng(0)
    for number in range(16):
        picture = np.full((40, 60, 3), rng.integers(100, 200, 3), np.uint8)
        picture[:25, :30] = rng.integers(100, 200, 3)
        picture[25:] //= 2
        Image.fromarray(picture).save(photos / f"photo{number}.png")
    training, held_out = read_any(photos, "brand")
    assert len(training) + len(held_out) == 16
    assert {sample.conditions.style for sample in training} == {"brand"}
    assert training[0].conditions.horizon == pytest.approx(0.375, abs=0.1)
    start = tmp_path / "start.safetensors"
    save_file(BackdropGenerator(TINY).state_dict(), start)
    options = {"init_from": start, "style": "brand", "max_steps": 1, "validate_steps": 1}
    module = fit_backdrop.fit(run_args(photos, tmp_path / "taught", **options))
    behind, first = (
        cast(BackdropGenerator, net).layouts_behind for net in (module.net, BackdropGenerator(TINY))
    )
    number = FREE.index("brand")
    assert behind[number].abs().max() > 0.01
    assert torch.equal(behind[:number], first[:number])


@pytest.mark.usefixtures("tiny")
@pytest.mark.filterwarnings(*QUIET)
def test_fit__goes_on_with_the_scenery_of_a_trained_generator(
    prepared: Path, tmp_path: Path
) -> None:
    trained = BackdropGenerator(TINY)
    with torch.no_grad():
        trained.layouts_behind.fill_(7.0)
    start = tmp_path / "start.safetensors"
    save_file(trained.state_dict(), start)
    options = {"init_from": start, "max_steps": 1, "validate_steps": 1}
    module = fit_backdrop.fit(run_args(prepared, tmp_path / "more", **options))
    assert cast(BackdropGenerator, module.net).layouts_behind.min() > 6.9


def test_read_any__asks_what_style_photographs_are(tmp_path: Path) -> None:
    with pytest.raises(TrainingArgsError, match="say which --style they are"):
        read_any(tmp_path, "")


def test_read_any__needs_enough_photographs(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "only.png")
    with pytest.raises(TooFewPhotosError, match="a style needs 12, better 50 to 200"):
        read_any(tmp_path, "brand")
