"""Takes a known blur out of a picture, as far as its noise lets it."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.signal import oaconvolve

from enhancer_worker.nets.blur_kernels import (
    Kernel,
    disk_kernel,
    gaussian_kernel,
    motion_kernel,
    transfer,
)

Floats = NDArray[np.float32]

_GRID = 128
_REACH = 24
"""Radius of the filter, pixels; of one that is sure of a motion of 9 pixels, 6 % of the energy
would lie further out."""
_PRIOR = 4e-4
"""Power of a sharp photograph at one cycle per pixel, which falls with the square of the
frequency; found on training photographs."""
_TOLERANCE = 0.015
"""How far estimates are off, mean over the frequencies; found on training photographs."""
_WORST_FIT = 0.08
"""Mean over the frequencies beyond which no known blur explains an estimate; for 95 in 100 of 80
photographs blurred as in training it was 0.064 at most."""
_LEAST_SHARE = 0.02
_NEARBY = 8
"""Radius within which the strength of a correction is measured, pixels."""
_STRIP_ROWS = 512


@dataclass(frozen=True, slots=True)
class Blur:
    """A kernel, by what has made it."""

    kind: str
    """``gaussian``, ``defocus`` or ``motion``; empty for none."""
    size: float
    """Standard deviation, radius or length, pixels."""
    across: float = 0.0
    """Standard deviation across the first one, pixels, of ``gaussian``."""
    angle: float = 0.0
    """Of the first one or of the motion, degrees, 0 to 180."""

    def kernel(self) -> Kernel:
        """Return it, of sum one."""
        angle = math.radians(self.angle)
        if self.kind == "gaussian":
            return gaussian_kernel(self.size, self.across, angle)
        if self.kind == "defocus":
            return disk_kernel(self.size)
        return motion_kernel(self.size, angle)


SHARP = Blur("", 0.0)


@dataclass(frozen=True, slots=True)
class Suspects:
    """The blurs that an estimate may come from."""

    blurs: tuple[Blur, ...]
    """Likeliest first; ``SHARP`` may be one of them."""
    shares: tuple[float, ...]
    """How likely each is; of sum one."""


NO_BLUR = Suspects((SHARP,), (1.0,))


def suspects(found: NDArray[np.floating]) -> Suspects:
    """Tell which blurs an estimated transfer may come from.

    Args:
        found: (48,), as ``blur_kernels.transfer`` has it.

    Returns:
        Led by ``SHARP`` where nothing is to be taken out: the picture is sharp, or what has blurred
        it is none of the kernels that are known.
    """
    blurs, transfers, priors = _known()
    away = np.abs(transfers - found).mean(axis=1)
    if away.min() > _WORST_FIT:
        return NO_BLUR
    shares = priors * np.exp((away.min() - away) / _TOLERANCE)
    order = np.argsort(shares)[::-1]
    order = order[shares[order] > _LEAST_SHARE * shares.max()]
    kept = shares[order] / shares[order].sum()
    return Suspects(tuple(blurs[i] for i in order), tuple(map(float, kept)))


def deconvolve(pixels: NDArray[np.uint8], found: Suspects, noise: float) -> NDArray[np.uint8]:
    """Divide by what a blur has left of each frequency, but where noise is stronger (Wiener).

    Noise grows with what is sharpened, and on smooth ground nothing hides it: the correction is
    kept as far as it is more than noise makes of it nearby (Lee 1980, on digital image
    enhancement by local statistics).

    Args:
        pixels: (H, W, 3), uint8, RGB.
        found: what may have blurred it.
        noise: standard deviation in the picture, of 255.

    Returns:
        Same shape; flat areas are as they were, to the bit.
    """
    change = wiener(found, noise)
    change[_REACH, _REACH] -= 1
    of_noise = noise**2 * float(np.square(change).sum())
    around = _REACH + _NEARBY
    mirrored = np.pad(pixels, ((around, around), (around, around), (0, 0)), mode="symmetric")
    inside = slice(_NEARBY, -_NEARBY)
    result = np.empty_like(pixels)
    for top in range(0, pixels.shape[0], _STRIP_ROWS):
        rows = mirrored[top : top + _STRIP_ROWS + 2 * around].astype(np.float32)
        changes = oaconvolve(rows, change[..., None], mode="valid", axes=(0, 1))
        power = gaussian_filter(np.square(changes).mean(axis=2), _NEARBY / 4, radius=_NEARBY)
        kept = np.clip(1 - (of_noise / np.maximum(power, 1e-9)) ** 2, 0, 1)[inside, inside, None]
        strip = pixels[top : top + _STRIP_ROWS] + kept * changes[inside, inside]
        result[top : top + _STRIP_ROWS] = np.clip(np.rint(strip), 0, 255).astype(np.uint8)
    return result


def wiener(found: Suspects, noise: float) -> Floats:
    """Build the linear filter of the least expected squared error, over noise and suspects.

    Where the suspects agree it undoes the blur; where one has left what another has wiped out or
    turned round, it holds back.

    Args:
        found: what may have blurred a picture.
        noise: standard deviation, of 255.

    Returns:
        (49, 49), float32, of sum one.
    """
    left = np.stack([_spectrum(blur) for blur in found.blurs])
    shares = np.array(found.shares)[:, None, None]
    frequency = np.fft.fftfreq(_GRID)
    squared = frequency[:, None] ** 2 + frequency**2
    ratio = (noise / 255) ** 2 * squared / _PRIOR
    gain = (shares * left).sum(0) / ((shares * left**2).sum(0) + ratio)
    spread = np.fft.ifft2(gain).real
    centred = np.roll(spread, (_REACH, _REACH), (0, 1))[: 2 * _REACH + 1, : 2 * _REACH + 1]
    taper = np.hanning(2 * _REACH + 3)[1:-1]
    windowed = centred * np.sqrt(np.outer(taper, taper))
    weights: Floats = (windowed / windowed.sum()).astype(np.float32)
    return weights


def _spectrum(blur: Blur) -> NDArray[np.float64]:
    if not blur.kind:
        return np.ones((_GRID, _GRID))
    kernel = blur.kernel()
    radius = kernel.shape[0] // 2
    placed = np.zeros((_GRID, _GRID))
    placed[: kernel.shape[0], : kernel.shape[1]] = kernel
    return np.fft.fft2(np.roll(placed, (-radius, -radius), (0, 1))).real


@functools.cache
def _known() -> tuple[list[Blur], NDArray[np.float32], NDArray[np.float64]]:
    """Every blur that is told apart, its transfer, and how likely it is before anything is seen."""
    blurs = [SHARP, *_blurs()]
    # All sorts are alike likely, however many of each are told apart.
    sorts = [(blur.kind, blur.size == blur.across) for blur in blurs]
    count = Counter(sorts)
    transfers = [transfer(blur.kernel()) for blur in blurs[1:]]
    priors = np.array([1 / count[sort] for sort in sorts])
    return blurs, np.stack([np.ones_like(transfers[0]), *transfers]), priors


def _blurs() -> Iterator[Blur]:
    for step in range(4, 21):
        sigma = step / 10
        yield Blur("gaussian", sigma, sigma)
        for share in (0.5, 0.7, 0.85):
            for turn in range(8):
                yield Blur("gaussian", sigma, sigma * share, turn * 22.5)
    for step in range(3, 13):
        yield Blur("defocus", step / 4)
    for step in range(4, 19):
        for turn in range(16):
            yield Blur("motion", step / 2, angle=turn * 11.25)
