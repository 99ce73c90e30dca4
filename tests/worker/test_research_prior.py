"""Deep Image Prior: a net fitted to one picture finds more of it than what it was given."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from enhancer_worker.research.commands import _read_task, research
from enhancer_worker.research.deep_image_prior import (
    FitConfig,
    Hourglass,
    HourglassConfig,
    denoise,
    enlarge,
)
from enhancer_worker.training.data import read_tile, to_tensor
from enhancer_worker.training.degradations import shrink
from enhancer_worker.training.metrics import psnr
from enhancer_worker.training.protocols import Case, denoising_case, upscaling_case
from tests.worker.training_data import write_picture

SMALL = HourglassConfig(channels=16, levels=2, skip_channels=4, input_channels=8)


def test_hourglass__has_the_size_of_the_paper() -> None:
    net = Hourglass(HourglassConfig())
    assert 2_000_000 < sum(parameter.numel() for parameter in net.parameters()) < 2_400_000
    with torch.no_grad():
        picture = net(torch.rand(1, 32, 64, 96))
    assert picture.shape == (1, 3, 64, 96)
    assert 0 <= picture.min() <= picture.max() <= 1


def test_enlarge__fits_what_was_given_at_any_size(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 1, 50)
    lq = shrink(to_tensor([read_tile(tmp_path / "a.png")]), 2)
    few, many = (enlarge(lq, 2, SMALL, FitConfig(n, average_decay=0.5)) for n in (2, 60))
    assert few.shape == many.shape == (1, 3, 50, 50)
    errors = [float((shrink(result, 2) - lq).square().mean()) for result in (few, many)]
    assert errors[1] < 0.3 * errors[0]


def test_enlarge__gives_the_same_for_the_same_seed() -> None:
    lq = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    state = torch.random.get_rng_state()
    first, again, other = (enlarge(lq, 2, SMALL, FitConfig(3, seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_denoise__finds_the_picture_before_the_noise() -> None:
    rows = torch.linspace(0.1, 0.9, 48).repeat(48, 1)
    gt = torch.stack([rows, rows.T, 1 - rows])[None]
    noise = torch.randn(gt.shape, generator=torch.Generator().manual_seed(0))
    noisy = gt + noise * (40 / 255)
    result = denoise(noisy, SMALL, FitConfig(150, average_decay=0.9))
    assert psnr(result, gt) > psnr(noisy, gt) + 3


def test_enlarge__takes_pictures_smaller_than_its_deepest_level() -> None:
    lq = torch.rand(1, 3, 5, 9)
    assert enlarge(lq, 2, HourglassConfig(channels=4), FitConfig(1)).shape == (1, 3, 10, 18)


def test_fit__needs_a_step() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        denoise(torch.rand(1, 3, 8, 8), SMALL, FitConfig(0))


def run(*arguments: object) -> str:
    result = CliRunner().invoke(research, ["deep-image-prior", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_command__measures_beside_bicubic(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 1, 67)
    options = ("--scale", 2, "--steps", 2, "--channels", 8, "--benchmark", "--json")
    facts = json.loads(run(tmp_path / "a.png", *options, "--out", tmp_path / "out.png"))
    assert (facts["image"], facts["scale"], facts["steps"]) == ("a.png", 2, 2)
    assert facts["seconds"] > 0
    assert facts["psnr_y"] < facts["psnr_y_bicubic"]
    with Image.open(tmp_path / "out.png") as written:
        assert written.size == (66, 66)


@pytest.mark.parametrize(
    ("scale", "case"), [(2, upscaling_case(2)), (3, upscaling_case(3)), (1, denoising_case(15))]
)
def test_read_task__gives_what_evaluate_feeds(tmp_path: Path, scale: int, case: Case) -> None:
    write_picture(tmp_path / "a.png", 1, 67)
    options = {"scale": scale, "benchmark": True, "sigma": 15}
    task, sample = _read_task(tmp_path / "a.png", options), case.prepare(tmp_path / "a.png")
    assert torch.equal(task.lq, sample.lq)
    assert task.gt is not None
    assert torch.equal(task.gt, sample.gt)


def test_command__denoises(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 1, 64)
    options = ("--scale", 1, "--steps", 2, "--channels", 8, "--benchmark", "--json")
    assert json.loads(run(tmp_path / "a.png", *options))["input"] == pytest.approx(20.2, abs=1)


def test_command__takes_a_truth_of_the_right_size_only(tmp_path: Path) -> None:
    pixels = np.zeros((32, 32, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "lq.png")
    arguments = ["deep-image-prior", str(tmp_path / "lq.png"), "--gt", str(tmp_path / "lq.png")]
    result = CliRunner().invoke(research, [*arguments, "--scale", "2"])
    assert result.exit_code == 2
    assert "--gt is (32, 32) pixels high and wide, not (64, 64)" in result.output
