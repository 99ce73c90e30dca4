"""Whole pictures through real networks: tiled equals untiled, memory failures, deadlines."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from enhancer_worker.engine.loading import convert
from enhancer_worker.engine.openvino_session import OpenVinoSession
from enhancer_worker.engine.runner import run_tiled
from enhancer_worker.engine.session import DeviceMemoryError, LoadedNet
from enhancer_worker.engine.sizing import read_tile
from enhancer_worker.engine.tiling import Geometry, plan_tiles
from shopimg.contract import CapacityError, Deadline, DeadlineExceededError, WorkerError
from tests.worker.fixed_session import judging
from tests.worker.tiny_nets import loaded, restorer, upscaler

NO_LIMIT = Deadline(math.inf)


@dataclass
class DoublingSession:
    """Repeats every pixel; can pretend that the device is small."""

    largest_pixels: int = 10**9
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    device: str = "test"
    largest_batch: int = 4

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        self.shapes.append(batch.shape)
        if batch.shape[2] * batch.shape[3] > self.largest_pixels:
            raise DeviceMemoryError
        return batch.repeat(2, axis=2).repeat(2, axis=3)

    def close(self) -> None:
        pass


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(height * 10_000 + width).integers(
        0, 256, (height, width, 3), np.uint8
    )


def untiled(net: torch.nn.Module, pixels: NDArray[np.uint8], multiple_of: int) -> torch.Tensor:
    """The net's result for the picture padded as the plan demands, cropped: (C, H, W)."""
    height, width = pixels.shape[:2]
    padding = ((0, -height % multiple_of), (0, -width % multiple_of), (0, 0))
    padded = np.pad(pixels, padding, mode="edge").transpose(2, 0, 1) / np.float32(255)
    result = net(torch.from_numpy(padded[None]))[0]
    scale = result.shape[1] // padded.shape[1]
    return result[:, : height * scale, : width * scale]


def collect_floats(net: LoadedNet, pixels: NDArray[np.uint8], tile_size: int) -> torch.Tensor:
    """Join the kept parts of all tiles before they are rounded: (C, H, W)."""
    scale = net.geometry.scale
    plan = plan_tiles(*pixels.shape[:2], net.geometry, tile_size)
    out = np.zeros((3, plan.height * scale, plan.width * scale), np.float32)
    for tile in plan.tiles:
        batch = read_tile(pixels, tile).transpose(2, 0, 1)[None] / np.float32(255)
        rows, columns = tile.rows, tile.columns
        out[
            :,
            rows.keep_start * scale : rows.keep_stop * scale,
            columns.keep_start * scale : columns.keep_stop * scale,
        ] = net.session(batch)[
            0,
            :,
            (rows.keep_start - rows.start) * scale : (rows.keep_stop - rows.start) * scale,
            (columns.keep_start - columns.start) * scale : (columns.keep_stop - columns.start)
            * scale,
        ]
    height, width = pixels.shape[:2]
    return torch.from_numpy(out[:, : height * scale, : width * scale])


@pytest.mark.parametrize("net", [upscaler(2), upscaler(4), restorer()], ids=["x2", "x4", "restore"])
@pytest.mark.parametrize(("height", "width"), [(97, 143), (160, 61), (33, 200)])
def test_tiles__equal_the_whole_picture(net: torch.nn.Module, height: int, width: int) -> None:
    tiny = loaded(net)
    pixels = noise(height, width)
    tiled = collect_floats(tiny, pixels, tiny.geometry.smallest_tile + 16)
    whole = untiled(net, pixels, tiny.geometry.multiple_of)
    assert torch.allclose(tiled, whole, rtol=0, atol=1e-5)


def test_tiles__differ_from_the_whole_picture_without_a_halo() -> None:
    net = upscaler(2)
    tiny = LoadedNet("tiny", "", Geometry(2, 0, 1), loaded(net).session)
    pixels = noise(97, 143)
    difference = collect_floats(tiny, pixels, 64) - untiled(net, pixels, 1)
    assert difference.abs().max() > 0.01


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 60))
def test_run_tiled__rounds_the_whole_pictures_result(height: int, width: int, extra: int) -> None:
    net = restorer()
    tiny = loaded(net)
    pixels = noise(height, width)
    run = run_tiled(tiny, pixels, tile_size=tiny.geometry.smallest_tile + extra, deadline=NO_LIMIT)
    expected = untiled(net, pixels, 4).clamp(0, 1).mul(255).permute(1, 2, 0).numpy()
    assert run.pixels.dtype == np.uint8
    # Half a level of rounding, and what float32 leaves open.
    assert np.abs(run.pixels - expected).max() <= 0.5 + 255 * 1e-5


