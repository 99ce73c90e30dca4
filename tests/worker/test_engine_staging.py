"""Bytes to the device and back: rounding, padding, order, and two batches under way."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from enhancer_worker.engine.buckets import BUCKETS, bucket_of, largest_bucket
from enhancer_worker.engine.planner import Line
from enhancer_worker.engine.runner import run_tiled
from enhancer_worker.engine.session import DeviceMemoryError, LevelSession, LoadedNet
from enhancer_worker.engine.torch_session import TorchSession
from shopimg.contract import Deadline, DeadlineExceededError
from tests.worker.tiny_nets import geometry_of, loaded, restorer, upscaler

NO_LIMIT = Deadline(math.inf)
NETS = {"x2": upscaler(2), "x4": upscaler(4), "restore": restorer()}
MEGABYTE = 1 << 20


class RoomFor:
    """Memory of a device on which every tile takes a megabyte."""

    def __init__(self, tiles: int) -> None:
        self._tiles = tiles

    def free_bytes(self) -> float:
        return self._tiles * MEGABYTE / 0.4

    def peak_bytes(self, run: object) -> float:
        run()
        return float(MEGABYTE)


class Floats:
    """A session that cannot round: the same network, called tile by tile."""

    largest_batch = 1

    def __init__(self, session: TorchSession) -> None:
        self._session, self.device = session, session.device

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._session(batch)

    def close(self) -> None:
        pass


def tiles_of(count: int, height: int, width: int) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(count)
    return [rng.integers(0, 256, (height, width, 3), np.uint8) for _ in range(count)]


def one_by_one(session: TorchSession, tiles: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Results of single tiles that cross as floats and are rounded by numpy."""
    found = []
    for tile in tiles:
        batch = np.ascontiguousarray(tile.transpose(2, 0, 1)[None]).astype(np.float32)
        batch /= 255.0
        levels = np.clip(session(batch)[0].transpose(1, 2, 0), 0, 1) * np.float32(255)
        found.append(np.rint(levels).astype(np.uint8))
    return np.stack(found)


@given(count=st.integers(1, 32))
def test_bucket_of__holds_all_tiles_and_is_less_than_twice_as_large(count: int) -> None:
    assert bucket_of(count) in BUCKETS
    assert count <= bucket_of(count) < 2 * count


@pytest.mark.parametrize(
    ("free", "staged", "bucket"),
    [(1e9, 1e9, 32), (1.6e5, 1e9, 8), (1.58e5, 1e9, 4), (10.0, 1e9, 1), (1e9, 5e4, 2), (0, 0, 1)],
)
def test_largest_bucket__leaves_as_much_to_a_graph_and_a_fifth_to_others(
    free: float, staged: float, bucket: int
) -> None:
    found = largest_bucket(
        1000, Line(0, 8), 20, free_bytes=free, most_staged=staged
    )  # 8,000 bytes on the device for a tile, 20,000 in and out
    assert found == bucket


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("name", NETS)
def test_run_levels__rounds_as_numpy_does(name: str, precision: str) -> None:
    session = TorchSession(NETS[name], device="cpu", precision=precision)
    tiles = tiles_of(1, 40, 64)
    (levels,) = session.run_levels([tiles])
    assert levels.dtype == np.uint8
    assert np.array_equal(levels, one_by_one(session, tiles))


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_run_levels__of_a_padded_batch_equal_single_tiles(name: str, count: int) -> None:
    session = TorchSession(NETS[name], device="cpu")
    tiles = tiles_of(count, 32, 48)
    (levels,) = session.run_levels([tiles])
    assert levels.shape[0] == count
    assert np.array_equal(levels, one_by_one(session, tiles))


