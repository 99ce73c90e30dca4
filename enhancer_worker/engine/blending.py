"""Tiles that fade into each other, for networks whose reach is unknown or the whole picture."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.engine.runner import Finish, TiledRun
from enhancer_worker.engine.session import LoadedNet
from enhancer_worker.engine.sizing import read_batch, require_numbers
from enhancer_worker.engine.tiling import Span, Tile
from shopimg.contract import CapacityError, Deadline

_SMALLEST_TILE = 64

logger = logging.getLogger(__name__)


def plan_faded(length: int, tile_size: int, overlap: int) -> tuple[Span, ...]:
    """Cut one axis into equal spans that share a given length with each neighbour.

    Args:
        length: source pixels.
        tile_size: longest span, source pixels, at least three times `overlap`, so that no pixel
            lies in more than two spans.
        overlap: least source pixels that two neighbours share.

    Returns:
        Spans in order; kept parts meet in the middle of what is shared.

    >>> [(span.start, span.stop) for span in plan_faded(100, 60, 10)]
    [(0, 55), (45, 100)]
    """
    if length <= tile_size:
        return (Span(0, length, 0, length),)
    count = math.ceil((length - overlap) / (tile_size - overlap))
    size = math.ceil((length + (count - 1) * overlap) / count)
    starts = [i * (length - size) // (count - 1) for i in range(count)]
    cuts = [(before + size + after) // 2 for before, after in pairwise(starts)]
    edges = [0, *cuts, length]
    return tuple(
        Span(start, start + size, edges[i], edges[i + 1]) for i, start in enumerate(starts)
    )


def weights_along(spans: tuple[Span, ...], index: int, scale: int) -> NDArray[np.float32]:
    """Weights of one span's result; with its neighbours' they add up to one everywhere.

    Args:
        spans: of one axis, each overlapping with its direct neighbours alone.
        index: which one.
        scale: output pixels per source pixel.

    Returns:
        (scale * length,), float32: linear ramps over what is shared, 1 elsewhere.
    """
    span = spans[index]
    weights = np.ones((span.stop - span.start) * scale, np.float32)
    if index:
        shared = (spans[index - 1].stop - span.start) * scale
        weights[:shared] = _rising(shared)
    if index + 1 < len(spans):
        shared = (span.stop - spans[index + 1].start) * scale
        weights[len(weights) - shared :] = 1 - _rising(shared)
    return weights


def run_faded(
    net: LoadedNet,
    pixels: NDArray[np.uint8],
    *,
    tile_size: int,
    overlap: int,
    deadline: Deadline,
    finish: Finish | None = None,
) -> TiledRun:
    """Run a network over a picture of any size, its tiles faded into each other.

    Unlike `run_tiled` the result depends a little on the tile size: what a network with attention
    or global pooling sees of the picture, it uses.

    Args:
        net: the network.
        pixels: (H, W, 3), uint8, RGB.
        tile_size: longest side of a tile, source pixels.
        overlap: least source pixels that two tiles share; 0 for a network that must see the whole
            picture at once, which is then never cut.
        deadline: asked before every tile.
        finish: changes a result before it is rounded.

    Raises:
        CapacityError: not even a small tile fits into memory, or the picture, where it must not
            be cut.
        DeadlineExceededError: the time is over.
        WorkerError: a result has values that are no numbers.
    """
    size, shortages = tile_size if overlap else max(pixels.shape[:2]), list[str]()
    while True:
        try:
            done = _run(net, pixels, size, min(overlap, size // 3), deadline, finish)
            return replace(done, shortages=tuple(shortages))
        except MemoryError:
            pass
        if not overlap:
            raise CapacityError(
                detail=f"{net.name} needs the whole picture, which does not fit into memory"
            )
        # Here the failed call's exception is gone, and with it the frames that held its memory.
        size = min(size, max(pixels.shape[:2])) // 2
        if size < _SMALLEST_TILE:
            raise CapacityError(detail=f"{net.name} does not fit into memory")
        shortages.append(f"tiles of {size}")
        logger.warning("%s: %s has no memory; now %s", net.name, net.session.device, shortages[-1])


def _run(
    net: LoadedNet,
    pixels: NDArray[np.uint8],
    tile_size: int,
    overlap: int,
    deadline: Deadline,
    finish: Finish | None,
) -> TiledRun:
    scale = net.geometry.scale
    height, width = pixels.shape[:2]
    rows, columns = (plan_faded(length, tile_size, overlap) for length in (height, width))
    out = np.empty((height * scale, width * scale, 3), np.uint8)
    above: NDArray[np.float32] = np.zeros((0, width * scale, 3), np.float32)
    for number, row in enumerate(rows):
        band = np.zeros(((row.stop - row.start) * scale, width * scale, 3), np.float32)
        for position, column in enumerate(columns):
            deadline.check()
            batch = read_batch(pixels, [Tile(row, column)])
            result = net.session(batch)
            if finish is not None:
                result = finish(batch, result)
            require_numbers(result)
            across = weights_along(columns, position, scale)
            part = band[:, column.start * scale : column.stop * scale]
            part += result[0].transpose(1, 2, 0) * across[:, None]
        band *= weights_along(rows, number, scale)[:, None, None]
        band[: len(above)] += above
        done = (rows[number + 1].start if number + 1 < len(rows) else height) * scale
        top = row.start * scale
        above = band[done - top :].copy()
        levels = np.clip(band[: done - top], 0, 1, out=band[: done - top])
        levels *= 255
        out[top:done] = np.rint(levels, out=levels)
        del band, part, levels  # before the next band takes as much
    first_row, first_column = rows[0], columns[0]
    tile = (first_row.stop - first_row.start, first_column.stop - first_column.start)
    return TiledRun(out, len(rows) * len(columns), tile, net.session.device)


def _rising(length: int) -> NDArray[np.float32]:
    ramp: NDArray[np.float32] = (np.arange(length, dtype=np.float32) + 0.5) / np.float32(length)
    return ramp
