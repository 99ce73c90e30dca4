"""What sellers do to a good photograph before they upload it: always the same, from a seed."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Damage:
    """How a photograph is spoiled."""

    shrink: int
    """Factor by which both sides get smaller."""
    blur_pixels: float
    """Radius of the blur, after shrinking."""
    noise: float
    """Deviation of the sensor's noise in mid-tones, levels of 255."""
    dimming: float
    """How much darker the far corner is lit, share of 1."""
    jpeg_quality: int
    """Encoder quality, 1 to 100."""


def damage_for(seed: int) -> Damage:
    """Draw what happens to the photograph with this seed."""
    rng = np.random.default_rng(seed)
    return Damage(
        shrink=2,
        blur_pixels=float(rng.uniform(0.25, 0.45)),
        noise=float(rng.uniform(7.0, 11.0)),
        dimming=float(rng.uniform(0.01, 0.03)),
        jpeg_quality=int(rng.integers(55, 76)),
    )


def degrade(clean: Image.Image, seed: int) -> bytes:
    """Return the JPEG file that a seller uploads instead of a clean photograph.

    Args:
        clean: RGB.
        seed: the same seed and photograph give the same bytes.
    """
    damage = damage_for(seed)
    size = (clean.width // damage.shrink, clean.height // damage.shrink)
    small = clean.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    small = small.filter(ImageFilter.GaussianBlur(damage.blur_pixels))
    pixels = _dimmed(np.asarray(small, float), damage.dimming)
    pixels = _noisy(pixels, damage.noise, np.random.default_rng([seed, 1]))
    result = Image.fromarray(np.round(np.clip(pixels, 0, 255)).astype(np.uint8))
    file = io.BytesIO()
    result.save(file, "JPEG", quality=damage.jpeg_quality, subsampling="4:2:0")
    return file.getvalue()


def _dimmed(pixels: Array, dimming: float) -> Array:
    """Let the light fall off from one corner to the other. (H, W, 3), [0, 255]."""
    height, width = pixels.shape[:2]
    fall = np.linspace(0, 0.5, height)[:, None] + np.linspace(0, 0.5, width)[None]
    result: Array = pixels * (1 - dimming * fall[..., None])
    return result


def _noisy(pixels: Array, noise: float, rng: np.random.Generator) -> Array:
    """Add shot noise, which grows with the light, and the same read noise everywhere."""
    shot = noise * np.sqrt(np.clip(pixels, 0, 255) / 128) * 0.8
    return pixels + np.hypot(shot, 0.6 * noise) * rng.standard_normal(pixels.shape)
