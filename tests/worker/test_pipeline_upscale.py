"""Enlarging: the plan, the share of detail, flavours and tiers, foreign networks."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import nn

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine import engine as engine_module
from enhancer_worker.engine.choosing import Purpose, choose_entry
from enhancer_worker.engine.device import Placement
from enhancer_worker.engine.engine import Engine
from enhancer_worker.nets import zoo
from enhancer_worker.nets.manifest import file_digest
from enhancer_worker.nets.zoo import ZOO
from enhancer_worker.pipeline.assessment import Assessment
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.steps import upscale as upscale_module
from enhancer_worker.pipeline.steps.outcome import StepOutcome, Tools
from enhancer_worker.pipeline.steps.restore import restore
from enhancer_worker.pipeline.steps.upscale import (
    blend_detail,
    plan_upscale,
    resample,
    upscale,
)
from enhancer_worker.pipeline.steps.verdict import Verdict
from shopimg.contract import FLAVOURS, Deadline, RecipeError, Restore, Upscale
from tests.worker.tiny_nets import TINY_ZOO, write_weights

NO_LIMIT = Deadline(math.inf)
LARGEST_INTERMEDIATE_PIXELS = 120_000_000

Make = Callable[..., Engine]


@pytest.fixture
def make_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Build an engine for which only some of the tiny networks ship."""
    monkeypatch.setattr(zoo, "ZOO", TINY_ZOO)

    def make(*names: str, **options: object) -> Engine:
        folder = write_weights(tmp_path / "weights", names or tuple(TINY_ZOO))
        config = WorkerConfig(device="torch-cpu", weights_dir=folder, **options)
        return Engine(config, TINY_ZOO)

    return make


@pytest.fixture
def engine_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[pytest.LogCaptureFixture]:
    """Collect what the engine warns of, whatever other tests have done to loggers above it."""
    logger = engine_module.logger
    monkeypatch.setattr(logger, "disabled", False)
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    with caplog.at_level(logging.WARNING, logger=logger.name):
        yield caplog


def noise(width: int = 48, height: int = 40) -> NDArray[np.uint8]:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)


def enlarged(engine: Engine, step: Upscale, pixels: NDArray[np.uint8] | None = None) -> StepOutcome:
    picture = Picture(noise() if pixels is None else pixels)
    return upscale(picture, step, Tools(engine, NO_LIMIT))


# --- the plan -------------------------------------------------------------------------------

sides = st.integers(1, 12_000)
scale_sets = st.sets(st.sampled_from((2, 3, 4, 8)), min_size=1).map(tuple)


@settings(max_examples=400, deadline=None)
@given(sides, sides, st.integers(16, 12_000), scale_sets)
def test_plan_upscale__takes_the_smallest_cascade_that_suffices_and_fits(
    width: int, height: int, to: int, scales: tuple[int, ...]
) -> None:
    step = Upscale(to=to)
    plan = plan_upscale(width, height, step, scales)
    longest, factor = max(width, height), math.prod(plan.scales)
    assert (plan.width, plan.height) == step.result_size(width, height)
    assert max(plan.width, plan.height) == max(longest, to)
    assert set(plan.scales) <= set(scales)
    assert len(plan.scales) <= 2
    assert plan.scales == tuple(sorted(plan.scales, reverse=True))
    assert not plan.scales or factor**2 * width * height <= LARGEST_INTERMEDIATE_PIXELS
    pairs = {first * second for first in (1, *scales) for second in (1, *scales)}
    fitting = [f for f in pairs if f == 1 or f**2 * width * height <= LARGEST_INTERMEDIATE_PIXELS]
    if any(f * longest >= to for f in fitting):
        assert factor == min(f for f in fitting if f * longest >= to)
    else:
        assert factor == max(fitting)


@settings(max_examples=100, deadline=None)
@given(sides, sides, st.sampled_from(Upscale.SCALES))
def test_plan_upscale__by_a_factor_runs_its_network_once(
    width: int, height: int, scale: int
) -> None:
    fits = scale**2 * width * height <= LARGEST_INTERMEDIATE_PIXELS
    plan = plan_upscale(width, height, Upscale(scale=scale), (scale,))
    assert plan.scales == ((scale,) if fits else ())
    assert (plan.width, plan.height) == (width * scale, height * scale)


