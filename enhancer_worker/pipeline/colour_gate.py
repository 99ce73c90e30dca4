"""Measures how far a recipe has moved colours, and moves them back: smoothly, in linear light."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.pipeline.averages import grid, local_averages, stretch_rows
from enhancer_worker.pipeline.colour import (
    LIGHT_STEPS,
    ciede2000,
    lab_from_linear,
    light_tables,
    linear_from_srgb,
)
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.edge_share import take_back
from enhancer_worker.pipeline.guards import keep_neutral

# Colour is what an area has, not what a pixel has. JPEG rounds the chroma of blocks of 16 pixels,
# and sensor noise moves the average of a few pixels visibly; taking both away is the restorer's
# task, not a shift. A triangle over 64 pixels averages 2,304 of them in effect, and 9 such blocks:
# noise of ten levels leaves 0.2 levels, a mean of 0.3 CIEDE2000. Finer cells measure the noise:
# with cells of four pixels the noisy sample catalogue scores a p95 of 1.9 where this one says 0.2.
# Nothing is lost by that, as the p95 does not see what covers less than a twentieth of a picture.
_CELL_PIXELS = 32
_LONGEST_GRID = 96
_VISIBLE_COVERAGE = 127.5

_LARGEST_MEAN = 0.3
_LARGEST_P95 = 1.0

# Added to the light of both sides of a ratio: in the dark the correction adds light instead of
# multiplying what is hardly there.
_PEDESTAL = 0.002
_GAINS = (0.5, 2.0)
_BAND_ROWS = 256


@dataclass(frozen=True, slots=True)
class ColourShift:
    """How far colours moved, in CIEDE2000: 1 is about what people notice side by side."""

    mean: float
    """Over all visible cells."""
    p95: float
    """95 of 100 visible cells moved less."""

    @property
    def small(self) -> bool:
        """Whether both figures are within the goals: a mean of 0.3, a p95 of 1."""
        return self.mean <= _LARGEST_MEAN and self.p95 <= _LARGEST_P95


@dataclass(frozen=True, slots=True)
class ColourVerdict:
    """What the gate found and did."""

    picture: Picture
    """Corrected; the very object that went in where nothing was done."""
    before: ColourShift
    """Of the picture that went in."""
    after: ColourShift
    """Of the picture that came out."""
    corrected: bool = False
    """Whether pixels were changed."""

    def figures(self) -> dict[str, float]:
        """Return what is stored on the variant."""
        return {
            "colour_shift_mean": round(self.after.mean, 4),
            "colour_shift_p95": round(self.after.p95, 4),
            "colour_shift_mean_uncorrected": round(self.before.mean, 4),
            "colour_shift_p95_uncorrected": round(self.before.p95, 4),
            "colour_corrected": float(self.corrected),
        }


def unmoved(picture: Picture) -> ColourVerdict:
    """Return the verdict on pixels that nothing has touched."""
    return ColourVerdict(picture, ColourShift(0.0, 0.0), ColourShift(0.0, 0.0))


@dataclass(frozen=True, slots=True)
class Colours:
    """The colours that results should have."""

    original: Picture
    """The upload, colours under transparent pixels filled."""
    averages: NDArray[np.float64]
    """(rows, columns, 3), linear light, [0, 1]."""
    visible: NDArray[np.bool_]
    """(rows, columns): cells that are at least half opaque."""

    @classmethod
    def of(cls, original: Picture) -> Colours:
        """Measure an upload, for all results that are made of it."""
        size = original.height, original.width
        rows, columns = grid(*size, cell=_CELL_PIXELS, longest=_LONGEST_GRID)
        visible = np.ones((rows, columns), bool)
        if original.alpha is not None:
            visible = local_averages(original.alpha, rows, columns) >= _VISIBLE_COVERAGE
        return cls(original, _light(original, rows, columns), visible)

    def judge(self, result: Picture) -> ColourVerdict | None:
        """Measure a result's colours against the upload's, and correct them where they moved.

        The correction is one gain per channel and cell in linear light, stretched over the picture
        without edges of its own, and taken back beyond the edges of what needed it. Detail keeps
        its contrast, pure white stays 255, a grey picture stays grey. Below the goals nothing is
        corrected, as nobody would see it; a correction that does not lower the figures is not kept.

        Args:
            result: the same picture after a recipe, at any size; not changed.

        Returns:
            The verdict; None where nothing of the picture is visible.
        """
        if not self.visible.any():
            return None
        found = self._averages_of(result)
        before = self._shift(found)
        if before.small:
            return ColourVerdict(result, before, before)
        corrected = _apply(result, self._gains(found))
        take_back(self.original.pixels, result.pixels, corrected.pixels)
        after = self._shift(self._averages_of(corrected))
        if (after.p95, after.mean) >= (before.p95, before.mean):
            return ColourVerdict(result, before, before)
        return ColourVerdict(corrected, before, after, corrected=True)

    def _averages_of(self, result: Picture) -> NDArray[np.float64]:
        rows, columns = self.visible.shape
        return _light(result, rows, columns)

    def _shift(self, found: NDArray[np.float64]) -> ColourShift:
        wanted, found = self.averages[self.visible], found[self.visible]
        differences = ciede2000(lab_from_linear(wanted), lab_from_linear(found))
        return ColourShift(float(differences.mean()), float(np.percentile(differences, 95)))

    def _gains(self, found: NDArray[np.float64]) -> NDArray[np.float32]:
        gains = np.clip((self.averages + _PEDESTAL) / (found + _PEDESTAL), *_GAINS)
        result: NDArray[np.float32] = gains.astype(np.float32)
        return result


def _light(picture: Picture, rows: int, columns: int) -> NDArray[np.float64]:
    # Levels are averaged as they are encoded, where noise is about symmetric: in linear light the
    # average of a noisy shadow is brighter than the shadow, and denoising would count as a shift.
    averages = local_averages(picture.pixels, rows, columns).astype(np.float64)
    return linear_from_srgb(np.clip(averages / 255.0, 0.0, 1.0))


def _apply(picture: Picture, gains: NDArray[np.float32]) -> Picture:
    pixels = np.empty_like(picture.pixels)
    planes = [np.ascontiguousarray(gains[..., channel]) for channel in range(3)]
    to_light, to_level = _lookup_tables()
    for top in range(0, picture.height, _BAND_ROWS):
        band = slice(top, min(top + _BAND_ROWS, picture.height))
        for channel, plane in enumerate(planes):
            light = to_light[picture.pixels[band, :, channel]]
            light *= stretch_rows(plane, (picture.width, picture.height), band)
            light -= np.float32(_PEDESTAL * LIGHT_STEPS)
            np.clip(light, 0, LIGHT_STEPS, out=light)
            pixels[band, :, channel] = to_level[np.rint(light, out=light).astype(np.uint16)]
        # Whatever is blown out has no colour to correct, and what was white must stay white.
        pixels[band][(picture.pixels[band] == 255).all(axis=2)] = 255
    if picture.grey:
        keep_neutral(pixels)
    return dataclasses.replace(picture, pixels=pixels)


def _lookup_tables() -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return level -> light with pedestal, and light -> level, which a gain of 1 leaves alone."""
    light, levels = light_tables()
    raised = light + _PEDESTAL * LIGHT_STEPS
    return raised.astype(np.float32), np.rint(levels).astype(np.uint8)
