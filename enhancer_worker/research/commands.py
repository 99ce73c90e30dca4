"""Command lines of methods that are measured for comparison but not used by any recipe."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch
from PIL import Image
from torch import Tensor

from enhancer_worker.research.deep_image_prior import (
    FitConfig,
    HourglassConfig,
    denoise,
    enlarge,
)
from enhancer_worker.training.data import read_tile, to_tensor
from enhancer_worker.training.degradations import antialiased_bicubic
from enhancer_worker.training.metrics import as_eight_bits, luma_scores, psnr
from enhancer_worker.training.protocols import denoising_case, upscaling_case


@click.group()
def research() -> None:
    """Run methods of the literature, for comparison."""


@dataclass(frozen=True)
class Task:
    """What is given and what is known about the truth."""

    lq: Tensor
    """(1, 3, h, w), float32, RGB."""
    gt: Tensor | None
    """(1, 3, H, W), float32, [0, 1], RGB."""
    scale: int
    """Output pixels per input pixel along one axis; 1: denoising."""


@research.command("deep-image-prior")
@click.argument("image", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--scale", type=click.IntRange(1, 8), default=4, show_default=True, help="1: denoise."
)
@click.option("--steps", type=click.IntRange(1), default=2000, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="PNG to write.")
@click.option(
    "--gt", type=click.Path(exists=True, path_type=Path), help="The truth, to measure by."
)
@click.option(
    "--benchmark", is_flag=True, help="IMAGE is the truth: shrink or disturb it as `evaluate` does."
)
@click.option("--sigma", default=25, show_default=True, help="Noise of --benchmark, of 255.")
@click.option("--channels", type=click.IntRange(4), default=128, show_default=True)
@click.option("--input-noise", default=0.03, show_default=True, help="Added in every step.")
@click.option("--seed", default=0, show_default=True)
@click.option("--threads", default=0, help="CPU threads; 0: all.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def deep_image_prior(image: Path, **options: Any) -> None:
    """Enlarge or denoise IMAGE with a net that has seen no other picture.

    Ulyanov et al. 2018, arXiv 1711.10925. It takes minutes to hours: a net is fitted to the one
    picture. Uses no training data.
    """
    torch.set_num_threads(options["threads"] or torch.get_num_threads())
    task = _read_task(image, options)
    net_config = HourglassConfig(channels=options["channels"])
    config = FitConfig(options["steps"], input_noise=options["input_noise"], seed=options["seed"])
    started = time.perf_counter()
    numbers = range(config.steps)
    with click.progressbar(numbers, label="Fitting", file=sys.stderr, show_pos=True) as steps:
        if task.scale > 1:
            result = enlarge(task.lq, task.scale, net_config, config, steps)
        else:
            result = denoise(task.lq, net_config, config, steps)
    seconds = time.perf_counter() - started
    if options["out"]:
        _write(result, options["out"])
    facts = {
        "image": image.name,
        "scale": task.scale,
        "steps": config.steps,
        "channels": net_config.channels,
        "seconds": round(seconds, 3),
        **({} if task.gt is None else _figures(result, task.gt, task)),
    }
    plain = "  ".join(f"{name} {value}" for name, value in facts.items())
    click.echo(json.dumps(facts) if options["as_json"] else plain)


def _read_task(image: Path, options: dict[str, Any]) -> Task:
    scale = options["scale"]
    if options["benchmark"]:
        case = upscaling_case(scale) if scale > 1 else denoising_case(options["sigma"])
        sample = case.prepare(image)
        return Task(sample.lq, sample.gt, scale)
    lq = to_tensor([read_tile(image)])
    if options["gt"] is None:
        return Task(lq, None, scale)
    gt = to_tensor([read_tile(options["gt"])])
    expected = tuple(side * scale for side in lq.shape[-2:])
    if tuple(gt.shape[-2:]) != expected:
        raise click.UsageError(
            f"--gt is {tuple(gt.shape[-2:])} pixels high and wide, not {expected}"
        )
    return Task(lq, gt, scale)


def _figures(result: Tensor, gt: Tensor, task: Task) -> dict[str, float]:
    """The literature's figures, beside those of doing nothing clever."""
    if task.scale == 1:
        plain = psnr(as_eight_bits(task.lq), gt)
        return {"psnr_rgb": round(psnr(as_eight_bits(result), gt), 2), "input": round(plain, 2)}
    psnr_y, ssim_y = luma_scores(result, gt, task.scale)
    bicubic = antialiased_bicubic(task.lq, (gt.shape[-2], gt.shape[-1]))
    reference, _ = luma_scores(bicubic, gt, task.scale)
    return {
        "psnr_y": round(psnr_y, 2),
        "ssim_y": round(ssim_y, 4),
        "psnr_y_bicubic": round(reference, 2),
    }


def _write(result: Tensor, path: Path) -> None:
    pixels = (as_eight_bits(result)[0] * 255).round().to(torch.uint8).permute(1, 2, 0)
    Image.fromarray(pixels.contiguous().numpy()).save(path)
