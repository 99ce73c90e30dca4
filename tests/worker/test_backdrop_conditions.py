"""Conditions, maps of the frame, and how both are packed for a network."""

import json
from dataclasses import replace

import numpy as np
import pytest

from enhancer_worker.nets.backdrop_conditions import (
    CODES,
    LATENT,
    STYLES,
    BackdropConditions,
    codes,
    latent,
)
from enhancer_worker.nets.backdrop_input import NUMBERS, PLANES, network_input
from enhancer_worker.nets.backdrop_maps import (
    MAPS,
    SIDE,
    VANISHING,
    WALL_DEPTH,
    discs,
    geometry,
    irradiance,
    maps,
)
from enhancer_worker.nets.backdrop_noise import KINDS, SPAN, TILE, pyramid, sample
from enhancer_worker.nets.zoo import zoo_entry
from shopimg.contract import RecipeError

WOOD = BackdropConditions(
    style="wood_table", palette=((200, 150, 100), (210, 210, 210), (90, 60, 30)), seed=5
)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"style": "beach"}, "No backdrop style 'beach'; there are studio_white"),
        ({"azimuth": 181.0}, "azimuth must be from -180 to 180"),
        ({"elevation": 2.0}, "elevation must be from 5 to 90"),
        ({"light_size": 1.1}, "light_size must be from 0 to 1"),
        ({"horizon": 0.95}, "horizon must be from 0.1 to 0.9"),
        ({"seed": -1}, "seed must be from 0"),
        ({"palette": ((0, 0, 0), (0, 0, 256), (0, 0, 0))}, "three colours of 0 to 255"),
    ],
)
def test_conditions__refuse_what_no_network_knows(change: dict[str, object], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        replace(WOOD, **change)


def test_conditions__survive_json() -> None:
    plain = json.loads(json.dumps({**WOOD.to_plain(), "source": "drawn"}))
    assert BackdropConditions.from_plain(plain) == WOOD


def test_light__points_where_it_comes_from() -> None:
    right = replace(WOOD, azimuth=90.0, elevation=30.0).light()
    assert right == pytest.approx((np.sqrt(3) / 2, 0.5, 0), abs=1e-12)
    assert replace(WOOD, azimuth=0.0, elevation=45.0).light()[2] == pytest.approx(-np.sqrt(0.5))


def test_codes__say_everything_once() -> None:
    found = codes(WOOD)
    assert found.shape == (CODES,)
    assert found[: len(STYLES)].tolist() == [float(s == "wood_table") for s in STYLES]
    assert found[len(STYLES)] == pytest.approx(200 / 127.5 - 1)
    assert found[-1] == pytest.approx(2 * WOOD.horizon - 1)


def test_latent__depends_on_the_seed_alone_and_is_bounded() -> None:
    assert np.array_equal(latent(3), latent(3))
    assert not np.array_equal(latent(3), latent(4))
    many = np.stack([latent(seed) for seed in range(200)])
    assert many.shape == (200, LATENT)
    assert np.abs(many).max() <= 3
    assert many.std() == pytest.approx(1, abs=0.05)


def test_geometry__floor_ends_at_the_horizon_where_the_wall_begins() -> None:
    where = geometry(0.25, side=64)
    assert where.surface.sum(axis=0).tolist() == [16] * 64
    assert where.depth[48, 0] == pytest.approx(WALL_DEPTH, rel=0.05)
    assert where.depth[-1, 0] == pytest.approx(
        WALL_DEPTH * VANISHING / (VANISHING + 0.25), rel=0.02
    )
    assert np.all(np.diff(where.depth[48:, 5]) < 0)
    assert where.up[47, 0] > 0
    assert where.across[:, 0] == pytest.approx(-where.across[:, -1])


def test_irradiance__falls_off_away_from_the_light() -> None:
    where = geometry(0.4)
    lit = irradiance(replace(WOOD, azimuth=-80.0, light_size=0.1), where)
    assert lit[:, 0].mean() > 1.3 * lit[:, -1].mean()
    mirrored = irradiance(replace(WOOD, azimuth=80.0, light_size=0.1), where)
    assert mirrored == pytest.approx(lit[:, ::-1], abs=1e-5)


def test_irradiance__of_a_large_light_is_more_even() -> None:
    where = geometry(0.4)
    small, large = (
        irradiance(replace(WOOD, azimuth=-60.0, light_size=size), where) for size in (0.0, 1.0)
    )
    assert np.ptp(large) < np.ptp(small)


def test_maps__are_the_same_each_time_and_within_0_and_1() -> None:
    found = maps(WOOD)
    assert found.shape == (len(MAPS), SIDE, SIDE)
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1
    assert np.array_equal(found, maps(WOOD))
    other = maps(replace(WOOD, seed=6))
    changed = [bool(np.any(a != b)) for a, b in zip(found, other, strict=True)]
    assert changed[: MAPS.index("clouds")] == [False] * 4
    assert all(changed[MAPS.index("clouds") : MAPS.index("discs")])


def test_discs__stay_above_the_horizon() -> None:
    seeds = [replace(WOOD, seed=seed, horizon=0.5) for seed in range(12)]
    found = [discs(conditions) for conditions in seeds]
    assert all(not picture[SIDE // 2 :].any() for picture in found)
    assert any(picture.max() > 0.2 for picture in found)
    assert any(not picture.any() for picture in found)


def test_noise__tiles_without_a_seam() -> None:
    at = np.linspace(0, SPAN, 50, dtype=np.float32)
    fine = np.full_like(at, SPAN / TILE)
    assert sample(at, at, fine) == pytest.approx(sample(at + 4 * SPAN, at - SPAN, fine), abs=1e-2)


def test_noise__is_averaged_over_what_a_pixel_covers() -> None:
    at = np.random.default_rng(0).uniform(0, SPAN, 500).astype(np.float32)
    fine, coarse = (sample(at, at[::-1], np.full_like(at, size)) for size in (SPAN / TILE, 1.0))
    weave = KINDS.index("weave")
    assert coarse[:, weave].std() < 0.2 * fine[:, weave].std()
    assert coarse[:, weave].mean() == pytest.approx(fine[:, weave].mean(), abs=0.03)
    assert pyramid()[0].shape == (TILE, TILE, len(KINDS))


def test_noise__of_some_kinds_is_the_same() -> None:
    rng = np.random.default_rng(1)
    across, along = rng.uniform(-9, 9, (2, 300)).astype(np.float32)
    footprint = rng.uniform(0, 0.3, 300).astype(np.float32)
    whole = sample(across, along, footprint)
    some = sample(across, along, footprint, ("weave", "clouds"))
    wanted = [KINDS.index("weave"), KINDS.index("clouds")]
    np.testing.assert_array_equal(some, whole[:, wanted])


def test_network_input__is_what_the_zoo_says() -> None:
    given = network_input(WOOD)
    assert given.shape == (1, *(zoo_entry("backdrop_s").input_shape or ()))
    assert given.shape[1] == PLANES
    numbers = given[0, -1].ravel()
    assert np.array_equal(numbers[:CODES], codes(WOOD))
    assert np.array_equal(numbers[CODES:NUMBERS], latent(WOOD.seed))
    assert not numbers[NUMBERS:].any()