@given(sides, sides, st.integers(16, 12_000))
def test_plan_upscale__without_strength_runs_nothing(width: int, height: int, to: int) -> None:
    step = Upscale(to=to, strength=0)
    plan = plan_upscale(width, height, step)
    assert plan.scales == ()
    assert (plan.width, plan.height) == step.result_size(width, height)


# --- the share of detail --------------------------------------------------------------------


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_blend_detail__resamples_a_tile_as_the_whole_picture(scale: int) -> None:
    pixels, halo = noise(90, 80), 3
    whole = resample(pixels, 90 * scale, 80 * scale).astype(int)
    mix = blend_detail(0.0, scale)
    # A corner, an edge and the middle; at the picture's own border the tile needs no halo.
    for top, left, bottom, right in ((0, 0, 40, 44), (30, 0, 80, 50), (17, 23, 57, 71)):
        tile = pixels[top:bottom, left:right].transpose(2, 0, 1)[None].astype(np.float32) / 255
        size = (1, 3, tile.shape[2] * scale, tile.shape[3] * scale)
        result = mix(tile, np.ones(size, np.float32))[0].transpose(1, 2, 0) * 255
        rows = slice((halo if top else 0), bottom - top - (halo if bottom < 80 else 0))
        columns = slice((halo if left else 0), right - left - (halo if right < 90 else 0))
        inside = tuple(slice(part.start * scale, part.stop * scale) for part in (rows, columns))
        beyond = tuple(
            slice((part.start + offset) * scale, (part.stop + offset) * scale)
            for part, offset in ((rows, top), (columns, left))
        )
        assert np.abs(result[inside] - whole[beyond]).max() <= 1.001


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_strength__mixes_the_network_with_plain_resampling(make_engine: Make, scale: int) -> None:
    engine = make_engine(tile_size=64)
    pixels = noise(150, 100)
    none, half, whole = (
        enlarged(engine, Upscale(scale=scale, strength=strength), pixels)
        for strength in (0, 0.5, 1)
    )
    assert len(half.details["runs"]) == 1
    assert half.details["runs"][0]["tiles"] > 1
    plain = resample(pixels, 150 * scale, 100 * scale)
    assert np.array_equal(none.picture.pixels, plain)
    network = whole.picture.pixels.astype(int)
    assert np.abs(network - plain).max() > 50
    inside = (network > 0) & (network < 255)
    # The tile's plain pixels may be a level off; the network and the mix are rounded once each.
    difference = np.abs(half.picture.pixels - (network + plain) / 2)[inside]
    assert difference.max() <= 1.5


def test_strength__zero_loads_no_network(make_engine: Make) -> None:
    engine = make_engine("restore_s")
    outcome = enlarged(engine, Upscale(to=100, strength=0))
    assert outcome.weights == {}
    assert outcome.details == {
        "scale": None,
        "to": 100,
        "strength": 0,
        "flavour": "",
        "width": 100,
        "height": 83,
        "runs": [],
    }


# --- which network --------------------------------------------------------------------------


def test_upscale__says_which_flavour_ran(make_engine: Make) -> None:
    engine = make_engine()
    photo, faithful = (
        enlarged(engine, Upscale(scale=2, flavour=flavour)) for flavour in ("photo", "faithful")
    )
    assert (photo.details["flavour"], list(photo.weights)) == ("photo", ["upscale_x2_s_photo"])
    assert (faithful.details["flavour"], list(faithful.weights)) == ("faithful", ["upscale_x2_s"])
    assert (photo.picture.pixels != faithful.picture.pixels).any()


