"""How the literature turns ground truth into input, and what it counts on the result."""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from enhancer_worker.nets.blur_kernels import (
    RADIUS_PIXELS,
    Kernel,
    disk_kernel,
    gaussian_kernel,
    motion_kernel,
)
from enhancer_worker.training.blurring import blur
from enhancer_worker.training.data import cut_to_multiple, is_grey, read_tile, to_tensor
from enhancer_worker.training.degradations import (
    MARGIN_PIXELS,
    add_gaussian_noise,
    antialiased_bicubic,
    compress_jpeg,
    degrade_small,
    luma_image,
    shrink,
    to_float,
)
from enhancer_worker.training.metrics import as_eight_bits, luma_scores, psnr, ssim

SCALES = (2, 3, 4)
SIGMAS = (15, 25, 50)
QUALITIES = (10, 20, 30, 40)
BLUR_KERNELS: dict[str, Callable[[], Kernel]] = {
    "gauss1.2": lambda: gaussian_kernel(1.2, 1.2, 0.0),
    "gauss1.6": lambda: gaussian_kernel(1.6, 1.6, 0.0),
    "disk2": lambda: disk_kernel(2.0),
    "motion7": lambda: motion_kernel(7.0, math.pi / 6),
}
"""Blurs that are judged, by case: Gaussians by sigma, defocus by radius, a line of 7 pixels at
30 degrees."""
BLUR_NOISE_SIGMA = 1.0
"""Noise that every blurred picture has, of 255."""

Figures = dict[str, float]


@dataclass(frozen=True)
class Sample:
    """One picture of a benchmark."""

    gt: Tensor
    """Ground truth, (1, 3, H, W) or grey (1, 1, H, W), float32, [0, 1]."""
    lq: Tensor
    """What a method is given, (1, 3, h, w), float32, about [0, 1], RGB."""


@dataclass(frozen=True)
class Case:
    """One column of a benchmark table."""

    name: str
    """Key in the output, such as `x2`, `photo_x2`, `sigma25`, `q20`, `disk2` or `clean`."""
    scale: int
    """Output pixels per input pixel along one axis; 1: restoration."""
    prepare: Callable[[Path], Sample]
    """Reads ground truth and makes the input; always the same for the same file."""
    score: Callable[[Tensor, Sample], Figures]
    """Judges a result, (1, 3, H, W), float32, about [0, 1], RGB."""
    reference: str = ""
    """What results are compared with: `bicubic`, `input`, or nothing."""

    def reference_result(self, sample: Sample) -> Tensor:
        """What the reference makes of the input."""
        if self.reference == "bicubic":
            height, width = sample.gt.shape[-2:]
            return antialiased_bicubic(sample.lq, (height, width))
        return sample.lq


@torch.no_grad()
def judge(case: Case, net: nn.Module, sample: Sample) -> Figures:
    """Figures of a net on one picture, and those of the reference with its name behind them."""
    figures = case.score(run_padded(net, sample.lq, case.scale), sample)
    if case.reference:
        reference = case.score(case.reference_result(sample), sample)
        figures |= {f"{name}_{case.reference}": value for name, value in reference.items()}
    return figures


def run_padded(net: nn.Module, lq: Tensor, scale: int = 1) -> Tensor:
    """Run a net on any size: the lower and right edges are repeated, then cut off."""
    multiple = int(getattr(net, "multiple_of", 1))
    height, width = lq.shape[-2:]
    padding = (0, -width % multiple, 0, -height % multiple)
    padded = nn.functional.pad(lq, padding, mode="replicate")
    result: Tensor = net(padded.contiguous(memory_format=torch.channels_last))
    return result[..., : height * scale, : width * scale]


def upscaling_case(scale: int) -> Case:
    """Super-resolution: luma, `scale` pixels of border cut, antialiased bicubic input."""

    def prepare(path: Path) -> Sample:
        gt = to_tensor([cut_to_multiple(read_tile(path), scale)])
        return Sample(gt, shrink(gt, scale))

    def score(result: Tensor, sample: Sample) -> Figures:
        psnr_y, ssim_y = luma_scores(result, sample.gt, scale)
        return {"psnr_y": psnr_y, "ssim_y": ssim_y}

    return Case(f"x{scale}", scale, prepare, score, "bicubic")


