"""Runs a network over a whole picture, tile by tile, within bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.engine.session import LoadedNet, PixelSession
from enhancer_worker.engine.sizing import read_batch, read_pixels, write_pixels, write_tile
from enhancer_worker.engine.tiling import TilePlan, group_tiles, plan_tiles
from shopimg.contract import CapacityError, Deadline

Finish = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]
"""Combines the batch that went in, (B, 3, h, w), with what came out, before rounding."""


@dataclass(frozen=True, slots=True)
class TiledRun:
    """What came out of one run."""

    pixels: NDArray[np.uint8]
    """(scale * H, scale * W, 3), uint8, RGB."""
    tile_count: int
    """Tiles that were run."""
    tile_size: tuple[int, int]
    """Rows and columns of each tile, in source pixels."""


def run_tiled(
    net: LoadedNet,
    pixels: NDArray[np.uint8],
    *,
    tile_size: int,
    deadline: Deadline,
    finish: Finish | None = None,
) -> TiledRun:
    """Run a network over a picture of any size.

    Only the finished 8-bit picture and a few tiles are in memory at once. When the device has no
    room for a tile, the whole plan is made again with tiles half as large: results do not depend
    on the tile size, so nothing else changes.

    Args:
        net: the network.
        pixels: (H, W, 3), uint8, RGB.
        tile_size: longest side of a tile in source pixels, halo included.
        deadline: asked before every batch of tiles.
        finish: changes a result before it is rounded; the result itself by default.

    Raises:
        CapacityError: not even the smallest tile fits into memory.
        DeadlineExceededError: the time is over.
    """
    size = max(tile_size, net.geometry.smallest_tile)
    while True:
        plan = plan_tiles(pixels.shape[0], pixels.shape[1], net.geometry, size)
        run = _run_plan(net, pixels, plan, deadline, finish)
        if run is not None:
            return run
        # Here the failed call's exception is gone, and with it the frames that held its memory.
        size = max(plan.tile_height, plan.tile_width) // 2
        if size < net.geometry.smallest_tile:
            raise CapacityError(detail=f"{net.name} does not fit into memory")


def _run_plan(
    net: LoadedNet,
    pixels: NDArray[np.uint8],
    plan: TilePlan,
    deadline: Deadline,
    finish: Finish | None,
) -> TiledRun | None:
    try:
        out = _run_batches(net, pixels, plan, deadline, finish)
    except MemoryError:
        return None
    return TiledRun(out, len(plan.tiles), (plan.tile_height, plan.tile_width))


def _run_batches(
    net: LoadedNet,
    pixels: NDArray[np.uint8],
    plan: TilePlan,
    deadline: Deadline,
    finish: Finish | None,
) -> NDArray[np.uint8]:
    scale = net.geometry.scale
    height, width = pixels.shape[:2]
    out = np.empty((height * scale, width * scale, 3), np.uint8)
    for tiles in group_tiles(plan.tiles, net.session.largest_batch):
        deadline.check()
        if finish is None and isinstance(net.session, PixelSession):
            levels = net.session.run_pixels(read_pixels(pixels, tiles))
            for tile, part in zip(tiles, levels, strict=True):
                write_pixels(out, tile, part, scale)
            continue
        batch = read_batch(pixels, tiles)
        results = net.session(batch)
        if finish is not None:
            results = finish(batch, results)
        for tile, result in zip(tiles, results, strict=True):
            write_tile(out, tile, result, scale)
    return out