@pytest.mark.parametrize(
    ("judged", "flavour", "network"),
    [
        (Assessment(2.9, 92.1, 1.0), "faithful", "upscale_x2_s"),
        (Assessment(3.1, 92.1, 0.0), "photo", "upscale_x2_s_photo"),
        (Assessment(2.9, 91.9, 0.0), "photo", "upscale_x2_s_photo"),
    ],
    ids=["hardly damaged", "noisy", "compressed"],
)
def test_upscale__looks_which_flavour_suits(
    make_engine: Make,
    monkeypatch: pytest.MonkeyPatch,
    judged: Assessment,
    flavour: str,
    network: str,
) -> None:
    found = Verdict(judged, {"estimate_s": "d" * 64})
    monkeypatch.setattr(upscale_module, "judge", lambda *_arguments: found)
    outcome = enlarged(make_engine(), Upscale(scale=2))
    assert outcome.details["flavour"] == flavour
    assert list(outcome.weights) == ["estimate_s", network]


def test_upscale__takes_uploads_for_damaged_where_nothing_estimates(make_engine: Make) -> None:
    engine = make_engine("upscale_x2_s", "upscale_x2_s_photo")
    outcome = enlarged(engine, Upscale(scale=2))
    assert list(outcome.weights) == ["upscale_x2_s_photo"]


def test_upscale__falls_back_to_faithful_and_says_so(
    make_engine: Make, engine_log: pytest.LogCaptureFixture
) -> None:
    engine = make_engine()
    outcomes = [enlarged(engine, Upscale(scale=3)) for _ in range(2)]
    assert [outcome.details["flavour"] for outcome in outcomes] == ["faithful"] * 2
    assert engine_log.messages == ["No network ships for upscale x3 (photo); upscale_x3_s runs."]
    cascade = enlarged(engine, Upscale(to=280))
    assert cascade.details["flavour"] == "faithful, photo"
    assert [run["network"] for run in cascade.details["runs"]] == [
        "upscale_x3_s",
        "upscale_x2_s_photo",
    ]
    assert cascade.picture.pixels.shape == (233, 280, 3)


def test_upscale__says_which_networks_there_are(make_engine: Make) -> None:
    engine = make_engine("upscale_x2_s_photo", "restore_s")
    message = "no network for upscale x3 (photo), only upscale_x2_s_photo, restore_s."
    with pytest.raises(RecipeError) as caught:
        enlarged(engine, Upscale(scale=3))
    assert message in caught.value.public_message
    with pytest.raises(RecipeError, match="no network for upscale x2, only"):
        enlarged(engine, Upscale(scale=2, flavour="faithful"))
    with pytest.raises(RecipeError, match="no network for upscale, only restore_s"):
        enlarged(make_engine("restore_s"), Upscale(to=100))