def photo_case(scale: int) -> Case:
    """Uploads: the small picture, rounded to 8 bits, is mildly blurred, noisy and compressed.

    It is mirrored at its borders before, so nothing is cut off; which damage a picture gets is
    fixed by its name. Judged as super-resolution.
    """
    name = f"photo_x{scale}"

    def prepare(path: Path) -> Sample:
        gt = to_tensor([cut_to_multiple(read_tile(path), scale)])
        small = as_eight_bits(shrink(gt, scale))[0].permute(1, 2, 0).numpy()
        border = (MARGIN_PIXELS, MARGIN_PIXELS)
        around = np.pad(small, (border, border, (0, 0)), mode="reflect")
        rng = _fixed_rng(path, zlib.crc32(name.encode()))
        return Sample(gt, to_tensor([degrade_small(around, rng)]))

    return Case(name, scale, prepare, upscaling_case(scale).score, "bicubic")


def denoising_case(sigma: int) -> Case:
    """Colour denoising in RGB: white noise of a seed fixed per image, not clipped before."""

    def prepare(path: Path) -> Sample:
        gt = to_tensor([read_tile(path)])
        rng = _fixed_rng(path, sigma)
        noise = torch.from_numpy(rng.standard_normal(gt.shape, dtype=np.float32))
        return Sample(gt, gt + noise * (sigma / 255))

    return Case(f"sigma{sigma}", 1, prepare, _rgb_scores)


def jpeg_case(quality: int) -> Case:
    """JPEG artefacts: libjpeg on the grey image, luma compared, no border cut.

    The grey of a colour picture is its studio luma; a grey file, as in Classic5, is taken as it is.
    """

    def prepare(path: Path) -> Sample:
        photo = to_float(read_tile(path))
        grey = (photo if is_grey(path) else luma_image(photo))[..., 0]
        gt = as_eight_bits(torch.from_numpy(grey.copy()))[None, None]
        lq = torch.from_numpy(compress_jpeg(grey, quality))[None, None]
        return Sample(gt, lq.expand(1, 3, -1, -1))

    return Case(f"q{quality}", 1, prepare, _grey_scores, "input")


def blur_case(name: str) -> Case:
    """Deblurring in RGB: a fixed kernel, noise of sigma 1, rounded to 8 bits, no border cut.

    The picture is mirrored at its borders before it is blurred, so no edge runs around it.
    """

    def prepare(path: Path) -> Sample:
        photo = to_float(read_tile(path))
        border = RADIUS_PIXELS
        around = np.pad(photo, ((border, border), (border, border), (0, 0)), mode="reflect")
        blurred = blur(around, BLUR_KERNELS[name]())[border:-border, border:-border]
        seed = zlib.crc32(name.encode())
        noisy = add_gaussian_noise(blurred, _fixed_rng(path, seed), BLUR_NOISE_SIGMA / 255)
        return Sample(to_tensor([photo]), as_eight_bits(to_tensor([noisy])))

    return Case(name, 1, prepare, _rgb_scores, "input")


def clean_case() -> Case:
    """Do no harm: clean photographs go in, and should come out as they were."""

    def prepare(path: Path) -> Sample:
        gt = to_tensor([read_tile(path)])
        return Sample(gt, gt)

    return Case("clean", 1, prepare, _rgb_scores)


def _fixed_rng(path: Path, number: int) -> np.random.Generator:
    return np.random.default_rng((zlib.crc32(path.stem.encode()), number))


def _rgb_scores(result: Tensor, sample: Sample) -> Figures:
    rounded = as_eight_bits(result)
    return {"psnr_rgb": psnr(rounded, sample.gt), "ssim_rgb": ssim(rounded, sample.gt)}


def _grey_scores(result: Tensor, sample: Sample) -> Figures:
    grey = as_eight_bits(result.mean(1, keepdim=True))
    return {"psnr_y": psnr(grey, sample.gt), "ssim_y": ssim(grey, sample.gt)}
