"""Predicts seconds and memory of networks from a few measurements, and picks tiles: pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from enhancer_worker.engine.tiling import Geometry, plan_tiles

TILE_SIDES = (192, 256, 384, 512, 672)
"""Longest tile sides that are considered, source pixels."""
_BYTES_PER_PIXEL = 3
_NEGLIGIBLE_GAIN = 0.97
_LEAST_SHARE = 0.25
_LINES = ("seconds", "peak_bytes", "kept_bytes")


@dataclass(frozen=True, slots=True)
class Line:
    """A cost that grows with pixels: ``fixed + per_pixel * pixels``."""

    fixed: float
    """Cost of the smallest piece of work; not negative."""
    per_pixel: float
    """Cost of one more pixel; not negative."""

    def at(self, pixels: float) -> float:
        """Cost of so many pixels."""
        return self.fixed + self.per_pixel * pixels


@dataclass(frozen=True, slots=True)
class NetCost:
    """What running one network on one machine costs, by pixels of a tile."""

    seconds: Line
    """Seconds per tile."""
    peak_bytes: Line
    """Memory that a tile needs beyond the idle process, bytes."""
    kept_bytes: Line = Line(0.0, 0.0)
    """What of that the network keeps for the next tile."""
    warm_up_seconds: float = 0.0
    """What the first tile of a shape costs on top: the network is compiled for it."""

    def to_table(self) -> dict[str, Any]:
        """As plain values, for a cache file."""
        lines = {name: list(_values(getattr(self, name))) for name in _LINES}
        return {**lines, "warm_up_seconds": self.warm_up_seconds}

    @classmethod
    def from_table(cls, table: Any) -> NetCost:
        """Read what ``to_table`` made.

        Raises:
            ValueError: it is something else.
        """
        try:
            seconds, peak, kept = (Line(*map(float, table[name])) for name in _LINES)
            warm_up = float(table["warm_up_seconds"])
        except (TypeError, KeyError, ValueError) as err:
            raise ValueError(f"not a cost: {err}") from err
        values = (warm_up, *_values(seconds), *_values(peak), *_values(kept))
        if any(not (0 <= value < math.inf) for value in values):
            raise ValueError("not a cost: negative or not finite")
        return cls(seconds, peak, kept, warm_up)


@dataclass(frozen=True, slots=True)
class Prediction:
    """One run of a network over a picture."""

    tile_size: int
    """Longest side of a tile, source pixels."""
    tile_count: int
    """Tiles that are run."""
    seconds: float
    """Time in the network."""
    peak_bytes: float
    """Memory beyond the idle process: one tile, the picture and the result."""
    kept_bytes: float
    """What of that the network keeps for the next tile."""
    warm_up_seconds: float
    """Time on top where no tile of this shape has run before."""


def fit_line(points: Iterable[tuple[float, float]]) -> Line:
    """Lay the best line of no negative coefficient through measurements, by relative error.

    Large pieces of work would otherwise decide alone.

    Args:
        points: (pixels, cost), pixels above 0; at least one.

    >>> fit_line([(100.0, 3.0), (200.0, 5.0)])
    Line(fixed=1.0, per_pixel=0.02)
    >>> fit_line([(100.0, 4.0), (300.0, 2.0)]).per_pixel
    0.0
    """
    found = list(points)
    # Memory that was there already measures as nothing: such a sample must not outweigh the rest.
    least = max(max(cost for _, cost in found) * _LEAST_SHARE, 1e-9)
    weights = [1 / max(cost, least) ** 2 for _, cost in found]
    total = sum(weights)
    mean_x = sum(w * x for w, (x, _) in zip(weights, found, strict=True)) / total
    mean_y = sum(w * y for w, (_, y) in zip(weights, found, strict=True)) / total
    rows = list(zip(weights, found, strict=True))
    spread = sum(w * (x - mean_x) ** 2 for w, (x, _) in rows)
    slope = sum(w * (x - mean_x) * (y - mean_y) for w, (x, y) in rows) / spread if spread else 0.0
    if slope <= 0:
        return Line(max(0.0, mean_y), 0.0)
    fixed = mean_y - slope * mean_x
    if fixed < 0:
        squares = sum(w * x * x for w, (x, _) in rows)
        return Line(0.0, sum(w * x * y for w, (x, y) in rows) / squares)
    return Line(round(fixed, 12), round(slope, 15))


def predict(
    height: int, width: int, geometry: Geometry, cost: NetCost, tile_size: int
) -> Prediction:
    """Predict one run.

    Args:
        height: source rows.
        width: source columns.
        geometry: of the network.
        cost: measured on this machine.
        tile_size: longest side of a tile, source pixels; at least the geometry's smallest.
    """
    plan = plan_tiles(height, width, geometry, tile_size)
    pixels = plan.tile_height * plan.tile_width
    pictures = _BYTES_PER_PIXEL * height * width * (1 + geometry.scale**2)
    return Prediction(
        tile_size,
        len(plan.tiles),
        len(plan.tiles) * cost.seconds.at(pixels),
        cost.peak_bytes.at(pixels) + pictures,
        cost.kept_bytes.at(pixels),
        cost.warm_up_seconds,
    )


def choose_tile(
    height: int,
    width: int,
    geometry: Geometry,
    cost: NetCost,
    *,
    sides: Sequence[int] = TILE_SIDES,
    most_bytes: float = math.inf,
) -> Prediction:
    """Pick the tile size that is predicted to be the fastest and fits into memory.

    Args:
        height: source rows.
        width: source columns.
        geometry: of the network.
        cost: measured on this machine.
        sides: tile sizes to choose from, source pixels; those that the network cannot take are
            left out.
        most_bytes: memory that may be used; where nothing fits, the smallest is picked.

    Returns:
        The fastest; of sizes within 3 % the smallest, which needs less memory.
    """
    possible = sorted({max(side, geometry.smallest_tile) for side in sides})
    found = [predict(height, width, geometry, cost, side) for side in possible]
    fitting = [p for p in found if p.peak_bytes <= most_bytes] or [
        min(found, key=lambda p: p.peak_bytes)
    ]
    fastest = min(p.seconds for p in fitting)
    return next(p for p in fitting if p.seconds * _NEGLIGIBLE_GAIN <= fastest)


def _values(line: Line) -> tuple[float, float]:
    return (line.fixed, line.per_pixel)
