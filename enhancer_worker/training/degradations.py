"""What happens to product photographs on their way to a shop: blur, noise and JPEG."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image
from torch import Tensor
from torch.nn import functional

from enhancer_worker.nets.blur_kernels import gaussian_kernel
from enhancer_worker.training.blurring import (
    FloatImage,
    blur,
    random_disk_kernel,
    random_gaussian_kernel,
    random_motion_kernel,
)
from enhancer_worker.training.data import Tile
from enhancer_worker.training.metrics import Y_OFFSET, Y_WEIGHTS

Degradation = Callable[[FloatImage, np.random.Generator], FloatImage]

MARGIN_PIXELS = 16
"""Border that surrounds a patch while it is degraded: one 4:2:0 block of JPEG."""
SUBSAMPLINGS = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}


@dataclass(frozen=True)
class RestorationMix:
    """How often each kind of damage is seen; the rest of the samples stay clean."""

    gaussian: float = 0.27
    """Fraction of samples with white noise alone, the protocol of denoising benchmarks."""
    jpeg: float = 0.29
    """Fraction of samples that were only compressed."""
    upload: float = 0.16
    """Fraction of samples with blur, noise and compression in a random order."""
    blur: float = 0.18
    """Fraction of samples that are only blurred, with hardly any noise."""
    grey_jpeg: float = 0.4
    """Fraction of the compressed samples that are luma only, as in JPEG benchmarks."""
    largest_sigma: float = 55.0
    """Highest standard deviation of white noise, of 255."""

    @property
    def clean(self) -> float:
        """Fraction of samples that nothing was done to; rounding makes nothing of less than 0."""
        rest = 1 - self.gaussian - self.jpeg - self.upload - self.blur
        return 0.0 if -1e-9 <= rest < 0 else rest


def to_float(image: Tile) -> FloatImage:
    """Scale (H, W, 3) from uint8 to float32, [0, 1]."""
    return image.astype(np.float32) / np.float32(255)


def antialiased_bicubic(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize as MATLAB's `imresize` does.

    Args:
        images: (B, 3, H, W), float32, [0, 1].
        size: (height, width) of the result, pixels.
    """
    return functional.interpolate(images, size, mode="bicubic", antialias=True)


