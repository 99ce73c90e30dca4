"""Tile plans: they cover, never leave the picture, and keep an exact halo."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enhancer_worker.engine.tiling import Geometry, Span, group_tiles, plan_axis, plan_tiles

Axis = tuple[Geometry, int, int, tuple[Span, ...]]


@st.composite
def axes(draw: st.DrawFn) -> Axis:
    """A geometry, an aligned length, a tile size, and the plan for them."""
    multiple_of = draw(st.sampled_from([1, 2, 4, 8, 16]))
    geometry = Geometry(2, draw(st.integers(0, 60)), multiple_of)
    length = draw(st.integers(1, 12_000 // multiple_of)) * multiple_of
    tile_size = geometry.smallest_tile + draw(st.integers(0, 400))
    return geometry, length, tile_size, plan_axis(length, geometry, tile_size)


@given(axes())
def test_plan_axis__keeps_every_pixel_exactly_once(axis: Axis) -> None:
    _, length, _, spans = axis
    assert spans[0].keep_start == 0
    assert spans[-1].keep_stop == length
    assert all(a.keep_stop == b.keep_start for a, b in itertools.pairwise(spans))
    assert all(span.keep_start < span.keep_stop for span in spans)


@given(axes())
def test_plan_axis__stays_inside_aligned_and_of_one_size(axis: Axis) -> None:
    geometry, length, tile_size, spans = axis
    for span in spans:
        assert 0 <= span.start < span.stop <= length
        assert span.stop - span.start == spans[0].stop <= tile_size
        assert span.start % geometry.multiple_of == span.stop % geometry.multiple_of == 0


@given(axes())
def test_plan_axis__has_the_halo_wherever_the_picture_goes_on(axis: Axis) -> None:
    geometry, length, _, spans = axis
    for span in spans:
        assert span.start == 0 or span.keep_start - span.start >= geometry.halo
        assert span.stop == length or span.stop - span.keep_stop >= geometry.halo


@given(axes())
def test_plan_axis__has_no_tile_to_spare(axis: Axis) -> None:
    geometry, length, _, spans = axis
    if len(spans) > 1:
        core = spans[0].stop - 2 * geometry.margin
        assert (len(spans) - 1) * core < length - 2 * geometry.margin


def test_plan_axis__makes_tiles_even_before_it_makes_them_large() -> None:
    spans = plan_axis(300, Geometry(1, 8, 1), 256)
    assert [(span.start, span.stop) for span in spans] == [(0, 160), (140, 300)]
    assert [(span.keep_start, span.keep_stop) for span in spans] == [(0, 148), (148, 300)]


def test_plan_axis__leaves_a_picture_whole_that_fits() -> None:
    assert plan_axis(200, Geometry(2, 10, 4), 256) == (Span(0, 200, 0, 200),)


def test_plan_axis__refuses_tiles_that_are_all_halo() -> None:
    with pytest.raises(ValueError, match="tile_size 64 is below 116"):
        plan_axis(1000, Geometry(1, 54, 4), 64)


def test_plan_tiles__covers_both_axes_row_by_row() -> None:
    plan = plan_tiles(99, 300, Geometry(1, 8, 4), 256)
    assert (plan.height, plan.width) == (100, 300)
    assert (plan.tile_height, plan.tile_width) == (100, 160)
    assert [(tile.rows, tile.columns) for tile in plan.tiles] == [
        (Span(0, 100, 0, 100), Span(0, 160, 0, 148)),
        (Span(0, 100, 0, 100), Span(140, 300, 148, 300)),
    ]


@pytest.mark.parametrize(
    ("count", "limit", "sizes"),
    [(0, 8, []), (1, 8, [1]), (8, 8, [8]), (13, 8, [8, 4, 1]), (7, 6, [4, 3]), (3, 1, [1] * 3)],
)
def test_group_tiles__uses_few_batch_sizes(count: int, limit: int, sizes: list[int]) -> None:
    tiles = plan_tiles(32 * 16, 32, Geometry(1, 0, 32), 32).tiles[:count]
    batches = list(group_tiles(tiles, limit))
    assert [len(batch) for batch in batches] == sizes
    assert [tile for batch in batches for tile in batch] == list(tiles)
