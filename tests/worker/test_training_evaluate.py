"""Evaluation: shape of the report, what is judged, and the protocol check."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from enhancer_worker.nets.zoo import ZOO
from enhancer_worker.training import evaluate
from enhancer_worker.training.benchmarks import (
    UnknownBenchmarkError,
    cases_of,
    images_of,
    judge_denoising,
    judge_jpeg,
    run_padded,
    summarize,
)
from enhancer_worker.training.cli import evaluate_main, train_main
from enhancer_worker.training.evaluate import protocol_deviations
from shopimg.contract import WorkerError
from tests.worker.training_data import write_data

ALL = "set5,b100,cbsd68,live1"


def test_evaluate__writes_one_json_object(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--data", str(write_data(tmp_path)), "--set", ALL, "--limit", "1", "--json"]
    assert evaluate_main(argv) == 0
    report = json.loads(capsys.readouterr().out)
    assert {name: list(cases) for name, cases in report.items()} == {
        "set5": ["x2", "x4"],
        "b100": ["x2", "x4"],
        "cbsd68": ["sigma15", "sigma25", "sigma50"],
        "live1": ["q10", "q20", "q30", "q40"],
    }
    assert set(report["set5"]["x2"]) == {
        "psnr_y",
        "ssim_y",
        "psnr_y_bicubic",
        "ssim_y_bicubic",
        "min_gain_over_bicubic",
    }
    assert set(report["cbsd68"]["sigma25"]) == {"psnr_rgb", "ssim_rgb"}
    assert report["live1"]["q20"]["psnr_y"] > report["live1"]["q10"]["psnr_y"]


def test_evaluate__judges_a_folder_with_one_net(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "run"
    weights.mkdir()
    source = evaluate.SHIPPED_WEIGHTS / "upscale_x2_s.safetensors"
    (weights / source.name).write_bytes(source.read_bytes())
    data = str(write_data(tmp_path))
    assert evaluate_main(["--data", data, "--set", "set5,live1", "--weights", str(weights)]) == 1
    shown = capsys.readouterr()
    assert shown.out.startswith("set5     x2       psnr_y ")
    assert "x4" not in shown.out
    assert "live1" not in shown.out
    assert "Protocol differs: set5 x2: bicubic" in shown.err


def test_collect_nets__reads_one_file() -> None:
    path = evaluate.SHIPPED_WEIGHTS / "restore_s.safetensors"
    assert list(evaluate.collect_nets(path)) == ["restore_s"]


def test_collect_nets__refuses_a_folder_without_weights(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="holds none of upscale_x2_s"):
        evaluate.collect_nets(tmp_path)


def test_collect_nets__takes_all_that_ship() -> None:
    assert list(evaluate.collect_nets(None)) == list(ZOO)


def test_cases_of__refuses_unknown_benchmarks() -> None:
    with pytest.raises(UnknownBenchmarkError, match="no protocol for 'mine'"):
        cases_of("mine")


def test_images_of__refuses_missing_folders(tmp_path: Path) -> None:
    with pytest.raises(UnknownBenchmarkError, match=r"no images in .*set5"):
        images_of(tmp_path, "set5")


def test_protocol_deviations__compare_with_published_figures() -> None:
    assert protocol_deviations({"set5": {"x2": {"psnr_y_bicubic": 33.685}}}) == []
    assert protocol_deviations({"b100": {"x4": {"psnr_y_bicubic": 25.90}}}) == [
        "b100 x4: bicubic 25.90, published 25.96"
    ]


def test_summarize__finds_the_worst_gain() -> None:
    figures = [
        {"psnr_y": 30.0, "psnr_y_bicubic": 28.0},
        {"psnr_y": 31.0, "psnr_y_bicubic": 30.5},
    ]
    assert summarize(figures) == {
        "psnr_y": 30.5,
        "psnr_y_bicubic": 29.25,
        "min_gain_over_bicubic": 0.5,
    }


def test_judge_denoising__feeds_the_same_noise_each_time(tmp_path: Path) -> None:
    path = write_data(tmp_path) / "benchmarks/cbsd68/one.png"
    first, second = (judge_denoising(nn.Identity(), path, 25) for _ in range(2))
    assert first == second
    # Noise of sigma 25 has 20.17 dB; what is clipped at black and white is not an error.
    assert first["psnr_rgb"] == pytest.approx(20.17, abs=1)


def test_judge_jpeg__of_doing_nothing_is_the_input(tmp_path: Path) -> None:
    figures = judge_jpeg(nn.Identity(), write_data(tmp_path) / "benchmarks/live1/one.png", 20)
    assert figures["psnr_y"] == pytest.approx(figures["psnr_y_input"], abs=1e-4)
    assert figures["ssim_y"] == pytest.approx(figures["ssim_y_input"], abs=1e-4)


def test_run_padded__returns_the_size_it_got() -> None:
    class Aligned(nn.Module):
        multiple_of = 4

        def forward(self, lq: torch.Tensor) -> torch.Tensor:
            assert lq.shape[-2:] == (8, 12)
            return lq

    lq = torch.rand(1, 3, 7, 9)
    assert torch.equal(run_padded(Aligned(), lq), lq)


def test_train__explains_its_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert train_main([]) == 2
    assert train_main(["gan"]) == 2
    assert "train {restorer,upscaler}" in capsys.readouterr().err