def shrink(images: Tensor, scale: int) -> Tensor:
    """Low-resolution side of a super-resolution pair.

    Args:
        images: (B, 3, H, W), float32, [0, 1]; H and W are multiples of `scale`.
        scale: source pixels per result pixel along one axis.
    """
    height, width = images.shape[-2:]
    return antialiased_bicubic(images, (height // scale, width // scale))


def luma_image(image: FloatImage) -> FloatImage:
    """BT.601 studio luma repeated in three channels: (H, W, 3), [16/255, 235/255]."""
    luma = image @ np.asarray(Y_WEIGHTS, np.float32) + np.float32(Y_OFFSET)
    return np.repeat(luma[..., None], 3, axis=2).astype(np.float32)


def add_gaussian_noise(image: FloatImage, rng: np.random.Generator, sigma: float) -> FloatImage:
    """Add white noise; the result is not clipped.

    Args:
        image: (H, W, 3), float32, [0, 1].
        rng: source of randomness.
        sigma: standard deviation, of 1.
    """
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    return image + np.float32(sigma) * noise


def add_poisson_noise(image: FloatImage, rng: np.random.Generator, photons: float) -> FloatImage:
    """Replace each value by a photon count.

    Args:
        image: (H, W, 3), float32; clipped to [0, 1] first.
        rng: source of randomness.
        photons: expected count of a white pixel.
    """
    counts = rng.poisson(np.clip(image, 0, 1) * photons)
    return (counts / photons).astype(np.float32)


def add_noise(image: FloatImage, rng: np.random.Generator, sigma: float) -> FloatImage:
    """White or photon noise, at equal odds.

    Args:
        image: (H, W, 3), float32, [0, 1].
        rng: source of randomness.
        sigma: mean standard deviation, of 1.
    """
    if rng.random() < 0.5:
        return add_gaussian_noise(image, rng, sigma)
    mean = max(float(image.mean()), 0.05)
    return add_poisson_noise(image, rng, mean / sigma**2)


def add_isp_noise(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Noise of a phone camera: shot and read noise in linear light, smeared by demosaicing.

    Args:
        image: (H, W, 3), float32; clipped to [0, 1] first.
        rng: source of randomness.
    """
    linear: FloatImage = np.clip(image, 0, 1) ** np.float32(2.2)
    shot, read = 10 ** rng.uniform(-4.5, -2.5), 10 ** rng.uniform(-3.5, -1.8)
    noise: FloatImage = rng.standard_normal(image.shape, dtype=np.float32)
    if rng.random() < 0.5:
        noise = np.float32(1.5) * blur(noise, gaussian_kernel(0.5, 0.5, 0.0))
    noisy = linear + np.sqrt(shot * linear + read**2) * noise
    encoded: FloatImage = np.clip(noisy, 0, 1) ** (1 / 2.2)
    return encoded.astype(np.float32)


def as_eight_bits(image: FloatImage) -> FloatImage:
    """Clip (H, W, 3) to [0, 1] and round it to the levels of a file, of 255."""
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.float32) / np.float32(255)


def compress_jpeg(image: FloatImage, quality: int, subsampling: str = "4:4:4") -> FloatImage:
    """One round trip through libjpeg.

    Args:
        image: (H, W, 3) RGB or (H, W) grey, float32; clipped to [0, 1] and rounded to 8 bits.
        quality: libjpeg quality, 1-100.
        subsampling: a key of `SUBSAMPLINGS`; ignored for grey images.
    """
    pixels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(
        buffer, "JPEG", quality=quality, subsampling=SUBSAMPLINGS[subsampling]
    )
    with Image.open(buffer) as decoded:
        return np.asarray(decoded, np.float32) / np.float32(255)


def compress_shifted(image: FloatImage, rng: np.random.Generator, quality: int) -> FloatImage:
    """Compress on a block grid that starts up to seven pixels off the origin.

    Args:
        image: (H, W, 3), float32, [0, 1]; a border of `MARGIN_PIXELS` is spoilt.
        rng: source of randomness.
        quality: libjpeg quality, 1-100.
    """
    down, right = int(rng.integers(8)), int(rng.integers(8))
    rolled = np.roll(image, (-down, -right), (0, 1))
    compressed = compress_jpeg(rolled, quality, _any_subsampling(rng))
    return np.roll(compressed, (down, right), (0, 1))


def random_blur(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Slight defocus or hand shake: sigma 0.2-1.6 pixels, isotropic half of the time."""
    return blur(image, random_gaussian_kernel(rng))


def random_lens_blur(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Gaussian, defocus or motion blur, then noise of sigma 0 to 2 of 255.

    Motion is drawn twice as often as either: a net learns last to see its direction. The rest of
    the noise that any file has keeps the net from inverting a blur without bounds.
    """
    motion = random_motion_kernel
    kernels = (random_gaussian_kernel, random_disk_kernel, motion, motion)
    kernel = kernels[int(rng.integers(len(kernels)))](rng)
    return as_eight_bits(add_gaussian_noise(blur(image, kernel), rng, rng.uniform(0, 2) / 255))


def random_camera_noise(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    """White (sigma up to 15 of 255), photon or camera-pipeline noise, at equal odds."""
    kind = int(rng.integers(3))
    if kind == 0:
        return add_gaussian_noise(image, rng, float(rng.uniform(1, 15)) / 255)
    if kind == 1:
        return add_poisson_noise(image, rng, float(10 ** rng.uniform(2, 3.7)))
    return add_isp_noise(image, rng)


def random_jpeg(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Quality 8-45 or 45-95 at equal odds; one time in three after an earlier compression."""
    if rng.random() < 1 / 3:
        image = earlier_jpeg(image, rng)
    low, high = (8, 46) if rng.random() < 0.5 else (45, 96)
    return compress_jpeg(image, int(rng.integers(low, high)), _any_subsampling(rng))


def earlier_jpeg(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Quality 40-95 on a shifted grid: the file was cropped and saved again."""
    return compress_shifted(image, rng, int(rng.integers(40, 96)))


def random_upload(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Blur, noise and an earlier JPEG in any order, each at times, then JPEG of quality 30-95."""
    steps: list[Degradation] = [random_blur, random_camera_noise, earlier_jpeg]
    for position in rng.permutation(len(steps)):
        if rng.random() < 0.75:
            image = steps[position](image, rng)
    return compress_jpeg(image, int(rng.integers(30, 96)), _any_subsampling(rng))


def degrade(
    image: FloatImage, rng: np.random.Generator, mix: RestorationMix
) -> tuple[FloatImage, FloatImage]:
    """Draw one damage and apply it.

    Args:
        image: (H, W, 3), float32, [0, 1], RGB, with a border of `MARGIN_PIXELS` around the patch.
        rng: source of randomness; the same state gives the same pair.
        mix: how often each kind is drawn.

    Returns:
        (lq, gt) without the border, both (h, w, 3) float32; `gt` is grey where `lq` is.
    """
    draw = rng.random()
    if draw < mix.gaussian:
        inner = _inner(image)
        noisy = add_gaussian_noise(inner, rng, float(rng.uniform(0, mix.largest_sigma)) / 255)
        # Benchmarks feed unclipped noise, uploads are eight-bit files: the net must take both.
        return as_eight_bits(noisy) if rng.random() < 0.3 else noisy, inner
    if draw < mix.gaussian + mix.jpeg:
        clean = luma_image(image) if rng.random() < mix.grey_jpeg else image
        return _shifted_inner(random_jpeg(clean, rng), clean, rng)
    if draw < mix.gaussian + mix.jpeg + mix.upload:
        return _shifted_inner(random_upload(image, rng), image, rng)
    if draw < mix.gaussian + mix.jpeg + mix.upload + mix.blur:
        return _inner(random_lens_blur(image, rng)), _inner(image)
    return _inner(image), _inner(image)


def degrade_small(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    """What a seller's camera and a first shop do to a small picture, mildly.

    Milder than Real-ESRGAN's second-order model: blur of sigma up to 0.8, noise up to 15 of 255,
    JPEG of quality 40-95 once or twice; one sample in five stays as it is, so that a net learns
    to leave clean photographs alone.

    Args:
        image: (H, W, 3), float32, [0, 1], with a border of `MARGIN_PIXELS` that is cut off.
        rng: source of randomness.
    """
    if rng.random() < 0.2:
        return _inner(image)
    steps: list[Degradation] = [_soften, random_camera_noise, earlier_jpeg]
    for position in rng.permutation(len(steps)):
        if rng.random() < 0.5:
            image = steps[position](image, rng)
    return _inner(compress_jpeg(image, int(rng.integers(40, 96)), _any_subsampling(rng)))


def _soften(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    sigma = float(rng.uniform(0.2, 0.8))
    return blur(image, gaussian_kernel(sigma, sigma, 0.0))


def _any_subsampling(rng: np.random.Generator) -> str:
    return ("4:4:4", "4:2:0")[int(rng.integers(2))]


def _inner(image: FloatImage, down: int = 0, right: int = 0) -> FloatImage:
    height, width = image.shape[0] - 2 * MARGIN_PIXELS, image.shape[1] - 2 * MARGIN_PIXELS
    top, left = MARGIN_PIXELS - down, MARGIN_PIXELS - right
    return image[top : top + height, left : left + width]


def _shifted_inner(
    lq: FloatImage, gt: FloatImage, rng: np.random.Generator
) -> tuple[FloatImage, FloatImage]:
    """Half of the time the block grid starts at the patch's corner, as in a whole file."""
    down, right = rng.integers(0, MARGIN_PIXELS // 2, 2) if rng.random() < 0.5 else (0, 0)
    return _inner(lq, int(down), int(right)), _inner(gt, int(down), int(right))