def test_run_tiled__reports_its_tiles() -> None:
    net = LoadedNet("double", "", Geometry(2, 8, 1), DoublingSession())
    run = run_tiled(net, noise(300, 100), tile_size=256, deadline=NO_LIMIT)
    assert (run.tile_count, run.tile_size) == (2, (160, 100))
    assert np.array_equal(run.pixels, noise(300, 100).repeat(2, axis=0).repeat(2, axis=1))


def test_run_tiled__batches_tiles_of_one_shape() -> None:
    session = DoublingSession()
    net = LoadedNet("double", "", Geometry(2, 4, 1), session)
    run_tiled(net, noise(300, 300), tile_size=128, deadline=NO_LIMIT)
    assert session.shapes == [(4, 3, 128, 128), (4, 3, 128, 128), (1, 3, 128, 128)]


def test_run_tiled__halves_tiles_when_memory_is_short() -> None:
    session = DoublingSession(largest_pixels=70 * 70)
    net = LoadedNet("double", "", Geometry(2, 4, 1), session)
    run = run_tiled(net, noise(300, 200), tile_size=256, deadline=NO_LIMIT)
    assert run.tile_size[0] <= 64
    assert np.array_equal(run.pixels, noise(300, 200).repeat(2, axis=0).repeat(2, axis=1))


def test_run_tiled__gives_up_when_no_tile_fits() -> None:
    session = DoublingSession(largest_pixels=0)
    net = LoadedNet("double", "", Geometry(2, 4, 1), session)
    with pytest.raises(CapacityError, match="double does not fit into memory"):
        run_tiled(net, noise(300, 200), tile_size=256, deadline=NO_LIMIT)


def test_run_tiled__runs_a_halo_larger_than_the_wanted_tile() -> None:
    net = LoadedNet("double", "", Geometry(2, 60, 8), DoublingSession())
    run = run_tiled(net, noise(200, 200), tile_size=64, deadline=NO_LIMIT)
    assert np.array_equal(run.pixels, noise(200, 200).repeat(2, axis=0).repeat(2, axis=1))


def test_run_tiled__asks_the_deadline_before_every_batch() -> None:
    asked: list[int] = []

    def stop_at_third() -> None:
        asked.append(len(asked))
        if len(asked) == 3:
            raise DeadlineExceededError

    session = DoublingSession(largest_batch=1)
    net = LoadedNet("double", "", Geometry(2, 4, 1), session)
    with pytest.raises(DeadlineExceededError):
        run_tiled(
            net,
            noise(300, 300),
            tile_size=128,
            deadline=Deadline(math.inf, checks=[stop_at_third]),
        )
    assert len(session.shapes) == 2


@pytest.mark.parametrize("net", [upscaler(2), restorer()], ids=["x2", "restore"])
def test_run_tiled__joins_the_pixels_of_tiles(net: torch.nn.Module) -> None:
    tiny = loaded(net, OpenVinoSession(convert(net, net.multiple_of), threads=1))
    pixels = noise(97, 143)
    run = run_tiled(tiny, pixels, tile_size=tiny.geometry.smallest_tile + 16, deadline=NO_LIMIT)
    assert run.tile_count > 4
    expected = untiled(net, pixels, net.multiple_of).clamp(0, 1).mul(255).permute(1, 2, 0).numpy()
    assert np.abs(run.pixels - expected).max() <= 0.5 + 255 * 1e-5


def test_run_tiled__lets_the_caller_finish_a_result() -> None:
    net = loaded(restorer())
    pixels = noise(50, 70)
    run = run_tiled(
        net, pixels, tile_size=256, deadline=NO_LIMIT, finish=lambda batch, _results: batch
    )
    assert np.array_equal(run.pixels, pixels)


def test_read_tile__repeats_the_last_row_and_column() -> None:
    pixels = noise(5, 6)
    (tile,) = plan_tiles(5, 6, Geometry(1, 0, 8), 64).tiles
    padded = read_tile(pixels, tile)
    assert padded.shape == (8, 8, 3)
    assert np.array_equal(padded[:5, :6], pixels)
    assert np.array_equal(padded[7, :6], pixels[4])
    assert np.array_equal(padded[:5, 7], pixels[:, 5])


def test_run_tiled__rounds_what_the_caller_has_finished() -> None:
    pixels = noise(50, 70) // 2

    def finish(batch: NDArray[np.float32], _results: NDArray[np.float32]) -> NDArray[np.float32]:
        return batch + np.float32(0.6 / 255)

    run = run_tiled(loaded(restorer()), pixels, tile_size=256, deadline=NO_LIMIT, finish=finish)
    np.testing.assert_array_equal(run.pixels, pixels + 1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_run_tiled__refuses_values_that_are_no_numbers(value: float) -> None:
    def answer(crop: NDArray[np.float32]) -> NDArray[np.float32]:
        result = crop.copy()
        result[1, 3, 5] = value
        return result

    with pytest.raises(WorkerError) as caught:
        run_tiled(judging(answer), noise(16, 16), tile_size=64, deadline=NO_LIMIT)
    assert "no numbers" in caught.value.detail
