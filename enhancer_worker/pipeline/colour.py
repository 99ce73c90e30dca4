"""Colour as light and as people see it: sRGB to linear and to CIELAB, and CIEDE2000."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

_LINEAR_TO_XYZ = np.array(
    [
        [0.4123907993, 0.3575843394, 0.1804807884],
        [0.2126390059, 0.7151686788, 0.0721923154],
        [0.0193308187, 0.1191947798, 0.9505321522],
    ]
)
_D65_WHITE = _LINEAR_TO_XYZ.sum(axis=1)
_25_TO_THE_7 = 25.0**7

LIGHT_STEPS = 65_535
"""Steps of light that tables tell apart: even the darkest levels lie 20 of them apart."""

Floats = NDArray[np.float64]


def linear_from_srgb(encoded: Floats) -> Floats:
    """Undo the transfer curve of sRGB.

    Args:
        encoded: any shape, float64, [0, 1].

    Returns:
        Amounts of light, [0, 1].
    """
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def srgb_from_linear(light: Floats) -> Floats:
    """Apply the transfer curve of sRGB; the inverse of ``linear_from_srgb``.

    Args:
        light: any shape, float64, [0, 1].
    """
    curve = 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, 12.92 * light, curve)


@functools.cache
def light_tables() -> tuple[Floats, Floats]:
    """Return level -> light and light -> level, not rounded, both in steps of 1 / `LIGHT_STEPS`."""
    to_light = linear_from_srgb(np.arange(256) / 255.0) * LIGHT_STEPS
    to_level = srgb_from_linear(np.arange(LIGHT_STEPS + 1) / LIGHT_STEPS) * 255.0
    return to_light, to_level


def lab_from_linear(light: Floats) -> Floats:
    """Convert to CIELAB under D65.

    Args:
        light: (..., 3), float64, linear sRGB, [0, 1].

    Returns:
        (..., 3), float64: L in [0, 100], a and b about [-128, 127].
    """
    ratio = (light @ _LINEAR_TO_XYZ.T) / _D65_WHITE
    root = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def srgb_to_lab(pixels: NDArray[np.uint8]) -> Floats:
    """Convert to CIELAB under D65.

    Args:
        pixels: (..., 3), uint8, sRGB.

    Returns:
        (..., 3), float64: L in [0, 100], a and b about [-128, 127].
    """
    table = linear_from_srgb(np.arange(256) / 255.0)
    return lab_from_linear(table[pixels])


def ciede2000(first: Floats, second: Floats) -> Floats:
    """Colour difference after Sharma, Wu, Dalal (2005), with all weights 1.

    Args:
        first: (..., 3), float64, CIELAB.
        second: (..., 3), float64, CIELAB.

    Returns:
        (...), float64: 1 is about the smallest difference that people notice side by side.
    """
    l1, l2 = first[..., 0], second[..., 0]
    c1, h1, c2, h2 = _adjusted_chroma_and_hue(first, second)
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2
    coloured = c1 * c2 > 0
    turn = np.where(coloured, (h2 - h1 + 180) % 360 - 180, 0.0)
    turn = np.where(coloured & (h2 - h1 == 180), 180.0, turn)
    delta_h = 2 * np.sqrt(c1 * c2) * _sin(turn / 2)
    mean_h = np.where(coloured, _mean_hue(h1, h2), h1 + h2)
    s_l = 1 + 0.015 * (mean_l - 50) ** 2 / np.sqrt(20 + (mean_l - 50) ** 2)
    s_c = 1 + 0.045 * mean_c
    s_h = 1 + 0.015 * mean_c * _hue_weight(mean_h)
    lightness, chroma, hue = (l2 - l1) / s_l, (c2 - c1) / s_c, delta_h / s_h
    total = lightness**2 + chroma**2 + hue**2 + _rotation(mean_c, mean_h) * chroma * hue
    return np.sqrt(np.maximum(total, 0.0))


def _adjusted_chroma_and_hue(first: Floats, second: Floats) -> tuple[Floats, ...]:
    mean_c = (np.hypot(first[..., 1], first[..., 2]) + np.hypot(second[..., 1], second[..., 2])) / 2
    gain = 1.5 - 0.5 * np.sqrt(mean_c**7 / (mean_c**7 + _25_TO_THE_7))
    result: list[Floats] = []
    for lab in (first, second):
        a, b = lab[..., 1] * gain, lab[..., 2]
        result += [np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360]
    return tuple(result)


def _mean_hue(h1: Floats, h2: Floats) -> Floats:
    total = h1 + h2
    wrapped = np.where(total < 360, total + 360, total - 360)
    mean: Floats = np.where(np.abs(h1 - h2) <= 180, total, wrapped) / 2
    return mean


def _hue_weight(mean_h: Floats) -> Floats:
    weight: Floats = (
        1
        - 0.17 * _cos(mean_h - 30)
        + 0.24 * _cos(2 * mean_h)
        + 0.32 * _cos(3 * mean_h + 6)
        - 0.20 * _cos(4 * mean_h - 63)
    )
    return weight


def _rotation(mean_c: Floats, mean_h: Floats) -> Floats:
    angle = 30 * np.exp(-(((mean_h - 275) / 25) ** 2))
    rotation: Floats = -2 * np.sqrt(mean_c**7 / (mean_c**7 + _25_TO_THE_7)) * _sin(2 * angle)
    return rotation


def _sin(degrees: Floats) -> Floats:
    return np.sin(np.radians(degrees))


def _cos(degrees: Floats) -> Floats:
    return np.cos(np.radians(degrees))
