"""Runs a network over a whole picture, tile by tile, within bounded memory."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.engine.session import DeviceMemoryError, LevelSession, LoadedNet, Session
from enhancer_worker.engine.sizing import read_batch, read_tile, write_levels, write_tile
from enhancer_worker.engine.tiling import Tile, TilePlan, group_tiles, plan_tiles
from shopimg.contract import CapacityError, Deadline

logger = logging.getLogger(__name__)

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
    device: str
    """Where it ran, in a session's words."""
    shortages: tuple[str, ...] = ()
    """What was made smaller, or where it ran instead, as memory was short; in order."""


def run_tiled(
    net: LoadedNet,
    pixels: NDArray[np.uint8],
    *,
    tile_size: int,
    deadline: Deadline,
    finish: Finish | None = None,
    shortages: list[str] | None = None,
    make_room: Callable[[], bool] | None = None,
) -> TiledRun:
    """Run a network over a picture of any size.

    Only the finished 8-bit picture and a few tiles are in memory at once. When the device has no
    room for a batch, the picture begins again with batches half as large, then with tiles half as
    large: results depend on neither, so nothing else changes.

    Args:
        net: the network.
        pixels: (H, W, 3), uint8, RGB.
        tile_size: longest side of a tile in source pixels, halo included.
        deadline: asked before every batch of tiles.
        finish: changes a result before it is rounded; the result itself by default.
        shortages: is added to, for who goes on elsewhere after a ``CapacityError``.
        make_room: called once where memory is short; whether it is worth the same attempt again.

    Raises:
        CapacityError: not even the smallest tile fits into memory.
        DeadlineExceededError: the time is over.
    """
    shortages = [] if shortages is None else shortages
    size, most = max(tile_size, net.geometry.smallest_tile), 0
    while True:
        plan = plan_tiles(pixels.shape[0], pixels.shape[1], net.geometry, size)
        advised = _batch_size(net, plan, finish)
        groups = list(group_tiles(plan.tiles, min(most or advised, advised)))
        out = _run_plan(net, pixels, groups, deadline, finish)
        shape = (plan.tile_height, plan.tile_width)
        if out is not None:
            return TiledRun(out, len(plan.tiles), shape, net.session.device, tuple(shortages))
        # Here the failed call's exception is gone, and with it the frames that held its memory.
        if make_room is not None and make_room():
            make_room = None
            continue
        batch = len(groups[0])
        if batch > 1:
            most = 1 << ((batch - 1).bit_length() - 1)
            shortages.append(f"batches of {most}")
        else:
            size = max(shape) // 2
            if size < net.geometry.smallest_tile:
                raise CapacityError(detail=f"{net.name} does not fit into memory")
            shortages.append(f"tiles of {size}")
        logger.warning(
            "%s: %s has no memory for %d tiles of %dx%d at once; now %s",
            *(net.name, net.session.device, batch, shape[1], shape[0], shortages[-1]),
        )


def _batch_size(net: LoadedNet, plan: TilePlan, finish: Finish | None) -> int:
    session = net.session
    if finish is not None or not isinstance(session, LevelSession):
        return _floats_at_once(session, plan)
    try:
        return session.batch_for(plan.tile_height, plan.tile_width)
    except DeviceMemoryError:
        return 1


def _floats_at_once(session: Session, plan: TilePlan) -> int:
    if not isinstance(session, LevelSession):
        return session.largest_batch
    try:
        return min(session.largest_batch, session.batch_for(plan.tile_height, plan.tile_width))
    except DeviceMemoryError:
        return 1


def _run_plan(
    net: LoadedNet,
    pixels: NDArray[np.uint8],
    groups: Sequence[Sequence[Tile]],
    deadline: Deadline,
    finish: Finish | None,
) -> NDArray[np.uint8] | None:
    """Return the finished picture; None where memory is short."""
    scale, session = net.geometry.scale, net.session
    out = np.empty((pixels.shape[0] * scale, pixels.shape[1] * scale, 3), np.uint8)
    try:
        # What finishes a result needs it unrounded.
        if finish is None and isinstance(session, LevelSession):
            _write_levels(out, session, pixels, groups, scale, deadline)
        else:
            _write_floats(out, net, pixels, groups, deadline, finish)
    except MemoryError:
        return None
    return out


def _write_levels(
    out: NDArray[np.uint8],
    session: LevelSession,
    pixels: NDArray[np.uint8],
    groups: Sequence[Sequence[Tile]],
    scale: int,
    deadline: Deadline,
) -> None:
    def batches() -> Iterator[list[NDArray[np.uint8]]]:
        for tiles in groups:
            deadline.check()
            yield [read_tile(pixels, tile) for tile in tiles]

    # Closing waits for batches under way, where something fails here too.
    with contextlib.closing(session.run_levels(batches())) as results:
        for tiles, levels in zip(groups, results, strict=True):
            for tile, result in zip(tiles, levels, strict=True):
                write_levels(out, tile, result, scale)


def _write_floats(
    out: NDArray[np.uint8],
    net: LoadedNet,
    pixels: NDArray[np.uint8],
    groups: Sequence[Sequence[Tile]],
    deadline: Deadline,
    finish: Finish | None,
) -> None:
    for tiles in groups:
        deadline.check()
        batch = read_batch(pixels, tiles)
        results = net.session(batch)
        if finish is not None:
            results = finish(batch, results)
        for tile, result in zip(tiles, results, strict=True):
            write_tile(out, tile, result, net.geometry.scale)
