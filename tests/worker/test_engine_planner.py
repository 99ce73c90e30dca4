"""The planner's arithmetic: lines, predictions, choices of tiles."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enhancer_worker.engine.planner import (
    TILE_SIDES,
    Line,
    NetCost,
    choose_tile,
    fit_line,
    predict,
)
from enhancer_worker.engine.tiling import Geometry

COSTS = st.builds(
    lambda a, b, c, d: NetCost(Line(a, b), Line(c, d)),
    st.floats(0, 1),
    st.floats(1e-9, 1e-4),
    st.floats(0, 1e8),
    st.floats(0, 1e3),
)
GEOMETRIES = st.sampled_from([Geometry(2, 10, 1), Geometry(4, 18, 1), Geometry(1, 54, 4)])
SIDES = st.integers(8, 3000)


@given(st.lists(st.floats(1, 1e6), min_size=2, max_size=5, unique=True), st.floats(0, 9), SIDES)
def test_fit_line__finds_the_line_that_points_lie_on(
    pixels: list[float], fixed: float, per_pixel: int
) -> None:
    truth = Line(fixed, per_pixel / 1e3)
    line = fit_line([(x, truth.at(x)) for x in pixels])
    assert line.fixed >= 0
    assert line.per_pixel >= 0
    for x in pixels:
        assert line.at(x) == pytest.approx(truth.at(x), rel=1e-3, abs=1e-6)


@given(st.lists(st.tuples(st.floats(1, 1e6), st.floats(0, 1e6)), min_size=1, max_size=5))
def test_fit_line__never_predicts_negative_costs(points: list[tuple[float, float]]) -> None:
    line = fit_line(points)
    assert line.at(0) >= 0
    assert line.at(1e7) >= line.at(1) >= 0


@given(SIDES, SIDES, GEOMETRIES, COSTS)
def test_choose_tile__is_within_3_percent_of_the_fastest(
    height: int, width: int, geometry: Geometry, cost: NetCost
) -> None:
    chosen = choose_tile(height, width, geometry, cost)
    sides = [max(side, geometry.smallest_tile) for side in TILE_SIDES]
    fastest = min(predict(height, width, geometry, cost, side).seconds for side in sides)
    assert chosen.seconds * 0.97 <= fastest
    assert chosen == predict(height, width, geometry, cost, chosen.tile_size)


@given(SIDES, SIDES, GEOMETRIES, COSTS, st.floats(0, 1e9))
def test_choose_tile__stays_within_memory_where_anything_does(
    height: int, width: int, geometry: Geometry, cost: NetCost, most: float
) -> None:
    chosen = choose_tile(height, width, geometry, cost, most_bytes=most)
    sides = [max(side, geometry.smallest_tile) for side in TILE_SIDES]
    least = min(predict(height, width, geometry, cost, side).peak_bytes for side in sides)
    assert chosen.peak_bytes <= max(most, least)


def test_predict__adds_up_by_hand() -> None:
    cost = NetCost(Line(0.5, 1e-4), Line(1000, 8))
    found = predict(100, 100, Geometry(2, 4, 1), cost, 192)
    assert (found.tile_count, found.seconds) == (1, pytest.approx(1.5))
    assert found.peak_bytes == 1000 + 8 * 10_000 + 3 * 10_000 * 5


def test_cost__survives_its_table() -> None:
    cost = NetCost(Line(0.1, 2e-7), Line(3e6, 40.0))
    assert NetCost.from_table(json.loads(json.dumps(cost.to_table()))) == cost


@pytest.mark.parametrize(
    "table",
    [
        None,
        {},
        {"seconds": [1, 2]},
        {"seconds": [1, -2], "peak_bytes": [0, 0]},
        {"seconds": [1, math.nan], "peak_bytes": [0, 0]},
        {"seconds": ["x", 1], "peak_bytes": [0, 0]},
    ],
)
def test_cost__refuses_other_tables(table: object) -> None:
    with pytest.raises(ValueError, match="not a cost"):
        NetCost.from_table(table)


@pytest.mark.parametrize(
    "points",
    [
        [(16_384.0, 0.0), (65_536.0, 5e7), (200_704.0, 1.5e8)],
        [(16_384.0, 1.2e7), (65_536.0, 0.0), (200_704.0, 1.5e8)],
    ],
)
def test_fit_line__does_not_let_a_sample_of_nothing_decide(
    points: list[tuple[float, float]],
) -> None:
    assert 5e7 < fit_line(points).at(200_704) < 2e8