def test_run_levels__pads_to_the_bucket_and_never_with_an_earlier_picture() -> None:
    seen: list[torch.Tensor] = []

    class Watched(torch.nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            assert batch.is_contiguous(memory_format=torch.channels_last)
            seen.append(batch.clone())
            return batch.clone()

    session = TorchSession(Watched(), device="cpu")
    bright = [np.full((8, 8, 3), 255, np.uint8)] * 4
    shapes = [levels.shape for levels in session.run_levels([bright, bright, bright[:3]])]
    assert shapes == [(4, 8, 8, 3), (4, 8, 8, 3), (3, 8, 8, 3)]
    assert [batch.shape[0] for batch in seen] == [4, 4, 4]
    assert seen[2][:3].min() == 1
    assert seen[2][3].max() == 0


def test_run_levels__reads_the_next_batch_before_it_gives_a_result() -> None:
    events: list[str] = []

    def batches() -> Iterator[list[NDArray[np.uint8]]]:
        for number in range(4):
            events.append(f"read {number}")
            yield [np.full((8, 8, 3), number, np.uint8)]

    session = TorchSession(torch.nn.Identity(), device="cpu")
    events.extend(f"got {levels.max()}" for levels in session.run_levels(batches()))
    assert events == [
        *("read 0", "read 1", "got 0", "read 2", "got 1", "read 3", "got 2", "got 3"),
    ]


def test_run_levels__can_be_left_and_taken_up_again() -> None:
    session = TorchSession(upscaler(2), device="cpu")
    tiles = tiles_of(3, 16, 16)
    with contextlib.closing(session.run_levels([[tile] for tile in tiles])) as results:
        next(results)
    (levels,) = session.run_levels([tiles[2:]])
    assert np.array_equal(levels, one_by_one(session, tiles[2:]))


def test_run_levels__after_too_large_a_batch_go_on_with_new_buffers() -> None:
    class Small(torch.nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            if batch.shape[0] > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return batch.clone()

    session = TorchSession(Small(), device="cpu")
    tiles = tiles_of(3, 8, 8)
    with pytest.raises(DeviceMemoryError, match="CUDA out of memory") as caught:
        list(session.run_levels([tiles]))
    assert caught.value.__context__ is None
    assert [len(levels) for levels in session.run_levels([tiles[:2], tiles[2:]])] == [2, 1]


def test_batch_for__follows_the_memory_and_is_one_where_nobody_knows_it() -> None:
    net = torch.nn.Identity()
    assert TorchSession(net, device="cpu").batch_for(64, 64) == 1
    for room, batch in ((100, 32), (5, 4), (0, 1)):
        session = TorchSession(net, device="cpu", memory=RoomFor(room))
        assert session.batch_for(64, 64) == batch
    # 3 bytes a pixel go in and 3 come out: what is staged stays below 128 MiB.
    assert TorchSession(net, device="cpu", memory=RoomFor(1000)).batch_for(1024, 1024) == 16


@pytest.mark.parametrize(
    ("height", "width", "room"), [(1, 1, 1), (61, 99, 1), (77, 50, 4), (99, 70, 32)]
)
def test_run_tiled__gives_the_same_pixels_in_bytes_and_in_floats(
    height: int, width: int, room: int
) -> None:
    net = restorer()
    session = TorchSession(net, device="cpu", memory=RoomFor(room))
    assert isinstance(session, LevelSession)
    assert not isinstance(Floats(session), LevelSession)
    pixels = tiles_of(1, height, width)[0]
    size = geometry_of(net).smallest_tile + 8
    found = run_tiled(loaded(net, session), pixels, tile_size=size, deadline=NO_LIMIT)
    floats = LoadedNet("tiny", "", geometry_of(net), Floats(session))
    expected = run_tiled(floats, pixels, tile_size=size, deadline=NO_LIMIT)
    assert np.array_equal(found.pixels, expected.pixels)
    assert (found.device, found.shortages) == ("cpu (torch fp32)", ())


def test_run_tiled__finishes_floats_and_not_levels() -> None:
    seen: list[np.dtype] = []

    def keep(batch: NDArray[np.float32], results: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.extend((batch.dtype, results.dtype))
        return np.float32(0.5) * batch + np.float32(0.5) * results

    pixels = tiles_of(1, 60, 60)[0]
    net = loaded(restorer())
    run_tiled(net, pixels, tile_size=256, deadline=NO_LIMIT, finish=keep)
    assert seen == [np.float32, np.float32]


def test_run_tiled__asks_the_deadline_before_every_batch_of_levels() -> None:
    asked: list[int] = []

    def stop_at_third() -> None:
        asked.append(len(asked))
        if len(asked) == 3:
            raise DeadlineExceededError

    deadline = Deadline(math.inf, checks=[stop_at_third])
    with pytest.raises(DeadlineExceededError):
        run_tiled(loaded(upscaler(2)), tiles_of(1, 99, 99)[0], tile_size=40, deadline=deadline)
    assert len(asked) == 3


@pytest.mark.gpu
@pytest.mark.parametrize("name", NETS)
def test_run_levels__on_cuda_round_what_the_same_session_gives(name: str) -> None:
    session = TorchSession(NETS[name], device="cuda:0")
    batches = [tiles_of(count, 64, 96) for count in (8, 8, 3, 1, 8, 8)]
    for tiles, levels in zip(batches, session.run_levels(batches), strict=True):
        apart = levels.astype(int) - one_by_one(session, tiles)
        # A batch may take other algorithms than a single tile: half levels round either way.
        assert np.abs(apart).max() <= 1
