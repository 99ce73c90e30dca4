"""Benchmark protocols: how ground truth becomes input, and what is measured on the result."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from torch import Tensor, nn

from enhancer_worker.training.data import cut_to_multiple, read_tile, to_tensor
from enhancer_worker.training.degradations import (
    antialiased_bicubic,
    compress_jpeg,
    luma_image,
    shrink,
    to_float,
)
from enhancer_worker.training.metrics import as_eight_bits, luma_scores, psnr, ssim

IMAGE_SUFFIXES = frozenset({".png", ".webp", ".bmp", ".tif"})
RESTORER = "restore_s"
SIGMAS = (15, 25, 50)
QUALITIES = (10, 20, 30, 40)

Figures = dict[str, float]


@dataclass(frozen=True)
class Case:
    """One column of a benchmark table."""

    name: str
    """Key in the output, such as `x2`, `sigma25` or `q20`."""
    net: str
    """Weight name of the network that is judged."""
    measure: Callable[[nn.Module, Path], Figures]
    """Figures of one image."""


class UnknownBenchmarkError(ValueError):
    """There is no protocol, or no folder, for this benchmark."""


def cases_of(benchmark: str) -> tuple[Case, ...]:
    """The columns that a benchmark has.

    Raises:
        UnknownBenchmarkError: no protocol is known for it.
    """
    if benchmark in {"set5", "set14", "b100", "urban100"}:
        return tuple(_upscaling_case(scale) for scale in (2, 4))
    if benchmark in {"cbsd68", "kodak24", "mcmaster"}:
        return tuple(_denoising_case(sigma) for sigma in SIGMAS)
    if benchmark in {"live1", "classic5"}:
        return tuple(_jpeg_case(quality) for quality in QUALITIES)
    raise UnknownBenchmarkError(f"no protocol for {benchmark!r}")


def images_of(data: Path, benchmark: str) -> list[Path]:
    """Ground-truth files of a benchmark, sorted.

    Raises:
        UnknownBenchmarkError: the folder is missing or empty.
    """
    folder = data / "benchmarks" / benchmark
    found = sorted(path for path in folder.glob("*") if path.suffix in IMAGE_SUFFIXES)
    if not found:
        raise UnknownBenchmarkError(f"no images in {folder}")
    return found


def summarize(figures: list[Figures]) -> Figures:
    """Mean of every figure over the images; of gains, the smallest one too."""
    summary = {name: round(fmean(f[name] for f in figures), 4) for name in figures[0]}
    if "psnr_y_bicubic" in summary:
        gains = [f["psnr_y"] - f["psnr_y_bicubic"] for f in figures]
        summary["min_gain_over_bicubic"] = round(min(gains), 4)
    if "psnr_y_input" in summary:
        summary["gain"] = round(summary["psnr_y"] - summary["psnr_y_input"], 4)
    return summary


@torch.no_grad()
def judge_upscaling(net: nn.Module, path: Path, scale: int) -> Figures:
    """Super-resolution: luma, `scale` pixels of border cut, antialiased bicubic input."""
    gt = to_tensor([cut_to_multiple(read_tile(path), scale)])
    lq = shrink(gt, scale)
    height, width = gt.shape[-2:]
    ours_psnr, ours_ssim = luma_scores(net(lq), gt, scale)
    reference = luma_scores(antialiased_bicubic(lq, (height, width)), gt, scale)
    return {
        "psnr_y": ours_psnr,
        "ssim_y": ours_ssim,
        "psnr_y_bicubic": reference[0],
        "ssim_y_bicubic": reference[1],
    }


@torch.no_grad()
def judge_denoising(net: nn.Module, path: Path, sigma: int) -> Figures:
    """Colour denoising in RGB: white noise of a seed fixed per image, not clipped before."""
    gt = to_tensor([read_tile(path)])
    rng = np.random.default_rng((zlib.crc32(path.stem.encode()), sigma))
    noise = torch.from_numpy(rng.standard_normal(gt.shape, dtype=np.float32))
    lq = gt + noise * (sigma / 255)
    result = as_eight_bits(run_padded(net, lq))
    return {"psnr_rgb": psnr(result, gt), "ssim_rgb": ssim(result, gt)}


@torch.no_grad()
def judge_jpeg(net: nn.Module, path: Path, quality: int) -> Figures:
    """JPEG artefacts: libjpeg on the grey image, luma compared, no border cut."""
    grey = luma_image(to_float(read_tile(path)))[..., 0]
    gt = as_eight_bits(torch.from_numpy(grey.copy()))[None, None]
    lq = torch.from_numpy(compress_jpeg(grey, quality))[None, None]
    result = as_eight_bits(run_padded(net, lq.expand(1, 3, -1, -1)).mean(1, keepdim=True))
    return {
        "psnr_y": psnr(result, gt),
        "ssim_y": ssim(result, gt),
        "psnr_y_input": psnr(lq, gt),
        "ssim_y_input": ssim(lq, gt),
    }


def run_padded(net: nn.Module, lq: Tensor) -> Tensor:
    """Run a net of scale 1 on any size: the lower and right edges are repeated, then cut off."""
    multiple = int(getattr(net, "multiple_of", 1))
    height, width = lq.shape[-2:]
    padding = (0, -width % multiple, 0, -height % multiple)
    padded = nn.functional.pad(lq, padding, mode="replicate")
    result: Tensor = net(padded.contiguous(memory_format=torch.channels_last))
    return result[..., :height, :width]


def _upscaling_case(scale: int) -> Case:
    return Case(f"x{scale}", f"upscale_x{scale}_s", lambda net, p: judge_upscaling(net, p, scale))


def _denoising_case(sigma: int) -> Case:
    return Case(f"sigma{sigma}", RESTORER, lambda net, p: judge_denoising(net, p, sigma))


def _jpeg_case(quality: int) -> Case:
    return Case(f"q{quality}", RESTORER, lambda net, p: judge_jpeg(net, p, quality))
