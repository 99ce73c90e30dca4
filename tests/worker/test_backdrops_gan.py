"""Backdrops by the network: sizes, horizons, palettes, grain, and what they say of themselves."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.engine import Engine
from enhancer_worker.nets import zoo
from enhancer_worker.nets.backdrop_conditions import RANGES, STYLES
from enhancer_worker.nets.backdrop_generator import BackdropGenerator, BackdropGeneratorConfig
from enhancer_worker.nets.zoo import ZooEntry
from enhancer_worker.pipeline.backdrops import grain
from enhancer_worker.pipeline.backdrops.gan import conditions_of
from enhancer_worker.pipeline.backdrops.grain import AMOUNTS, add_grain
from enhancer_worker.pipeline.backdrops.palettes import PALETTES, complete_palette
from enhancer_worker.pipeline.backdrops.protocol import BackdropImage
from enhancer_worker.pipeline.backdrops.registry import generator
from enhancer_worker.pipeline.backdrops.window import LEARNED_HORIZONS, choose_window
from enhancer_worker.pipeline.steps.outcome import Tools
from enhancer_worker.pipeline.surroundings import HollowEngine
from shopimg.contract import Backdrop, Deadline, RecipeError
from shopimg.contract.provenance import COMPOSITE_WITH_GENERATED
from shopimg.contract.steps import scene
from tests.worker.tiny_nets import TINY_ZOO, export_weights, write_weights

CONFIG = BackdropGeneratorConfig((16, 16, 16, 16, 16), (1, 1, 1, 1, 1), mapped=16, texture=8)


def tiny_net() -> BackdropGenerator:
    torch.manual_seed(0)
    net = BackdropGenerator(CONFIG)
    for part in (net.to_pixels, net.texture_to_pixels):
        nn.init.normal_(part.weight, std=0.02)
    return net.eval().requires_grad_(False)


ENTRY = ZooEntry(
    "backdrop_s",
    "backdrop",
    1,
    halo=0,
    multiple_of=256,
    build=tiny_net,
    net=tiny_net().describe(),
    input_shape=(10, 256, 256),
)
STEP = Backdrop(style="marble")
OWN_ZOO = {"backdrop_s": ENTRY, "upscale_x4_s": TINY_ZOO["upscale_x4_s"]}


@pytest.fixture(scope="module")
def weights_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Exported, too: converting the network takes seconds, for each engine."""
    folder = write_weights(tmp_path_factory.mktemp("weights"), OWN_ZOO, OWN_ZOO)
    return export_weights(folder, OWN_ZOO)


@pytest.fixture(scope="module")
def engine(weights_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    cache = tmp_path_factory.mktemp("cache")
    config = WorkerConfig(device="cpu", threads=1, weights_dir=weights_dir, cache_dir=cache)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo, "ZOO", OWN_ZOO)
        yield Engine(config, OWN_ZOO)


def make(engine: Engine, step: Backdrop, width: int, height: int) -> BackdropImage:
    return generator("gan")(step, width, height, Tools(engine, Deadline(60)))


@pytest.mark.parametrize("size", [(300, 300), (400, 200), (150, 290)])
def test_gan__is_the_same_each_time_at_any_size(engine: Engine, size: tuple[int, int]) -> None:
    step = Backdrop(style="wood_table", seed=3)
    first = make(engine, step, *size)
    assert first.pixels.shape == (size[1], size[0], 3)
    assert first.pixels.dtype == np.uint8
    assert np.array_equal(first.pixels, make(engine, step, *size).pixels)
    assert not np.array_equal(first.pixels, make(engine, replace(step, seed=4), *size).pixels)


def test_gan__says_what_it_is(engine: Engine) -> None:
    made = make(engine, Backdrop(style="wood_table"), 300, 300)
    assert list(made.weights) == ["backdrop_s", "upscale_x4_s"]
    assert all(len(digest) == 64 for digest in made.weights.values())
    assert made.source_type == COMPOSITE_WITH_GENERATED
    assert (made.seamless, made.exact) == (False, False)
    assert json.loads(json.dumps(made.details))["network"] == "backdrop_s"
    assert make(engine, Backdrop(style="cove"), 300, 300).seamless
    assert list(make(engine, Backdrop(style="cove"), 200, 256).weights) == ["backdrop_s"]


def test_gan__runs_without_an_upscaler_and_not_without_its_net(
    weights_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoo, "ZOO", OWN_ZOO)
    config = WorkerConfig(device="cpu", threads=1, weights_dir=weights_dir, cache_dir=tmp_path)
    alone = make(Engine(config, {"backdrop_s": ENTRY}), Backdrop(style="cove"), 300, 200)
    assert list(alone.weights) == ["backdrop_s"]
    none = Engine(config, {"upscale_x4_s": TINY_ZOO["upscale_x4_s"]})
    with pytest.raises(RecipeError, match="no network for backdrop"):
        make(none, Backdrop(style="cove"), 300, 200)


def test_gan__is_the_same_whatever_the_precision_asked_for(engine: Engine, tmp_path: Path) -> None:
    config = replace(engine.config, precision="bf16", tier="m", cache_dir=tmp_path)
    one, other = (make(Engine(c, OWN_ZOO), STEP, 400, 400) for c in (engine.config, config))
    assert list(one.weights) == ["backdrop_s", "upscale_x4_s"]
    assert np.array_equal(one.pixels, other.pixels)


def test_gan__paints_for_the_planner_too(engine: Engine) -> None:
    hollow = HollowEngine(engine)
    assert list(make(hollow, STEP, 300, 300).weights) == ["backdrop_s", "upscale_x4_s"]


