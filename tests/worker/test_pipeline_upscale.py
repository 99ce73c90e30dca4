"""Enlarging: the plan, the share of detail, flavours and tiers, foreign networks."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.engine import Engine
from enhancer_worker.nets.manifest import file_digest
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.steps.outcome import Tools
from enhancer_worker.pipeline.steps.restore import restore
from enhancer_worker.pipeline.steps.upscale import (
    blend_detail,
    plan_upscale,
    resample,
)
from shopimg.contract import Deadline, RecipeError, Restore, Upscale
from tests.worker.conftest import Make
from tests.worker.recipe_runs import enlarged, noise

NO_LIMIT = Deadline(math.inf)
LARGEST_INTERMEDIATE_PIXELS = 120_000_000

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