@pytest.mark.parametrize(
    ("tier", "device", "name"),
    [
        ("auto", "cpu", "upscale_x2_s"),
        ("auto", "cuda:0", "upscale_x2_m"),
        ("m", "cpu", "upscale_x2_m"),
        ("s", "cuda:0", "upscale_x2_s"),
    ],
)
def test_tier__follows_the_device_or_the_setting(
    make_engine: Make, tier: str, device: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(tier=tier)
    monkeypatch.setattr(engine, "placement", Placement("torch", device, "fp32"))
    monkeypatch.setattr(engine_module, "load", lambda entry, placement, config: entry)
    assert engine.net("upscale", 2).name == name


def test_tier__falls_back_to_the_one_that_ships(
    make_engine: Make, engine_log: pytest.LogCaptureFixture
) -> None:
    engine = make_engine("upscale_x2_s", "upscale_x3_s", tier="m")
    outcomes = [enlarged(engine, Upscale(scale=scale, flavour="faithful")) for scale in (2, 2, 3)]
    assert [list(outcome.weights) for outcome in outcomes] == [
        ["upscale_x2_s"],
        ["upscale_x2_s"],
        ["upscale_x3_s"],
    ]
    # There is no tier m of x3 at all, so nothing is missing.
    assert engine_log.messages == ["No network of tier m ships for upscale x2; upscale_x2_s runs."]


every_step = st.one_of(
    st.builds(
        Upscale,
        scale=st.sampled_from(Upscale.SCALES),
        flavour=st.sampled_from(FLAVOURS),
    ),
    st.builds(Upscale, to=st.integers(16, 12_000), flavour=st.sampled_from(FLAVOURS)),
)


@settings(max_examples=300, deadline=None)
@given(st.sets(st.sampled_from(sorted(ZOO))), every_step)
def test_fingerprint__covers_exactly_what_may_run(shipped: set[str], step: Upscale) -> None:
    entries = [ZOO[name] for name in shipped]
    scales = (step.scale,) if step.scale else Upscale.SCALES
    chosen = {
        choose_entry(entries, Purpose("upscale", scale, flavour), tier)
        for flavour in (step.flavour, "faithful")  # which draws the text
        for scale in scales
        for tier in ("s", "m")
    }
    names = {entry.name for entry in chosen if entry}
    assert step.weights(shipped) == names


def test_choose_entry__prefers_the_flavour_to_the_tier() -> None:
    purpose = Purpose("upscale", 2, "photo")
    names = ["upscale_x2_m_photo", "upscale_x2_s_photo", "upscale_x2_s", "upscale_x2_m"]
    order: list[str] = []
    while names:
        entry = choose_entry([ZOO[name] for name in names], purpose, "s")
        assert entry is not None
        order.append(entry.name)
        names.remove(entry.name)
    assert order == ["upscale_x2_s_photo", "upscale_x2_m_photo", "upscale_x2_s", "upscale_x2_m"]


def test_choose_entry__never_takes_a_reference() -> None:
    references = [entry for entry in ZOO.values() if entry.is_reference]
    assert [entry.scale for entry in references] == [2, 3, 4] * 2
    for scale, flavour in itertools.product((2, 3, 4), FLAVOURS):
        assert choose_entry(references, Purpose("upscale", scale, flavour), "s") is None


# --- networks from elsewhere ----------------------------------------------------------------


def foreign_engine(folder: Path, *modules: nn.Module) -> tuple[Engine, list[dict[str, str]]]:
    """Write checkpoints with random weights; return an engine and what recipes say of each."""
    folder.mkdir()
    named = []
    for number, module in enumerate(modules):
        path = folder / f"net{number}.safetensors"
        save_file({key: value.contiguous() for key, value in module.state_dict().items()}, path)
        named.append({"network": path.name, "sha256": file_digest(path)})
    return Engine(WorkerConfig(device="torch-cpu", networks_dir=folder)), named


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_steps__run_the_network_that_they_name(tmp_path: Path) -> None:
    from spandrel.architectures.Compact import Compact
    from spandrel.architectures.NAFNet import NAFNet

    torch.manual_seed(0)
    doubling = Compact(num_feat=16, num_conv=2, upscale=2)
    keeping = NAFNet(width=8, middle_blk_num=1, enc_blk_nums=[1, 1], dec_blk_nums=[1, 1])
    nn.init.normal_(keeping.ending.weight)
    engine, (large, same) = foreign_engine(tmp_path / "networks", doubling, keeping)
    # Twice by 2, then down to 3.
    thrice = enlarged(engine, Upscale(scale=3, **large))
    assert thrice.picture.pixels.shape == (120, 144, 3)
    assert [run["network"] for run in thrice.details["runs"]] == ["net0.safetensors"] * 2
    assert thrice.details["flavour"] == ""
    assert thrice.weights == {"net0.safetensors": large["sha256"]}
    half, whole = (
        enlarged(engine, Upscale(to=96, strength=strength, **large)).picture.pixels.astype(int)
        for strength in (0.5, 1)
    )
    inside = (whole > 0) & (whole < 255)
    assert inside.any()
    assert np.abs(half - (whole + resample(noise(), 96, 80)) / 2)[inside].max() <= 1.5
    tools = Tools(engine, NO_LIMIT)
    restored = restore(Picture(noise()), Restore(always=True, **same), tools)
    assert restored.weights == {"net1.safetensors": same["sha256"]}
    assert (restored.picture.pixels != noise()).any()
    with pytest.raises(RecipeError, match=r"'net1\.safetensors' does not enlarge"):
        enlarged(engine, Upscale(scale=2, **same))
    with pytest.raises(RecipeError, match=r"'net0\.safetensors' enlarges: it belongs into upscale"):
        restore(Picture(noise()), Restore(**large), tools)