def test_gan__paints_the_shops_own_style_with_the_network_that_was_taught_it(
    engine: Engine, weights_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brand = Backdrop(style="brand")
    with pytest.raises(RecipeError, match="was not taught the style 'brand'"):
        make(engine, brand, 100, 100)
    nets = {
        "backdrop_s": ENTRY,
        "backdrop_s_brand": replace(ENTRY, name="backdrop_s_brand", flavour="brand"),
    }
    monkeypatch.setattr(zoo, "ZOO", nets)
    folder = write_weights(tmp_path / "taught", nets, nets)
    listed = json.loads((weights_dir / "weights.json").read_text())
    digests = listed["weights"]["backdrop_s"]["openvino_sha256"]
    palettes = "#c01020 #102030 #304050, 20c010 102030 304050"
    taught = json.loads((folder / "weights.json").read_text())
    for name in nets:
        for file in digests:
            shutil.copy(weights_dir / file, folder / file.replace("backdrop_s", name))
        own_digests = {file.replace("backdrop_s", name): one for file, one in digests.items()}
        taught["weights"][name] |= {"openvino_sha256": own_digests}
    taught["weights"]["backdrop_s_brand"]["config"] = {"palettes": palettes}
    (folder / "weights.json").write_text(json.dumps(taught))
    own = Engine(replace(engine.config, weights_dir=folder), nets)
    found = [make(own, replace(brand, seed=seed), 100, 100) for seed in (2, 3)]
    assert {one.details["network"] for one in found} == {"backdrop_s_brand"}
    surfaces = {tuple(one.details["palette"][0]) for one in found}
    assert surfaces == {(192, 16, 32), (32, 192, 16)}
    assert make(own, STEP, 100, 100).details["network"] == "backdrop_s"


def test_gan__puts_the_horizon_where_it_was_asked_for(engine: Engine) -> None:
    palette = ("#f0f0f0", "#101010")
    for horizon, size in ((0.62, (256, 256)), (0.5, (360, 200)), (0.8, (200, 300))):
        step = Backdrop(style="marble", horizon=horizon, palette=palette)
        rows = make(engine, step, *size).pixels.mean(axis=(1, 2))
        found = int(np.argmax(np.diff(rows))) / size[1]
        assert found == pytest.approx(horizon, abs=0.03)


@pytest.mark.parametrize(("direction", "azimuth"), [(90, 90), (180, 0), (270, -90), (315, -110)])
def test_conditions__count_degrees_from_the_camera(direction: float, azimuth: float) -> None:
    found = conditions_of(Backdrop(light_direction=direction), 0.4, ["cccccc bbbbbb aaaaaa"])
    assert found.azimuth == azimuth


def test_contract__asks_for_what_the_network_knows() -> None:
    assert {*scene.STYLES, scene.BRAND} == set(STYLES)
    assert set(PALETTES) == set(STYLES)
    low, high = RANGES["elevation"]
    assert low <= 10 <= 85 <= high
    assert set(AMOUNTS) < set(STYLES)


@pytest.mark.parametrize("horizon", [0.05, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("size", [(1000, 1000), (1600, 900), (900, 1600)])
def test_choose_window__lies_within_the_frame(horizon: float, size: tuple[int, int]) -> None:
    window = choose_window(horizon, *size)
    assert LEARNED_HORIZONS[0] <= window.horizon <= LEARNED_HORIZONS[1]
    assert window.left >= -1e-9
    assert window.top >= -1e-9
    assert window.left + window.width <= 1 + 1e-9
    assert window.top + window.height <= 1 + 1e-9
    bottom = 1 - window.top - window.height
    assert (window.horizon - bottom) / window.height == pytest.approx(horizon)
    assert window.width / window.height == pytest.approx(size[0] / size[1])


def test_complete_palette__keeps_what_was_given() -> None:
    given = complete_palette(
        "wood_table", PALETTES["wood_table"], ("#102030", "#405060", "#708090", "#ffffff"), 0
    )
    assert given == ((16, 32, 48), (64, 80, 96), (112, 128, 144))
    one = complete_palette("cove", PALETTES["cove"], ("#646464",), 0)
    assert one == ((100, 100, 100), (100, 100, 100), (80, 80, 80))
    assert complete_palette("cove", PALETTES["cove"], (), 1) == complete_palette(
        "cove", PALETTES["cove"], (), 1
    )
    assert len({complete_palette("cove", PALETTES["cove"], (), seed) for seed in range(30)}) == 5


def test_add_grain__touches_the_surface_and_leaves_studios_smooth() -> None:
    flat = np.full((800, 800, 3), 128, np.uint8)
    window = choose_window(0.4, 800, 800)

    def spread(style: str) -> tuple[float, float]:
        conditions = conditions_of(Backdrop(style=style), window.horizon, PALETTES[style])
        made = add_grain(flat, conditions, window).astype(float)
        return float(made[:440].std()), float(made[520:].std())

    assert spread("wood_table")[1] > 3 * spread("wood_table")[0]
    assert max(spread("cove")) < 1


def test_add_grain__draws_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    flat = np.full((600, 300, 3), 128, np.uint8)
    window = choose_window(0.4, 300, 600)
    conditions = conditions_of(Backdrop(style="wood_table"), window.horizon, PALETTES["wood_table"])
    at_once = add_grain(flat, conditions, window)
    monkeypatch.setattr(grain, "_BAND_ROWS", 7)
    assert np.array_equal(add_grain(flat, conditions, window), at_once)
