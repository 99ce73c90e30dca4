"""Tiles that fade: every pixel's weights add up to one, seams are invisible, memory runs out."""

import math
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from enhancer_worker.engine.blending import plan_faded, run_faded, weights_along
from enhancer_worker.engine.session import DeviceMemoryError, LoadedNet
from enhancer_worker.engine.tiling import Geometry
from shopimg.contract import CapacityError, Deadline, DeadlineExceededError, WorkerError

FOREVER = Deadline(math.inf)


class NearestSession:
    """Enlarges by repetition and adds what it is told to, tile by tile."""

    device = "cpu (numpy)"
    largest_batch = 1

    def __init__(self, scale: int, *, offsets: tuple[float, ...] = (0.0,), room: int = 0) -> None:
        self._scale = scale
        self._offsets = offsets
        self._room = room
        self.calls = 0

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._room and batch.shape[2] * batch.shape[3] > self._room:
            raise DeviceMemoryError("no room")
        offset = self._offsets[self.calls % len(self._offsets)]
        self.calls += 1
        return batch.repeat(self._scale, 2).repeat(self._scale, 3) + np.float32(offset)

    def close(self) -> None:
        pass


def net(session: NearestSession, scale: int = 1) -> LoadedNet:
    return LoadedNet("foreign", "0" * 64, Geometry(scale, 0, 1), session, overlap=16)


@given(
    length=st.integers(1, 3000),
    tile_size=st.integers(64, 512),
    share=st.floats(0, 1 / 3),
    scale=st.integers(1, 4),
)
def test_weights__of_all_spans_add_up_to_one(
    length: int, tile_size: int, share: float, scale: int
) -> None:
    spans = plan_faded(length, tile_size, int(tile_size * share))
    total = np.zeros(length * scale)
    for index, span in enumerate(spans):
        assert span.stop - span.start <= tile_size
        total[span.start * scale : span.stop * scale] += weights_along(spans, index, scale)
    np.testing.assert_allclose(total, 1, atol=1e-6)


@given(length=st.integers(65, 3000), tile_size=st.integers(64, 512), overlap=st.integers(0, 21))
def test_plan_faded__shares_what_was_asked_for(length: int, tile_size: int, overlap: int) -> None:
    spans = plan_faded(length, tile_size, overlap)
    for before, after in pairwise(spans):
        assert before.stop - after.start >= overlap
        assert before.keep_stop == after.keep_start
    assert (spans[0].start, spans[-1].stop) == (0, length)


@pytest.mark.parametrize(("height", "width"), [(40, 50), (200, 130), (333, 401)])
@pytest.mark.parametrize("scale", [1, 2])
def test_run_faded__of_a_local_net_equals_the_whole_picture(
    height: int, width: int, scale: int
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    session = NearestSession(scale)
    run = run_faded(net(session, scale), pixels, tile_size=96, overlap=16, deadline=FOREVER)
    expected = pixels.repeat(scale, 0).repeat(scale, 1)
    np.testing.assert_array_equal(run.pixels, expected)
    assert run.tile_count == session.calls
    assert max(run.tile_size) <= 96


def test_run_faded__hides_the_steps_between_tiles() -> None:
    pixels = np.full((64, 200, 3), 100, np.uint8)
    session = NearestSession(1, offsets=(0.0, 30 / 255))
    run = run_faded(net(session), pixels, tile_size=120, overlap=40, deadline=FOREVER)
    row = run.pixels[0, :, 0].astype(int)
    assert (row[0], row[-1]) == (100, 130)
    assert np.abs(np.diff(row)).max() <= 1


def test_run_faded__passes_results_through_finish() -> None:
    pixels = np.full((64, 64, 3), 100, np.uint8)
    session = NearestSession(1, offsets=(0.2,))
    run = run_faded(
        net(session),
        pixels,
        tile_size=64,
        overlap=16,
        deadline=FOREVER,
        finish=lambda batch, results: (batch + results) / 2,
    )
    assert run.pixels[0, 0, 0] == round(100 + 0.1 * 255)


def test_run_faded__takes_smaller_tiles_when_memory_is_short() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (256, 256, 3), np.uint8)
    session = NearestSession(1, room=100 * 100)
    run = run_faded(net(session), pixels, tile_size=256, overlap=32, deadline=FOREVER)
    np.testing.assert_array_equal(run.pixels, pixels)
    assert max(run.tile_size) <= 100
    # Here the result depends on them.
    assert run.shortages == ("tiles of 128", "tiles of 64")


def test_run_faded__gives_up_below_the_smallest_tile() -> None:
    pixels = np.zeros((256, 256, 3), np.uint8)
    with pytest.raises(CapacityError):
        run_faded(
            net(NearestSession(1, room=10)), pixels, tile_size=256, overlap=32, deadline=FOREVER
        )


def test_run_faded__asks_the_deadline_before_every_tile() -> None:
    now = iter(range(100))
    deadline = Deadline(3, clock=lambda: float(next(now)))
    session = NearestSession(1)
    pixels = np.zeros((64, 900, 3), np.uint8)
    with pytest.raises(DeadlineExceededError):
        run_faded(net(session), pixels, tile_size=100, overlap=10, deadline=deadline)
    assert session.calls == 3


def test_run_faded__never_cuts_for_a_net_that_must_see_the_whole_picture() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (200, 300, 3), np.uint8)
    session = NearestSession(1)
    run = run_faded(net(session), pixels, tile_size=64, overlap=0, deadline=FOREVER)
    assert (run.tile_count, run.tile_size, session.calls) == (1, (200, 300), 1)
    small = NearestSession(1, room=100 * 100)
    with pytest.raises(CapacityError) as caught:
        run_faded(net(small), pixels, tile_size=64, overlap=0, deadline=FOREVER)
    assert caught.value.detail == "foreign needs the whole picture, which does not fit into memory"


def test_run_faded__holds_one_band_of_results() -> None:
    pixels = np.zeros((900, 3000, 3), np.uint8)
    tracemalloc.start()
    run = run_faded(net(NearestSession(1)), pixels, tile_size=300, overlap=20, deadline=FOREVER)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    band = run.tile_size[0] * 3000 * 3 * 4
    assert peak - run.pixels.nbytes < 1.6 * band


def test_run_faded__takes_less_overlap_where_tiles_are_too_small_for_it() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (250, 40, 3), np.uint8)
    run = run_faded(net(NearestSession(1)), pixels, tile_size=120, overlap=60, deadline=FOREVER)
    np.testing.assert_array_equal(run.pixels, pixels)


def test_run_faded__refuses_values_that_are_no_numbers() -> None:
    session = NearestSession(1, offsets=(0.0, math.nan))
    pixels = np.full((32, 150, 3), 99, np.uint8)
    with pytest.raises(WorkerError, match="worker"):
        run_faded(net(session), pixels, tile_size=64, overlap=16, deadline=FOREVER)
    assert session.calls == 2
