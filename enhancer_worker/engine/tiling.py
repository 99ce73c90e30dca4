"""Plans of equal tiles that cover a picture exactly: pure geometry, no pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_SIZE_STEP = 32
_LEAST_FILLED = 0.75


@dataclass(frozen=True, slots=True)
class Geometry:
    """What a net demands of its input and does to its size."""

    scale: int
    """Output pixels per input pixel along one axis."""
    halo: int
    """Source pixels around an aligned block that can change its result."""
    multiple_of: int
    """Height and width of the input must be multiples of this many pixels."""

    @property
    def margin(self) -> int:
        """The halo, rounded up so that tiles stay aligned, in source pixels."""
        return round_up(self.halo, self.multiple_of)

    @property
    def smallest_tile(self) -> int:
        """Smallest tile side that still keeps some pixels of its own, in source pixels."""
        return 2 * self.margin + self.multiple_of


@dataclass(frozen=True, slots=True)
class Span:
    """One tile along one axis, in source pixels; ends are exclusive."""

    start: int
    """First pixel that the net sees."""
    stop: int
    """End of what the net sees."""
    keep_start: int
    """First pixel whose result is kept."""
    keep_stop: int
    """End of what is kept."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One rectangle for the net, and the part of its result that is kept."""

    rows: Span
    """Along the height."""
    columns: Span
    """Along the width."""


@dataclass(frozen=True, slots=True)
class TilePlan:
    """All tiles of one picture; every tile has the same size."""

    height: int
    """Source rows after padding, a multiple of the net's ``multiple_of``."""
    width: int
    """Source columns after padding, likewise."""
    tiles: tuple[Tile, ...]
    """Row by row; their kept parts cover the padded picture exactly once."""

    @property
    def tile_height(self) -> int:
        """Rows of every tile."""
        return self.tiles[0].rows.stop - self.tiles[0].rows.start

    @property
    def tile_width(self) -> int:
        """Columns of every tile."""
        return self.tiles[0].columns.stop - self.tiles[0].columns.start


def round_up(value: int, step: int) -> int:
    """Return the smallest multiple of a step that is not below a value.

    >>> round_up(17, 8)
    24
    """
    return -(-value // step) * step


def plan_tiles(height: int, width: int, geometry: Geometry, tile_size: int) -> TilePlan:
    """Cut a picture into equal tiles with an exact halo.

    A picture that fits into one tile is left whole. The net's result for the kept part of a tile
    equals its result for the whole picture, because everything it can depend on lies in the tile.

    Args:
        height: source rows.
        width: source columns.
        geometry: of the net.
        tile_size: longest side of a tile in source pixels, halo included.

    Raises:
        ValueError: the tile is too small to keep anything of its own.
    """
    rows = plan_axis(round_up(height, geometry.multiple_of), geometry, tile_size)
    columns = plan_axis(round_up(width, geometry.multiple_of), geometry, tile_size)
    tiles = tuple(Tile(row, column) for row in rows for column in columns)
    return TilePlan(rows[-1].stop, columns[-1].stop, tiles)


def plan_axis(length: int, geometry: Geometry, tile_size: int) -> tuple[Span, ...]:
    """Cut one axis: count the tiles first, then make them all as small as that count allows.

    Args:
        length: source pixels, a multiple of the net's ``multiple_of``.
        geometry: of the net.
        tile_size: longest tile in source pixels, halo included.

    Returns:
        Spans of one size, in order; sizes come in steps of 32 where possible, so that pictures of
        different sizes share compiled nets.

    Raises:
        ValueError: the tile is too small to keep anything of its own.

    >>> [(span.start, span.stop) for span in plan_axis(100, Geometry(1, 4, 4), 64)]
    [(0, 64), (36, 100)]
    """
    if length <= tile_size:
        return (Span(0, length, 0, length),)
    largest = tile_size // geometry.multiple_of * geometry.multiple_of
    if largest < geometry.smallest_tile:
        raise ValueError(f"tile_size {tile_size} is below {geometry.smallest_tile}")
    overlap = 2 * geometry.margin
    count = math.ceil((length - overlap) / (largest - overlap))
    step = math.lcm(_SIZE_STEP, geometry.multiple_of)
    size = min(largest, round_up(math.ceil((length - overlap) / count) + overlap, step))
    count = math.ceil((length - overlap) / (size - overlap))
    starts = [min(i * (size - overlap), length - size) for i in range(count)]
    cuts = [0, *(start + geometry.margin for start in starts[1:]), length]
    return tuple(Span(start, start + size, cuts[i], cuts[i + 1]) for i, start in enumerate(starts))


def group_tiles(tiles: Sequence[Tile], largest_batch: int) -> Iterator[Sequence[Tile]]:
    """Split tiles into batches that fill at least three quarters of a power of two.

    A session pads a batch up to that power, so that it meets few shapes. What it pads with costs
    as much as tiles do, a batch more costs a launch: a quarter is where neither gets out of hand.

    Args:
        tiles: equal tiles.
        largest_batch: upper limit of a batch and of the power it is padded to, at least 1.

    >>> [len(batch) for batch in group_tiles(range(11), 4)]
    [4, 4, 3]
    >>> [len(batch) for batch in group_tiles(range(21), 32)]
    [16, 4, 1]
    """
    position = 0
    while position < len(tiles):
        size = min(largest_batch, len(tiles) - position)
        bucket = 1 << (size - 1).bit_length()
        if bucket > largest_batch or size < _LEAST_FILLED * bucket:
            size = bucket // 2
        yield tiles[position : position + size]
        position += size
